// SPDX-License-Identifier: GPL-2.0-only
//! Reports of broken rules, for tests to expect.
//!
//! A report that no test expects makes the test in which it appears fail. If that ran under
//! [`explore`](super::explore()) or [`fifo`](super::vcpu::fifo), it panics at its end; a report
//! from threads that run freely is printed, and makes the whole process end with status 1.

use super::vcpu::{self, Stuck, STACK};
use crate::bindings::{self, rule::this_machine, Globals};
use machine::{explore, report_log};

pub use crate::bindings::rule::Rule;
pub use machine::report_log::{Report, Reports};

/// Runs `body` in a machine of its own, as [`fifo`](super::vcpu::fifo) does, and expects it to
/// break `rule`, and no other. A production kernel, which checks nothing, runs `body` and no more.
///
/// The rules are in [the book](../../../../book/rules/index.html).
///
/// # Panics
///
/// If there was no report, or one that names another rule.
///
/// # Examples
///
/// ```
/// use kernel::{
///     sync::rcu,
///     testing::expect_report,
///     time::{delay::fsleep, Delta},
/// };
///
/// expect_report("rcu-no-sleep", || {
///     let _guard = rcu::read_lock();
///     fsleep(Delta::from_millis(1));
/// });
/// ```
#[track_caller]
pub fn expect_report(rule: &str, body: impl FnOnce() + Send + 'static) {
    let (reports, end) = reports_of(body);
    if cfg!(not(feature = "debug")) {
        return;
    }
    for report in reports.iter() {
        assert_eq!(
            report.rule, rule,
            "expected `{rule}` to be broken, and no other rule, but there is this:\n{}",
            report.text
        );
    }
    assert!(
        !reports.is_empty(),
        "expected `{rule}` to be broken, but nothing was reported ({end:?})"
    );
}

/// Runs `body` in a machine of its own, as [`fifo`](super::vcpu::fifo) does; returns what
/// was reported, the oldest first, and what `body` returned: what breaks a rule may well get stuck.
pub fn reports_of<R: Send + 'static>(
    body: impl FnOnce() -> R + Send + 'static,
) -> (Reports, Result<R, Stuck>) {
    explore::hook_panics();
    vcpu::run(Globals::machine().expecting(), STACK, body)
}

/// Takes what was reported in the caller's machine so far, the oldest first: it counts as expected
/// then. All threads that run freely are in one machine, those of other tests as well; so this is
/// for programs, and tests use [`expect_report`].
pub fn take_reports() -> Reports {
    report_log::take(this_machine())
}

/// Checks no rule while `body` runs, which breaks some on purpose: in a machine with a virtual CPU
/// for all its tasks, else for this thread.
pub fn without_checks<R>(body: impl FnOnce() -> R) -> R {
    bindings::rule::without_checks(body)
}
