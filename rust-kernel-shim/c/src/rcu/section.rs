// SPDX-License-Identifier: GPL-2.0-only
//! The read-side section that a thread is in, as far as a debug kernel has to know.

use crate::rule::Rule;
use core::{cell::Cell, panic::Location};
use machine::cpu::{self, Count};

/// Sleeping inside an RCU read-side section is a bug.
///
/// Rule [rcu-no-sleep](../../book/rules/rcu-no-sleep.html).
pub static RCU_NO_SLEEP: Rule = Rule::new("rcu-no-sleep");

/// An outermost read-side section of a thread.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Stamps up to this one, but not including it, were taken before it began.
    pub stamp: u64,
    /// No other section of the thread has this number.
    pub number: u64,
    /// The location at which it began.
    pub at: Option<&'static Location<'static>>,
}

machine::per_thread! {
    /// The last section that this thread has begun.
    static LAST: Cell<Section> = Cell::new(Section { stamp: 0, number: 0, at: None });
}

/// This thread's outermost section; `None` outside of one. From any context.
#[inline]
pub fn rcu_section() -> Option<Section> {
    cpu::with(|cpu| cpu.open(Count::Rcu) != 0).then(rcu_last_section)
}

/// The last outermost section that this thread has begun. From any context.
#[inline]
pub fn rcu_last_section() -> Section {
    LAST.get()
}

/// A section has begun.
#[cfg(feature = "debug")]
#[inline]
pub(super) fn begins(at: &'static Location<'static>) {
    cpu::with(|cpu| {
        if cpu.open(Count::Rcu) == 1 {
            LAST.set(Section {
                stamp: super::request::next_stamp(),
                number: LAST.get().number + 1,
                at: Some(at),
            });
            cpu.reader().set_at(at);
        }
    });
}

/// True where a sleep breaks a rule: Linux has nothing to add.
#[cfg(feature = "debug")]
pub(crate) fn sleep_breaks_a_rule() -> bool {
    crate::debug::call::in_call() || rcu_section().is_some()
}

/// The task is about to sleep.
#[cfg(feature = "debug")]
pub(crate) fn no_sleep(at: &'static Location<'static>) {
    use crate::{debug::call, rule::Place};

    machine::per_thread! {
        /// The number of the section in which this was reported last.
        static REPORTED: Cell<u64> = Cell::new(0);
    }

    if call::sleeps(at) {
        return;
    }
    let checking = RCU_NO_SLEEP.look();
    let Some(section) = rcu_section() else {
        return;
    };
    if checking && REPORTED.replace(section.number) != section.number {
        RCU_NO_SLEEP.report(
            format_args!("rcu: sleeping inside an RCU read-side section"),
            &[
                (
                    "section entered",
                    section.at.map_or(Place::Unknown, Place::At),
                ),
                ("it sleeps", Place::Here(at)),
            ],
        );
    }
}
