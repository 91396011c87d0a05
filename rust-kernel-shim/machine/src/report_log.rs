// SPDX-License-Identifier: GPL-2.0-only
//! Reports of broken rules, BUGs and WARNINGs, until a test takes them.

use super::{border, console, failed};
use core::cell::Cell;
use std::{
    collections::btree_map::{BTreeMap, Entry},
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, Once},
    thread,
};

/// The text of a report.
pub type Text = String;

/// A report of a broken rule, or of what Linux itself says: a BUG or a WARNING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The machine in which that was.
    pub machine: u64,
    /// The name of the rule; empty for what Linux itself says.
    pub rule: &'static str,
    /// The text, in several lines.
    pub text: String,
    /// No task was left that could do better: the thread panics, or the machine ends.
    pub late: bool,
}

impl Report {
    /// What it says, in one line.
    pub fn said(&self) -> String {
        match self.rule {
            "" => self.text.lines().next().unwrap_or("").into(),
            rule => format!("the rule `{rule}` was broken"),
        }
    }
}

/// Reports, the oldest first.
pub type Reports = Vec<Report>;

static REPORTS: Mutex<Vec<Report>> = Mutex::new(Vec::new());

/// What was printed of a machine, by a hash of the lines of a driver that it names: where, and how
/// often more.
static PRINTED: Mutex<BTreeMap<(u64, u64), (String, usize)>> = Mutex::new(BTreeMap::new());

/// True if a report which names the same lines was printed of the same machine, and the same test
/// among threads that run freely: one mistake is told once, for however many objects.
pub fn again(machine: u64, rule: &str, text: &str) -> bool {
    let places = || text.lines().filter_map(|line| line.split_once(" at "));
    let mut hasher = DefaultHasher::new();
    (rule, (machine == 0).then(failed::this_test)).hash(&mut hasher);
    match places().next() {
        None => text.hash(&mut hasher),
        Some(_) => places().for_each(|(_, at)| at.hash(&mut hasher)),
    }
    let mut printed = crate::lock(&PRINTED);
    match printed.entry((machine, hasher.finish())) {
        Entry::Vacant(new) => {
            let said = text.lines().next().unwrap_or("").to_string();
            new.insert((said, 0));
            false
        }
        Entry::Occupied(mut known) => {
            known.get_mut().1 += 1;
            true
        }
    }
}

/// Says how often what was printed of a machine would have been again.
fn say_how_often(machine: u64) {
    let mut printed = crate::lock(&PRINTED);
    let mut later = printed.split_off(&(machine, 0));
    printed.append(&mut later.split_off(&(machine + 1, 0)));
    drop(printed);
    for (said, more) in later.into_values().filter(|(_, more)| *more != 0) {
        console::write_line(format_args!("{more} more of the same lines: {said}"));
    }
}

/// Adds a report; prints one that is not expected, which ends the process with 1 unless taken.
pub fn add(report: Report, expected: bool) {
    let again = !expected && again(report.machine, report.rule, &report.text);
    for line in report.text.lines() {
        console::record(line);
        if !expected && !again {
            console::write_line(format_args!("{line}"));
        }
    }
    keep(report, expected, again);
}

/// As [`add`], for one that was printed, unless it is of the same lines as another again.
pub fn keep(report: Report, expected: bool, again: bool) {
    if !expected && !again {
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        console::write_line(format_args!("  thread {name}\n"));
    }
    if !expected {
        failed::fail(&report.said());
    }
    crate::lock(&REPORTS).push(report);
    look_at_exit();
}

/// Has the process end with 1 if there are reports then.
pub(super) fn look_at_exit() {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: The function may be called at any exit. A failure matters little after the print.
        unsafe { libc::atexit(at_exit) };
    });
}

crate::per_thread! {
    /// A hash of the place and the machine of what this thread was accused of last.
    static ACCUSED: Cell<u64> = Cell::new(0);
}

/// This thread is accused of what it does in `machine`, at `at`; true if it was already.
pub fn accuse(machine: u64, at: &str) -> bool {
    let accused = BuildHasherDefault::<DefaultHasher>::default().hash_one((machine, at));
    ACCUSED.replace(accused) == accused
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
    say_how_often(machine);
    let mut reports = crate::lock(&REPORTS);
    let (taken, rest) = reports
        .drain(..)
        .partition(|report| report.machine == machine);
    *reports = rest;
    taken
}

extern "C" fn at_exit() {
    border::wait_for_panics();
    say_how_often(0);
    let reports = crate::lock(&REPORTS);
    if let Some(report) = reports.first() {
        let (said, more) = (report.said(), reports.len() - 1);
        match more {
            0 => console::write_line(format_args!("a report above was not expected: {said}")),
            _ => console::write_line(format_args!(
                "reports above were not expected: {said}; and {more} more"
            )),
        }
        // SAFETY: All that is to be written has been.
        unsafe { libc::_exit(1) };
    }
}
