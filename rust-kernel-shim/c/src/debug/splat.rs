// SPDX-License-Identifier: GPL-2.0-only
//! What Linux itself says of a bug: a BUG, a WARNING, or an INFO of a stall.
//!
//! It goes to the kernel log, as in Linux, and it counts as a report of a broken rule does: what no
//! test expects makes its test fail.

use crate::{globals, rule, task_struct, KERN_DEBUG};
use core::{
    fmt::{self, Write as _},
    sync::atomic::Ordering::Relaxed,
};
use machine::{blocked, cpu, expected, report_log, task};

/// This thread is accused of what it does at `at`; true if it was already.
pub(super) fn accuse(at: &str) -> bool {
    report_log::accuse(rule::this_machine(), at)
}

/// Says `what` in one line, and `more` lines, each of which ends with a newline. From any context.
///
/// Of several that one statement of a driver leads to, the one `at` that place, the first counts,
/// and a broken rule before them all.
#[cold]
pub(crate) fn splat(level: u8, at: &str, what: fmt::Arguments<'_>, more: fmt::Arguments<'_>) {
    let t: &task_struct = task::current();
    let comm = t.comm();
    let mut text = report_log::Text::new();
    // Writing to a string does not fail.
    let _ = write!(text, "{what}\n{more}  task {comm}/{}, ", t.pid);
    let _ = cpu::write_context(&mut text);
    blocked::write_held(t, &mut text);
    let known = accuse(at);
    let (machine, taken, ending) = globals::with(|globals| {
        (
            globals.number,
            globals.expects.load(Relaxed),
            globals.ending.load(Relaxed),
        )
    });
    let counts = rule::counts() && !known;
    let expected = taken || (counts && expected::is_expected(machine, &text));
    // The log has it all the same.
    let again = counts && !expected && report_log::again(machine, "", &text);
    let quiet = expected || known || again || !rule::counts();
    crate::printk(
        if quiet { KERN_DEBUG } else { level },
        b"\0",
        format_args!("{text}"),
    );
    if counts && (taken || !expected) {
        let report = report_log::Report {
            machine,
            rule: "",
            text,
            late: ending || report_log::panicking(),
        };
        report_log::keep(report, expected, again);
    }
}

/// Panics if something was reported of the test that this thread runs freely for: a driver could do
/// that here. From any context, but nothing is done in an interrupt handler or a callback.
#[inline]
#[track_caller]
pub fn debug_fail_point() {
    if !super::call::in_call() {
        machine::failed::point();
    }
}
