// SPDX-License-Identifier: GPL-2.0-only
//! What the kernel says meanwhile: trace events, and warnings in its log.
//!
//! A tracepoint calls its probes in the thread that hit it, so one set of probes serves all
//! machines that run at a time.

use super::user;
use dma_fence::bindings::{
    __tracepoint_dma_fence_destroy, __tracepoint_dma_fence_emit,
    __tracepoint_dma_fence_enable_signal, __tracepoint_dma_fence_init,
    __tracepoint_dma_fence_signaled, __tracepoint_dma_fence_wait_end,
    __tracepoint_dma_fence_wait_start,
};
use kernel::{
    bindings::{
        __tracepoint_console, tracepoint, tracepoint_probe_register, tracepoint_probe_unregister,
    },
    ffi::c_void,
    testing::console,
};
use std::sync::{Mutex, PoisonError};

type Probe = unsafe extern "C" fn(data: *mut c_void, object: *mut c_void);

fn probes() -> [(&'static tracepoint, Probe); 8] {
    [
        (&__tracepoint_dma_fence_emit, event),
        (&__tracepoint_dma_fence_init, event),
        (&__tracepoint_dma_fence_destroy, event),
        (&__tracepoint_dma_fence_enable_signal, event),
        (&__tracepoint_dma_fence_signaled, event),
        (&__tracepoint_dma_fence_wait_start, event),
        (&__tracepoint_dma_fence_wait_end, event),
        (&__tracepoint_console, log),
    ]
}

/// How many want them.
static USERS: Mutex<usize> = Mutex::new(0);

/// The probes are registered while this lives, and warnings are kept from standard error.
pub(crate) struct Probes(u8);

impl Probes {
    pub(crate) fn register() -> Self {
        let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        *users += 1;
        if *users == 1 {
            for (tracepoint, probe) in probes() {
                let data = core::ptr::from_ref(tracepoint).cast_mut().cast();
                // SAFETY: The probes take their tracepoint as data, which is static.
                let registered = unsafe { tracepoint_probe_register(tracepoint, probe, data) };
                assert_eq!(registered, 0);
            }
        }
        Self(console::set_loglevel(0))
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        *users -= 1;
        if *users == 0 {
            console::set_loglevel(self.0);
            for (tracepoint, probe) in probes() {
                let data = core::ptr::from_ref(tracepoint).cast_mut().cast();
                // SAFETY: Nothing is asked for.
                unsafe { tracepoint_probe_unregister(tracepoint, probe, data) };
            }
        }
    }
}

/// # Safety
///
/// `data` is the tracepoint, `object` what it was hit with.
unsafe fn text(data: *mut c_void, object: *mut c_void) -> (&'static tracepoint, String) {
    // SAFETY: By the safety requirements; tracepoints are static.
    let tracepoint: &'static tracepoint = unsafe { &*data.cast() };
    let mut text = String::new();
    // SAFETY: By the safety requirements.
    if unsafe { tracepoint.print(object, &mut text) }.is_err() {
        text.push_str(" (cut)");
    }
    (tracepoint, text)
}

/// The probe of all events of fences.
///
/// # Safety
///
/// As [`text`].
unsafe extern "C" fn event(data: *mut c_void, object: *mut c_void) {
    let Some(user) = user() else { return };
    // SAFETY: By the safety requirements.
    let (tracepoint, text) = unsafe { text(data, object) };
    let name = tracepoint.name.to_str().unwrap_or("?");
    let name = name.strip_prefix("dma_fence_").unwrap_or(name);
    match name {
        "init" => user.initialised(),
        "destroy" => match user.core.slot(object.cast()) {
            Some(slot) => {
                user.destroyed(slot);
                // Another fence may soon have the address.
                user.core.forget(slot);
            }
            None => user.note(format_args!("? unknown")),
        },
        _ => (),
    }
    user.note(format_args!("~ {name} {text}"));
}

/// The probe of the log.
///
/// # Safety
///
/// As [`text`].
unsafe extern "C" fn log(data: *mut c_void, object: *mut c_void) {
    let Some(user) = user() else { return };
    // SAFETY: By the safety requirements.
    let (_, text) = unsafe { text(data, object) };
    if text.starts_with("WARNING: ") {
        user.note(format_args!("* WARN"));
    } else if text.starts_with("BUG: ") {
        user.note(format_args!("* {text}"));
    }
}
