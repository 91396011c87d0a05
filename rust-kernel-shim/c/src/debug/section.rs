// SPDX-License-Identifier: GPL-2.0-only
//! Annotated sections, in which a task may wait for nothing that may wait for the section's end.
//!
//! What depends on what is for lockdep. It does not see a task wait for what it would have to do
//! itself, since Linux allows waits inside such a section; here that is reported.

use crate::rule::{checking, Rule};
use core::{cell::Cell, panic::Location};
use machine::{
    blocked::{self, Thing},
    cpu::{self, Cpu},
};

/// An annotated section of a task.
#[derive(Clone, Copy)]
struct Section {
    rule: &'static Rule,
    name: &'static str,
    /// Where the outermost one began.
    began: &'static Location<'static>,
    reported: bool,
}

/// The sections of a thread.
struct Sections {
    /// How many are open, one inside the other.
    depth: Cell<usize>,
    /// The one that the thread is in, if one is open, or was.
    section: Cell<Option<Section>>,
}

machine::per_thread! {
    static SECTIONS: Sections = Sections { depth: Cell::new(0), section: Cell::new(None) };
}

/// A section begins, in which `rule` holds; `name` is for its report. They nest. From any context.
#[inline]
#[track_caller]
pub fn debug_section_begins(rule: &'static Rule, name: &'static str) {
    let (began, reported) = (Location::caller(), false);
    cpu::with(|cpu| {
        Rule::count_on(cpu, [rule]);
        SECTIONS.with(|sections| {
            let depth = sections.depth.replace(sections.depth.get() + 1);
            if depth == 0 {
                #[rustfmt::skip]
                sections.section.set(Some(Section { rule, name, began, reported }));
                blocked::acquired_on(cpu, Thing::section(name), began);
            }
        });
    });
}

/// The innermost section ends. From any context.
#[inline]
pub fn debug_section_ends() {
    SECTIONS.with(|sections| {
        let depth = sections.depth.get();
        if depth == 1 {
            blocked::released(Thing::SECTION.id);
        }
        sections.depth.set(depth.saturating_sub(1));
    });
}

/// The task may have to wait: `what` it does. Reported once a section, unless the task may not
/// sleep anyhow, which is reported elsewhere.
#[track_caller]
pub fn debug_section_waits(what: &str) {
    let open = |sections: &Sections| match sections.depth.get() {
        0 => None,
        _ => sections.section.get(),
    };
    let Some(section) = SECTIONS.with(open) else {
        return;
    };
    let at = Location::caller();
    let atomic = cpu::with(Cpu::cannot_sleep) || crate::in_call();
    if !section.rule.look() || section.reported || atomic || !checking() {
        return;
    }
    let reported = Some(Section {
        reported: true,
        ..section
    });
    SECTIONS.with(|sections| sections.section.set(reported));
    let Section { name, began, .. } = section;
    section.rule.report_in(name, what, began, at);
}
