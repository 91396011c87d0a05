// SPDX-License-Identifier: GPL-2.0-only
//! Records are kept until a grace period after the signal.

use super::{
    super::super::bindings::Live,
    facts::{HAD_RECORD, OTHER, RELEASED, SETTLES},
    table::{self, at, enter, known_of, Id, FENCES},
    tracked::Known,
    Record,
};
use core::cell::Cell;
use kernel::bindings::{
    debugobjects::{debug_object_deactivate, SideTable},
    per_thread, rcu_order_passed, rcu_order_progress,
    rule::this_machine,
};

/// Records that are looked at for whether they are needed any more, whenever there is a new one here.
const AT_ONCE: usize = 4;

/// Those whose memory is gone, and that may have signalled less than a grace period ago; by their
/// machines and numbers.
static SETTLING: SideTable<(u64, u64), Id> = SideTable::new();

/// Those of a machine.
pub(super) fn settling(machine: u64) -> impl Iterator<Item = Id> {
    let its = SETTLING.range((machine, 0), (machine + 1, 0), usize::MAX);
    its.map(|(_, id)| id)
}

/// Forgets some of those of which a grace period has passed since they signalled.
fn sweep() {
    // What a machine knows of grace periods is known in it alone.
    let machine = this_machine();
    let now = (machine, rcu_order_progress());
    if SWEPT.get() == now {
        return;
    }
    let mut more = false;
    for (_, id) in SETTLING.range((machine, 0), (machine + 1, 0), AT_ONCE) {
        let signalled = id.facts().signalled();
        if signalled.is_none_or(|(stamp, _)| rcu_order_passed(stamp)) {
            forget(id);
            more = true;
        }
    }
    if !more {
        SWEPT.set(now);
    }
}

per_thread! {
    /// The machine, and how far its grace periods were, when this thread has found none to forget.
    static SWEPT: Cell<(u64, u64)> = Cell::new((0, 0));
}

/// The last reference to a fence is gone. It is forgotten once its memory is.
pub(in crate::contract) fn releases(fence: *const Live) {
    if let Some(mut known) = known_of(fence) {
        known.ends_pending();
        known.set(RELEASED, true);
    }
}

/// Forgets a fence.
pub(in crate::contract) fn forget(id: Id) {
    if let Some(known) = id.known() {
        ends(known);
    }
}

/// A fence has no record any more.
fn ends(mut known: Known) {
    over(&mut known);
    let (place, addr) = (known.place(), known.addr());
    if place.is_at(addr) {
        known.set(OTHER | HAD_RECORD, true);
    } else {
        drop(known);
        FENCES.free(place, addr);
    }
}

/// The record of a fence is over, which leaves its place as if there had been none.
pub(super) fn over(known: &mut Known) {
    let id = known.id();
    let own = known.ends();
    if known.has(SETTLES) {
        SETTLING.remove((known.machine(), id.number()));
    }
    if let Some(own) = own.filter(|own| !own.reached.is_empty()) {
        id.is_no_owner();
        for &(addr, descr) in &own.reached {
            debug_object_deactivate(addr, id.number(), descr);
        }
    }
    table::ends(known);
    known.end();
}

/// The memory of a fence is about to be freed. Returns its record from before that.
pub(in crate::contract) fn memory_goes(addr: usize) -> Option<Record> {
    let mut known = at(addr)?;
    let record = known.record()?;
    match record.signalled() {
        Some((stamp, _)) if !rcu_order_passed(stamp) => {
            known.ends_pending();
            known.set(RELEASED | SETTLES, true);
            SETTLING.insert((known.machine(), known.number()), known.id());
            let refs = known.rest.refs.take();
            FENCES.leave(known.place(), addr);
            drop(known);
            let mut gone = enter(addr);
            gone.was(&record);
            gone.rest.refs = refs;
            drop(gone);
            sweep();
        }
        _ => ends(known),
    }
    Some(record)
}
