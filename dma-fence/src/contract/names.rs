// SPDX-License-Identifier: GPL-2.0-only
//! Names are asked for and used within one RCU read-side section.

use super::{
    super::bindings::dma_fence,
    record::{self, report},
    rules::NAMES_IN_ONE_RCU_SECTION,
};
use core::panic::Location;
use kernel::{
    bindings::{debug_loan, rcu_read_lock_held, report::Place, Loan},
    ffi::c_char,
};

/// A name is asked for.
#[track_caller]
pub(crate) fn names_in_one_rcu_section(fence: *mut dma_fence) {
    let checking = NAMES_IN_ONE_RCU_SECTION.look();
    // SAFETY: Nothing is asked for.
    if !checking || unsafe { rcu_read_lock_held() } != 0 {
        return;
    }
    // SAFETY: The caller's fence is valid; these never change.
    let whom = unsafe { ((*fence).context, (*fence).seqno) };
    report(
        &NAMES_IN_ONE_RCU_SECTION,
        format_args!("suspicious RCU usage: a name asked for outside of a read-side section"),
        whom,
        &[
            record::created(fence),
            ("name asked for", Place::Here(Location::caller())),
        ],
    );
}

/// An op has given a name, which may be used until the section ends.
#[track_caller]
pub(crate) fn name_lent(fence: *mut dma_fence, name: *const c_char) {
    // SAFETY: Nothing is asked for.
    let inside = unsafe { rcu_read_lock_held() } != 0;
    if let (true, Some(record)) = (inside, record::of(fence)) {
        debug_loan(Loan {
            addr: name.addr(),
            whom: (record.context, record.seqno),
            created: Some(record.created),
            asked: Location::caller(),
            rule: &NAMES_IN_ONE_RCU_SECTION,
        });
    }
}
