// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks that run, as far as a debug kernel has to know: code of others, called by the kernel
//! where they may not do as they like; and sleeping in them, or in an RCU read-side section.

use crate::rule::{Place, Rule};
use core::{cell::Cell, panic::Location};

pub use machine::border::call as driver_code;

/// A kind of callbacks.
#[allow(missing_debug_implementations)]
pub struct CallKind {
    /// Its name in reports.
    pub what: &'static str,
    /// The step that leads to such a call, if that is known.
    pub step: &'static str,
    /// A lock is held meanwhile for sure, and not only maybe.
    pub surely_locked: bool,
    /// The rule that it breaks if it sleeps.
    pub rule: &'static Rule,
}

/// A callback that runs on this thread.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct DriverCall {
    /// Its kind.
    pub kind: &'static CallKind,
    /// Whose it is: a context and a number in it.
    pub subject: (u64, u64),
    /// The op had returned true before it was called.
    pub said_true: bool,
    /// The address of the lock that is held meanwhile, if one is, or 0.
    pub lock: usize,
    /// The location that created the subject.
    pub created: Option<&'static Location<'static>>,
    /// The location of the step that led here.
    pub step: Option<&'static Location<'static>>,
    /// The location of what it was called for, if that is a signal.
    pub signalled: Option<&'static Location<'static>>,
    /// True once it was reported.
    pub reported: bool,
}

impl DriverCall {
    /// Reports that it breaks its rule: `what`, by something that happens now.
    pub fn report(&self, what: core::fmt::Arguments<'_>, now: (&str, Place)) {
        let created = self.created.map_or(Place::Unknown, Place::At);
        let step = self.step.map(|at| (self.kind.step, at));
        let signalled = self.signalled.map(|at| ("fence signalled", at));
        let steps = step.into_iter().chain(signalled);
        let steps = steps.map(|(step, at)| (step, Place::At(at))).chain([now]);
        self.kind.rule.report_on(self.subject, created, what, steps);
    }
}

/// Callbacks in callbacks of which a debug kernel knows.
const CALLS: usize = 16;

machine::per_thread! {
    /// Callbacks that run, the innermost last, and some that did.
    static CALL: [Cell<Option<DriverCall>>; CALLS] = [const { Cell::new(None) }; CALLS];
    /// The number of callbacks that run.
    static OPEN: Cell<usize> = Cell::new(0);
}

/// True while a callback runs here. From any context.
#[inline]
pub fn in_call() -> bool {
    OPEN.get() != 0
}

pub use in_call as debug_in_call;

/// Sets what runs at a depth; what is deeper than `CALLS` is only counted.
#[inline(always)]
fn set(depth: usize, call: DriverCall) {
    CALL.with(|calls| {
        if let Some(slot) = calls.get(depth) {
            slot.set(Some(call));
        }
    });
}

/// A callback begins. From any context.
#[inline(always)]
pub fn debug_call_begins(call: DriverCall) {
    let open = OPEN.replace(OPEN.get() + 1);
    set(open, call);
}

/// The innermost callback ends. From any context.
#[inline]
pub fn debug_call_ends() {
    OPEN.set(OPEN.get().saturating_sub(1));
}

/// The innermost callback for which `f` says so. From any context.
pub fn debug_call(f: impl Fn(&DriverCall) -> bool) -> Option<DriverCall> {
    let open = OPEN.get().min(CALLS);
    CALL.with(|calls| {
        let mut known = calls[..open].iter().rev().filter_map(Cell::get);
        known.find(|call| f(call))
    })
}

/// The innermost callback; `None` also if too many are open to know of it. From any context.
pub fn debug_innermost_call() -> Option<DriverCall> {
    let innermost = OPEN.get().checked_sub(1)?;
    CALL.with(|calls| calls.get(innermost)?.get())
}

/// Marks the innermost callback as reported; false if it was, or if there is none.
pub fn debug_report_once() -> bool {
    let Some(call) = debug_innermost_call() else {
        return false;
    };
    let reported = true;
    set(OPEN.get() - 1, DriverCall { reported, ..call });
    !call.reported
}

/// The task is about to sleep; false if no callback runs here.
#[cfg(feature = "debug")]
pub(crate) fn sleeps(at: &'static Location<'static>) -> bool {
    let Some(call) = debug_innermost_call() else {
        return false;
    };
    if call.kind.rule.look() && debug_report_once() {
        call.report(
            format_args!("{} sleeps", call.kind.what),
            ("it sleeps", Place::Here(at)),
        );
    }
    true
}
