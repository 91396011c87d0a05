// SPDX-License-Identifier: GPL-2.0-only
//! Annotated sections, in which a task may wait for nothing that may wait for the section's end.
//!
//! What depends on what is for lockdep. It does not see a task wait for what it would have to do
//! itself, since Linux allows waits inside such a section; here that is reported.

use crate::rule::{checking, Rule};
use core::{cell::Cell, panic::Location};
use machine::blocked::{self, Thing};

/// An annotated section of a task.
#[derive(Clone, Copy)]
struct Section {
    rule: &'static Rule,
    name: &'static str,
    /// Where the outermost one began.
    began: &'static Location<'static>,
    reported: bool,
}

machine::per_thread! {
    /// How many sections are open, one inside the other.
    static DEPTH: Cell<usize> = Cell::new(0);
    /// The section that this thread is in, if one is open, or was.
    static SECTION: Cell<Option<Section>> = Cell::new(None);
}

/// A section begins, in which `rule` holds; `name` is for its report. They nest. From any context.
#[inline]
#[track_caller]
pub fn debug_section_begins(rule: &'static Rule, name: &'static str) {
    rule.look();
    let depth = DEPTH.replace(DEPTH.get() + 1);
    if depth == 0 {
        let began = Location::caller();
        let reported = false;
        #[rustfmt::skip]
        SECTION.set(Some(Section { rule, name, began, reported }));
        blocked::acquired(Thing::section(name), began);
    }
}

/// The innermost section ends. From any context.
#[inline]
pub fn debug_section_ends() {
    let depth = DEPTH.get();
    if depth == 1 {
        blocked::released(Thing::SECTION.id);
    }
    DEPTH.set(depth.saturating_sub(1));
}

/// The task may have to wait: `what` it does. Reported once a section, unless the task may not
/// sleep anyhow, which is reported elsewhere.
#[track_caller]
pub fn debug_section_waits(what: &str) {
    let Some(section) = SECTION.get().filter(|_| DEPTH.get() != 0) else {
        return;
    };
    let at = Location::caller();
    let atomic = machine::cpu::with(machine::cpu::Cpu::cannot_sleep) || crate::in_call();
    if !section.rule.look() || section.reported || atomic || !checking() {
        return;
    }
    SECTION.set(Some(Section {
        reported: true,
        ..section
    }));
    let Section { name, began, .. } = section;
    section.rule.report_in(name, what, began, at);
}
