// SPDX-License-Identifier: GPL-2.0-only
//! The event of the kernel's samples in Rust.
//!
//! C header: [`include/trace/events/rust_sample.h`](srctree/include/trace/events/rust_sample.h)

use crate::{
    ffi::{c_int, c_void},
    tracepoint,
};
use core::fmt;

/// # Safety
///
/// `object` is a number.
unsafe fn print(object: *mut c_void, out: &mut dyn fmt::Write) -> fmt::Result {
    // SAFETY: The caller says so.
    write!(out, "magic={}", unsafe { object.cast::<c_int>().read() })
}

/// Hit by a sample that is loaded; the object is a `c_int`.
pub static __tracepoint_rust_sample_loaded: tracepoint =
    tracepoint::new(c"rust_sample", c"rust_sample_loaded", print);

/// Calls those that listen to the samples.
pub unsafe fn rust_do_trace_rust_sample_loaded(mut magic: c_int) {
    // SAFETY: The object is a number.
    unsafe { __tracepoint_rust_sample_loaded.hit((&raw mut magic).cast()) }
}
