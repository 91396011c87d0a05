// SPDX-License-Identifier: GPL-2.0-only
//! Records are kept until a grace period after the signal.

use super::{
    super::known::{Other, OTHERS},
    table::{known_as, look_as, GONE, LIVE, NUMBERS},
    tracked::Known,
    Record,
};
use core::cell::Cell;
use kernel::bindings::{
    debugobjects::{debug_object_deactivate, SideTable},
    per_thread, rcu_order_passed, rcu_order_progress,
    rule::this_machine,
};

/// Records that are looked at for whether they are needed any more, whenever there is a new one.
const AT_ONCE: usize = 4;

/// Those whose last reference is gone, and that may have signalled less than a grace period ago; by
/// their machines and numbers.
static SETTLING: SideTable<(u64, u64), ()> = SideTable::new();

/// Forgets some of those of which a grace period has passed since they signalled.
pub(in crate::contract) fn sweep() {
    // What a machine knows of grace periods is known in it alone.
    let machine = this_machine();
    let now = (machine, rcu_order_progress());
    if SWEPT.get() == now {
        return;
    }
    let mut more = false;
    for ((_, number), ()) in SETTLING.range((machine, 0), (machine + 1, 0), AT_ONCE) {
        let signalled = look_as(number, Record::signalled).flatten();
        if signalled.is_none_or(|(stamp, _)| rcu_order_passed(stamp)) {
            forget(number);
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

/// Forgets a fence.
pub(in crate::contract) fn forget(number: u64) {
    if let Some(addr) = NUMBERS.look(number, |addr| *addr) {
        leaves(addr, number);
    }
    if let Some(known) = GONE.remove(number) {
        forgotten(*known);
    }
}

/// A fence has no record any more.
pub(super) fn forgotten(mut known: Known) {
    let (number, machine) = (known.number, known.record.machine);
    known.ends_pending();
    known.reaches_nothing();
    if known.record.released {
        SETTLING.remove((machine, number));
    }
    for (addr, descr) in known.own.take().into_iter().flat_map(|own| own.reached) {
        debug_object_deactivate(addr, number, descr);
    }
}

/// The memory of a fence is about to be freed.
pub(in crate::contract) fn memory_goes(number: u64) {
    let known = known_as(number, |known| {
        known.ends_pending();
        let record = &mut known.record;
        record.released = true;
        (record.addr, record.machine, record.signalled())
    });
    let Some((addr, machine, signalled)) = known else {
        return;
    };
    let Some((stamp, _)) = signalled else {
        return forget(number);
    };
    settles((machine, number), stamp);
    leaves(addr, number);
}

/// The fence of this machine and number is forgotten once a grace period has passed since it signalled.
pub(in crate::contract) fn settles(key: (u64, u64), signalled: u64) {
    SETTLING.insert(key, ());
    if rcu_order_passed(signalled) {
        SWEPT.set((0, 0));
    }
}

/// The fence at this address has no record any more that is found by it.
pub(in crate::contract) fn leaves(addr: usize, number: u64) {
    LIVE.move_if(
        addr,
        |known| known.number == number,
        |mut known| {
            let was = Some((known.record.subject(), known.record.created));
            let refs = known.refs.take();
            let freed = None;
            OTHERS.insert(addr, Other { was, refs, freed });
            GONE.insert(number, known);
            NUMBERS.remove(number);
        },
    );
}
