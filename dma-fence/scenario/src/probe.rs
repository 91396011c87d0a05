// SPDX-License-Identifier: GPL-2.0-only
//! The probes of a replay, on trace events and the kernel log.
//!
//! A tracepoint calls its probes in the thread that hit it. So one set of probes serves all replays
//! of the process: a probe asks the thread which replay it belongs to, and ignores threads that are
//! in none.

use crate::session::current;
use ::dma_fence::testing::EVENTS;
use core::ptr::from_ref;
use kernel::{
    bindings::{
        __tracepoint_console, tracepoint, tracepoint_probe_register, tracepoint_probe_unregister,
    },
    ffi::c_void,
};
use std::sync::{Mutex, PoisonError};

/// A probe as the kernel calls it.
type Probe = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// The tracepoints with their probes, which take the tracepoint as data.
fn probes() -> impl Iterator<Item = (&'static tracepoint, Probe, *mut c_void)> {
    let events = EVENTS
        .into_iter()
        .map(|tracepoint| (tracepoint, event as Probe));
    let all = events.chain([(&__tracepoint_console, console as Probe)]);
    all.map(|(tracepoint, probe)| (tracepoint, probe, from_ref(tracepoint).cast_mut().cast()))
}

/// The number of replays under way.
static USERS: Mutex<usize> = Mutex::new(0);

/// Keeps the probes registered while it lives.
pub(crate) struct Probes(());

impl Probes {
    /// Registers the probes, unless another replay did.
    pub(crate) fn register() -> Self {
        let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        if *users == 0 {
            for (tracepoint, probe, data) in probes() {
                // SAFETY: The probe takes a static tracepoint as data, and as argument what that
                // tracepoint has.
                unsafe { tracepoint_probe_register(tracepoint, probe, data) };
            }
        }
        *users += 1;
        Self(())
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        *users -= 1;
        if *users == 0 {
            for (tracepoint, probe, data) in probes() {
                // SAFETY: It was registered with just these.
                unsafe { tracepoint_probe_unregister(tracepoint, probe, data) };
            }
        }
    }
}

/// Returns the tracepoint, and the text that it prints.
///
/// # Safety
///
/// `data` is the tracepoint, `arg` what it was hit with.
unsafe fn text(data: *mut c_void, arg: *mut c_void) -> (&'static tracepoint, String) {
    // SAFETY: `data` is a tracepoint. All of them are static.
    let tracepoint: &'static tracepoint = unsafe { &*data.cast() };
    let mut text = String::new();
    // SAFETY: `arg` is what it was hit with.
    let printed = unsafe { tracepoint.print(arg, &mut text) };
    // Writing to a string does not fail; if it did, the transcript would show it.
    let _ = printed;
    (tracepoint, text)
}

/// The probe of all events of a fence.
///
/// # Safety
///
/// `data` is the tracepoint, `arg` the fence.
unsafe extern "C" fn event(data: *mut c_void, arg: *mut c_void) {
    current(|session, _| {
        // SAFETY: `data` and `arg` are those of a probe.
        let (tracepoint, text) = unsafe { text(data, arg) };
        let name = tracepoint.name.to_string_lossy();
        let name = name.strip_prefix("dma_fence_").unwrap_or(&name);
        let mut world = session.world();
        match name {
            "init" => world.live += 1,
            "destroy" => {
                world.live -= 1;
                if let Some(place) = world.fences.at(arg.cast()) {
                    world.fences[place].gone = true;
                }
            }
            _ => (),
        }
        world.recorder.event(name, &text);
    });
}

/// The probe of the kernel log.
///
/// # Safety
///
/// `data` is the tracepoint, `arg` what it was hit with.
unsafe extern "C" fn console(data: *mut c_void, arg: *mut c_void) {
    current(|session, _| {
        // SAFETY: `data` and `arg` are those of a probe.
        let (_, text) = unsafe { text(data, arg) };
        let mut world = session.world();
        for line in text.lines() {
            world.recorder.log(line);
        }
    });
}
