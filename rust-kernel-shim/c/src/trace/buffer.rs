// SPDX-License-Identifier: GPL-2.0-only
//! The trace buffer: the last events, as text.
//!
//! In the kernel: `kernel/trace/`, read through `trace_pipe`.

use crate::ffi::{c_int, c_void};
use crate::{tracepoint, tracepoint_probe_register, tracepoint_probe_unregister};
use machine::trace;

/// # Safety
///
/// `data` is the tracepoint that was hit with `object`.
unsafe extern "C" fn record(data: *mut c_void, object: *mut c_void) {
    // SAFETY: `data` is the tracepoint, as registered below.
    let tp = unsafe { &*data.cast::<tracepoint>() };
    trace::record(tp.name.to_str().unwrap_or("?"), |out| {
        // SAFETY: The object is the one that this tracepoint was hit with.
        unsafe { tp.print(object, out) }
    });
}

/// Records an event from now on. Errors as `tracepoint_probe_register()`. May sleep.
pub fn trace_event_enable(tp: &'static tracepoint) -> c_int {
    let data = core::ptr::from_ref(tp).cast_mut().cast();
    // SAFETY: `record` takes any object of this tracepoint, and `data` is static.
    unsafe { tracepoint_probe_register(tp, record, data) }
}

/// Does not record an event any more. May sleep.
pub fn trace_event_disable(tp: &'static tracepoint) -> c_int {
    let data = core::ptr::from_ref(tp).cast_mut().cast();
    // SAFETY: `tracepoint_probe_unregister()` has no preconditions.
    unsafe { tracepoint_probe_unregister(tp, record, data) }
}
