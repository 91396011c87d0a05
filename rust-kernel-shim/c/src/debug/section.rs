// SPDX-License-Identifier: GPL-2.0-only
//! Annotated sections, in which a task may wait for nothing that may wait for the section's end.
//!
//! What depends on what is for lockdep. It does not see a task wait for what it would have to do
//! itself, since Linux allows waits inside such a section; here that is reported.

use crate::rule::{checking, Rule};
use core::panic::Location;
use machine::{blocked, cpu};

/// A section begins, in which `rule` holds; `name` is for its report. They nest. From any context.
#[inline]
#[track_caller]
pub fn debug_section_begins(rule: &'static Rule, name: &'static str) {
    let began = Location::caller();
    cpu::with(|cpu| {
        Rule::count_on(cpu, [rule]);
        blocked::section_begins(cpu, name, began, rule);
    });
}

/// The innermost section ends. From any context.
#[inline]
pub fn debug_section_ends() {
    cpu::with(blocked::section_ends);
}

/// The task may have to wait: `what` it does. Reported once a section, unless the task may not
/// sleep anyhow, which is reported elsewhere.
#[track_caller]
pub fn debug_section_waits(what: &str) {
    let at = Location::caller();
    cpu::with(|cpu| {
        let Some((name, began, rule, reported)) = blocked::section_of(cpu) else {
            return;
        };
        let Some(rule) = rule.downcast_ref::<Rule>().filter(|rule| rule.look()) else {
            return;
        };
        let atomic = cpu.cannot_sleep() || crate::in_call();
        if !reported.get() && !atomic && checking() {
            reported.set(true);
            rule.report_in(name, what, began, at);
        }
    });
}
