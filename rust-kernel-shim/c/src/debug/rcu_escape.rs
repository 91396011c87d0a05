// SPDX-License-Identifier: GPL-2.0-only
//! Strings that may be used only inside the RCU section that got them: C's `const char __rcu *`.
//!
//! A pointer cannot be followed. But where a string is built from it, printed or copied, it must
//! not be from the section that this thread has left last, outside of any other.

use crate::{
    debug::call::in_call,
    debugobjects::{debug_block_number, debug_next_block},
    rcu_last_section,
    rule::{Place, Rule},
};
use core::{cell::Cell, panic::Location};
use machine::cpu::{self, Count};

/// A string that was asked for.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct RcuString {
    /// The address of the string.
    pub addr: usize,
    /// Whose it is: a context and a number in it.
    pub subject: (u64, u64),
    /// The location that created the subject.
    pub created: Option<&'static Location<'static>>,
    /// The location that got the string.
    pub asked: &'static Location<'static>,
    /// The rule that is broken by using it later.
    pub rule: &'static Rule,
}

/// A string that was asked for, as a thread remembers it.
#[derive(Clone, Copy)]
struct Asked {
    /// The number of the read-side section.
    section: u64,
    /// The number of the block that is allocated next.
    next_block: u64,
    string: RcuString,
}

machine::per_thread! {
    /// The strings that were asked for last: two names belong together.
    static ASKED: [Cell<Option<Asked>>; 2] = [const { Cell::new(None) }; 2];
    /// Which of these is the newest.
    static NEWEST: Cell<usize> = Cell::new(0);
}

/// A string was asked for inside the section that is open. From any context.
#[inline]
pub fn debug_rcu_string(string: RcuString) {
    let asked = Asked {
        section: rcu_last_section().number,
        next_block: debug_next_block(),
        string,
    };
    let newest = NEWEST.get() ^ 1;
    NEWEST.set(newest);
    ASKED.with(|slots| slots[newest & 1].set(Some(asked)));
}

/// A string is about to be built from a pointer, printed or copied.
#[track_caller]
pub fn debug_rcu_string_used(addr: usize) {
    let used = Location::caller();
    let section = rcu_last_section().number;
    let late = ASKED.with(|slots| {
        let newest = NEWEST.get() & 1;
        let mut slots = [newest, newest ^ 1].into_iter().map(|slot| &slots[slot]);
        let slot = slots.find(|slot| {
            slot.get()
                .is_some_and(|asked| asked.string.addr == addr && asked.section == section)
        })?;
        if cpu::with(|cpu| cpu.open(Count::Rcu) != 0) || in_call() {
            return None;
        }
        slot.take()
    });
    let Some(Asked {
        next_block, string, ..
    }) = late
    else {
        return;
    };
    if debug_block_number(addr).is_some_and(|block| block >= next_block) {
        // The memory has become another string.
        return;
    }
    if string.rule.look() {
        string.rule.report_on(
            string.subject,
            string.created.map_or(Place::Unknown, Place::At),
            format_args!("a name used after its read-side section"),
            [
                ("name asked for", Place::At(string.asked)),
                ("name used", Place::Here(used)),
            ],
        );
    }
}
