// SPDX-License-Identifier: GPL-2.0-only
//! Reports of broken rules, BUGs and WARNINGs, for tests to expect.
//!
//! A report that no test expects makes the test in which it appears fail. If that ran under
//! [`explore`](super::explore()) or [`fifo`](super::vcpu::fifo), it panics at its end. Where threads
//! run freely, the report is printed, and the test to which they belong panics at its next call
//! that takes a lock, allocates, sleeps or waits: not at once, since what was found wrong is not
//! ready to unwind. If there is no such call any more, the test passes as far as its harness knows;
//! the whole process ends with status 1 in any case.

use super::vcpu::{self, Stuck, STACK};
use crate::bindings::{self, rule::this_machine, Globals};
use machine::{expected, explore, report_log};

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
        assert!(
            report.rule == rule,
            "expected `{rule}` to be broken, and no other rule, but there is this:\n{}",
            report.text
        );
    }
    assert!(
        !reports.is_empty(),
        "expected `{rule}` to be broken, but nothing was reported ({end:?})"
    );
}

/// Runs `body` as it is, and expects Linux itself to say something of a bug meanwhile in which there
/// is `part`: a BUG, a WARNING, a stall of RCU. As often as it likes; and what else is said counts as
/// ever. A production kernel, which does not look for most of them, runs `body` and no more.
///
/// That goes for the tasks of the caller's machine, and of machines that it starts: all threads that
/// run freely are in one.
///
/// # Panics
///
/// If nothing of that kind was said.
///
/// # Examples
///
/// ```
/// use kernel::{new_spinlock, prelude::*, testing::expect_bug};
///
/// let lock = KBox::pin_init(new_spinlock!(()), GFP_KERNEL)?;
/// expect_bug("sleeping function called from invalid context", || {
///     let _guard = lock.lock();
///     KBox::new(1, GFP_KERNEL)
/// })?;
/// # Ok::<(), Error>(())
/// ```
#[track_caller]
pub fn expect_bug<R>(part: &str, body: impl FnOnce() -> R) -> R {
    let expected = expected::expect(this_machine(), part);
    let result = body();
    assert!(
        cfg!(not(feature = "debug")) || expected.seen() != 0,
        "expected a bug that says `{part}`, but none did"
    );
    result
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
