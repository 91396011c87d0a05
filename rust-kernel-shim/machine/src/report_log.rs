// SPDX-License-Identifier: GPL-2.0-only
//! Reports of broken rules, until a test takes them.

use super::console;
use std::{
    sync::{Mutex, Once},
    thread,
};

/// The text of a report.
pub type Text = String;

/// A report of a broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The machine in which it was broken.
    pub machine: u64,
    /// The name of the rule.
    pub rule: &'static str,
    /// The text, in several lines.
    pub text: String,
    /// No task was left that could do better: the thread panics, or the machine ends.
    pub late: bool,
}

/// Reports, the oldest first.
pub type Reports = Vec<Report>;

static REPORTS: Mutex<Vec<Report>> = Mutex::new(Vec::new());

/// Adds a report; prints one that is not expected, which ends the process with 1 unless taken.
pub fn add(report: Report, expected: bool) {
    for line in report.text.lines() {
        console::record(line);
        if !expected {
            console::write_line(format_args!("{line}"));
        }
    }
    if !expected {
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        console::write_line(format_args!("  thread {name}\n"));
    }
    crate::lock(&REPORTS).push(report);
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: The function may be called at any exit. A failure matters little after the print.
        unsafe { libc::atexit(at_exit) };
    });
}

/// True while this thread panics.
pub fn panicking() -> bool {
    thread::panicking()
}

/// Prints the reports of a machine.
pub fn show(machine: u64) {
    let reports = crate::lock(&REPORTS);
    for report in reports.iter().filter(|report| report.machine == machine) {
        console::write_line(format_args!("{}", report.text));
    }
}

/// Takes the reports of a machine.
pub fn take(machine: u64) -> Reports {
    let mut reports = crate::lock(&REPORTS);
    let (taken, rest) = reports
        .drain(..)
        .partition(|report| report.machine == machine);
    *reports = rest;
    taken
}

extern "C" fn at_exit() {
    let reports = crate::lock(&REPORTS);
    if let Some(report) = reports.first() {
        console::write_line(format_args!(
            "{} broken rules were reported above and not expected, `{}` first",
            reports.len(),
            report.rule
        ));
        // SAFETY: All that is to be written has been.
        unsafe { libc::_exit(1) };
    }
}
