// SPDX-License-Identifier: GPL-2.0-only
//! The border between the kernel and the code of a driver that it calls, which no panic crosses.

use super::{explore, failed, fork, location, report_log, task, vcpu};
use core::{
    cell::Cell,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use std::{
    panic::{self, AssertUnwindSafe},
    thread,
    time::{Duration, Instant},
};

crate::per_thread! {
    /// How many calls this thread is in.
    static CALLS: Cell<u32> = Cell::new(0);
    /// Panics of this thread in a call that has not returned.
    static PANICS: Cell<u32> = Cell::new(0);
}

/// The panics of all threads that run freely, in calls that have not returned.
static UNDER_WAY: AtomicU32 = AtomicU32::new(0);

/// This thread is about to say where it panics, which takes long with a backtrace.
pub(super) fn panics() {
    if CALLS.get() > 0 && vcpu::with(|_| ()).is_none() {
        PANICS.set(PANICS.get() + 1);
        UNDER_WAY.fetch_add(1, Relaxed);
        report_log::look_at_exit();
    }
}

/// Waits until what panics has been reported; but not forever, since it may have been caught.
pub(super) fn wait_for_panics() {
    let start = Instant::now();
    // Acquire: pairs with the Release in `call()`, after the report.
    while UNDER_WAY.load(Acquire) != 0 && start.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Calls `f`, which is a driver's: `what`, for reports.
///
/// If it panics, a machine with a virtual CPU ends, and [`Vcpu::run`](vcpu::Vcpu::run) panics in its
/// place. Among threads that run freely the test that has led here is marked as failed, and this
/// returns `None`.
pub fn call<R>(what: &str, f: impl FnOnce() -> R) -> Option<R> {
    explore::hook_panics();
    let before = PANICS.get();
    CALLS.set(CALLS.get() + 1);
    let result = caught(what, f);
    CALLS.set(CALLS.get() - 1);
    let over = PANICS.replace(before) - before;
    if over != 0 {
        // Release: pairs with the Acquire in `wait_for_panics()`.
        UNDER_WAY.fetch_sub(over, Release);
    }
    result
}

fn caught<R>(what: &str, f: impl FnOnce() -> R) -> Option<R> {
    let payload = match panic::catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => return Some(result),
        Err(payload) => payload,
    };
    if let (Some(vcpu), false) = (vcpu::current(), fork::forked()) {
        vcpu.give_up_panicking(task::current(), payload);
    }
    let message = explore::message(&*payload);
    let at = location::last_panic();
    let said = format!("BUG: panic in {what} at {at}: {message}");
    failed::fail(&said);
    report_log::add(
        report_log::Report {
            machine: 0,
            rule: "",
            text: format!("{said}\n"),
            late: false,
        },
        false,
    );
    None
}
