// SPDX-License-Identifier: GPL-2.0-only
//! The border between the kernel and the code of a driver that it calls, which no panic crosses.

use super::{explore, failed, fork, location, report_log, task, vcpu};
use std::panic::{self, AssertUnwindSafe};

/// Calls `f`, which is a driver's: `what`, for reports.
///
/// If it panics, a machine with a virtual CPU ends, and [`Vcpu::run`](vcpu::Vcpu::run) panics in its
/// place. Among threads that run freely the test that has led here is marked as failed, and this
/// returns `None`.
pub fn call<R>(what: &str, f: impl FnOnce() -> R) -> Option<R> {
    explore::hook_panics();
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
