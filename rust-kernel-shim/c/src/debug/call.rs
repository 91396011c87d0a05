// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks that run, as far as a debug kernel has to know: code of others, called by the kernel
//! where they may not do as they like; and sleeping in them, or in an RCU read-side section.

use crate::rule::{Place, Rule};
use core::{cell::Cell, panic::Location};
#[cfg(feature = "debug")]
use machine::cpu;

/// Nobody sleeps inside an RCU read-side section.
///
/// Rule [rcu-no-sleep](../../book/rules/rcu-no-sleep.html).
pub static RCU_NO_SLEEP: Rule = Rule::new("rcu-no-sleep");

/// A callback that runs on this thread.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct Frame {
    /// What runs, for reports.
    pub what: &'static str,
    /// Whose it is: a context and a number in it.
    pub whom: (u64, u64),
    /// What whoever began it wants to know when it ends.
    pub note: bool,
    /// The address of the lock that is held meanwhile, or 0.
    pub lock: usize,
    /// True if that lock is held for sure, and not only maybe.
    pub surely_locked: bool,
    /// The rule that it breaks if it sleeps.
    pub rule: &'static Rule,
    /// Where that was made.
    pub created: Option<&'static Location<'static>>,
    /// What led here: what happened, and where.
    pub step: Option<(&'static str, &'static Location<'static>)>,
    /// True once it was reported.
    pub said: bool,
}

impl Frame {
    /// Reports that it breaks its rule: `what`, by something that happens now.
    pub fn report(&self, what: core::fmt::Arguments<'_>, now: (&str, Place)) {
        let created = self.created.map_or(Place::Unknown, Place::At);
        let created = ("fence created", created);
        match self.step {
            Some((step, at)) => self
                .rule
                .report(what, &[created, (step, Place::At(at)), now]),
            None => self.rule.report(what, &[created, now]),
        }
    }
}

/// Callbacks in callbacks of which a debug kernel knows.
const FRAMES: usize = 16;

machine::per_thread! {
    /// Callbacks that run, the innermost last.
    static FRAME: [Cell<Option<Frame>>; FRAMES] = [const { Cell::new(None) }; FRAMES];
    /// How many run.
    static OPEN: Cell<usize> = Cell::new(0);
}

/// True while a callback runs here.
#[cfg(feature = "debug")]
pub(crate) fn in_frame() -> bool {
    OPEN.get() != 0
}

/// A callback begins. From any context.
#[inline]
pub fn debug_frame_begins(frame: Frame) {
    let open = OPEN.get();
    // Deeper ones are only counted.
    FRAME.with(|frames| {
        if let Some(slot) = frames.get(open) {
            slot.set(Some(frame));
        }
    });
    OPEN.set(open + 1);
}

/// The innermost callback ends. From any context.
#[inline]
pub fn debug_frame_ends() {
    let open = OPEN.get().saturating_sub(1);
    FRAME.with(|frames| {
        if let Some(slot) = frames.get(open) {
            slot.set(None);
        }
    });
    OPEN.set(open);
}

/// The innermost callback for which `f` says so. From any context.
pub fn debug_frame(f: impl Fn(&Frame) -> bool) -> Option<Frame> {
    FRAME.with(|frames| {
        let mut known = frames.iter().rev().filter_map(Cell::get);
        known.find(|frame| f(frame))
    })
}

/// The innermost callback; `None` also if too many are open to know of it. From any context.
pub fn debug_innermost_frame() -> Option<Frame> {
    let innermost = OPEN.get().checked_sub(1)?;
    FRAME.with(|frames| frames.get(innermost)?.get())
}

/// Marks the innermost callback as reported; false if it was, or if there is none.
#[cfg(feature = "debug")]
fn say_once() -> bool {
    let Some(frame) = debug_innermost_frame() else {
        return false;
    };
    let said = Frame {
        said: true,
        ..frame
    };
    FRAME.with(|frames| frames[OPEN.get() - 1].set(Some(said)));
    !frame.said
}

/// Somebody is about to sleep.
#[cfg(feature = "debug")]
pub(crate) fn rcu_no_sleep(at: &'static Location<'static>) {
    if let Some(frame) = debug_innermost_frame() {
        if frame.rule.look() && say_once() {
            let (context, seqno) = frame.whom;
            frame.report(
                format_args!("dma-fence: {} sleeps, fence {context}:{seqno}", frame.what),
                ("it sleeps", Place::Here(at)),
            );
        }
    } else {
        let (open, entered) = cpu::with(|cpu| (cpu.rcu.get() != 0, cpu.rcu_at.get()));
        let checking = RCU_NO_SLEEP.look();
        if open
            && checking
            && cpu::with(|cpu| {
                cpu.rcu_said.replace(cpu.rcu_sections.get()) != cpu.rcu_sections.get()
            })
        {
            RCU_NO_SLEEP.report(
                format_args!("rcu: sleeping inside an RCU read-side section"),
                &[
                    ("section entered", entered.map_or(Place::Unknown, Place::At)),
                    ("it sleeps", Place::Here(at)),
                ],
            );
        }
    }
}
