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
    /// How many are open, one inside the other.
    depth: usize,
    reported: bool,
}

machine::per_thread! {
    /// The section that this thread is in.
    static SECTION: Cell<Option<Section>> = Cell::new(None);
}

/// The section, for what is known of blocked tasks.
fn thing(section: &Section) -> Thing {
    Thing {
        what: section.name,
        ..Thing::SECTION
    }
}

/// A section begins, in which `rule` holds; `name` is for its report. They nest. From any context.
#[track_caller]
pub fn debug_section_begins(rule: &'static Rule, name: &'static str) {
    rule.look();
    let outer = SECTION.get().unwrap_or(Section {
        rule,
        name,
        began: Location::caller(),
        depth: 0,
        reported: false,
    });
    let depth = outer.depth + 1;
    if depth == 1 {
        blocked::acquired(thing(&outer), outer.began);
    }
    SECTION.set(Some(Section { depth, ..outer }));
}

/// The innermost section ends. From any context.
pub fn debug_section_ends() {
    let inner = SECTION.get();
    if let Some(last) = inner.filter(|inner| inner.depth == 1) {
        blocked::released(thing(&last).id);
    }
    let inner = inner.filter(|inner| inner.depth > 1);
    SECTION.set(inner.map(|inner| Section {
        depth: inner.depth - 1,
        ..inner
    }));
}

/// The task may have to wait: `what` it does. Reported once a section, unless the task may not
/// sleep anyhow, which is reported elsewhere.
#[track_caller]
pub fn debug_section_waits(what: &str) {
    let Some(section) = SECTION.get() else {
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
