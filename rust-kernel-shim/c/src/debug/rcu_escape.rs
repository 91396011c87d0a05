// SPDX-License-Identifier: GPL-2.0-only
//! Strings that may be used only inside the RCU read-side section in which they were asked for: C's
//! `const char __rcu *`.
//!
//! A pointer cannot be followed. But where a string is made of one, printed or copied, that is
//! looked at: it was asked for in the section that this thread has left last, and the thread is in
//! none.

use crate::{
    debug::call::in_frame,
    debugobjects::debug_block_number,
    rcu::rcu_last_section,
    rule::{Evidence, Place, Rule},
};
use core::{cell::Cell, panic::Location};
use machine::cpu;

/// A string that was asked for.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct Loan {
    /// Where it stands.
    pub addr: usize,
    /// Whose it is: a context and a number in it.
    pub whom: (u64, u64),
    /// Where that was made.
    pub created: Option<&'static Location<'static>>,
    /// Where it was asked for.
    pub asked: &'static Location<'static>,
    /// The rule that is broken by using it later.
    pub rule: &'static Rule,
}

/// A string that was asked for, as a thread remembers it.
#[derive(Clone, Copy)]
struct Lent {
    /// The number of the read-side section.
    section: u64,
    /// The number of the block in which it stands, if it is in one.
    block: Option<u64>,
    loan: Loan,
}

machine::per_thread! {
    /// The strings that were asked for last.
    static LOANS: [Cell<Option<Lent>>; 2] = [const { Cell::new(None) }; 2];
}

/// A string was asked for inside the section that is open. From any context.
pub fn debug_loan(loan: Loan) {
    let (section, _) = rcu_last_section();
    let lent = Lent {
        section,
        block: debug_block_number(loan.addr),
        loan,
    };
    // Two names belong together.
    LOANS.with(|loans| loans[1].set(loans[0].replace(Some(lent))));
}

/// A string is about to be made of a pointer, printed or copied.
#[track_caller]
pub fn debug_loan_used(addr: usize) {
    let used = Location::caller();
    let (section, _) = rcu_last_section();
    let late = LOANS.with(|loans| {
        let slot = loans.iter().find(|slot| {
            slot.get()
                .is_some_and(|lent| lent.loan.addr == addr && lent.section == section)
        })?;
        if cpu::with(|cpu| cpu.rcu.get() != 0) || in_frame() {
            return None;
        }
        slot.take()
    });
    let Some(Lent { block, loan, .. }) = late else {
        return;
    };
    if block.is_some() && debug_block_number(addr).is_some_and(|now| Some(now) != block) {
        // The memory has become another string.
        return;
    }
    let created = loan.created.map_or(Place::Unknown, Place::At);
    let evidence: [Evidence<'_>; 3] = [
        ("fence created", created),
        ("name asked for", Place::At(loan.asked)),
        ("name used", Place::Here(used)),
    ];
    if loan.rule.look() {
        let (context, seqno) = loan.whom;
        loan.rule.report(
            format_args!(
                "dma-fence: a name used after its read-side section, fence {context}:{seqno}"
            ),
            &evidence,
        );
    }
}
