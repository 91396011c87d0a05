// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's C, if it is linked: `c/operations.c`, twice.

use kernel::bindings;
#[cfg(feature = "peer")]
use std::ffi::{c_char, CString};
use std::ffi::{c_double, c_long};

pub(crate) type Run = unsafe extern "C" fn(c_long) -> c_double;

#[cfg(feature = "peer")]
extern "C" {
    fn peer_find(name: *const c_char) -> Option<Run>;
    fn peer_attach();
    fn peer_barrier();
    fn peer_step();
    fn engine_step();
    fn engine_find(name: *const c_char) -> Option<Run>;
}

/// Does the operation `n` times. The thread is [attached](attach).
pub(crate) fn times(run: Run, n: u64) -> f64 {
    // SAFETY: An operation has no preconditions but that RCU knows the thread.
    unsafe { run(n as c_long) }
}

/// The operation of that name: over liburcu, or over the `engine` here.
#[cfg(feature = "peer")]
pub(crate) fn find(engine: bool, name: &str) -> Option<Run> {
    let name = CString::new(name.replace('-', "_")).ok()?;
    // SAFETY: The name is a string of C.
    unsafe {
        if engine {
            engine_find(name.as_ptr().cast())
        } else {
            peer_find(name.as_ptr().cast())
        }
    }
}

#[cfg(not(feature = "peer"))]
pub(crate) fn find(_engine: bool, _name: &str) -> Option<Run> {
    None
}

/// Has liburcu know the thread, for good.
pub(crate) fn attach() {
    #[cfg(feature = "peer")]
    // SAFETY: The thread is attached once, as no other function here does it.
    unsafe {
        peer_attach()
    }
}

/// Waits until all that was freed after a grace period is free, in each column.
pub(crate) fn barrier() {
    // SAFETY: No lock is held.
    unsafe { bindings::rcu_barrier() }
    #[cfg(feature = "peer")]
    // SAFETY: The thread is in no read-side section.
    unsafe {
        peer_barrier()
    }
}

/// Has what is timed in C begin and end with a breakpoint from now on.
pub(crate) fn step() {
    #[cfg(feature = "peer")]
    // SAFETY: No operation runs.
    unsafe {
        peer_step();
        engine_step();
    }
}
