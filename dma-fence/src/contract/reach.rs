// SPDX-License-Identifier: GPL-2.0-only
//! The memory that the ops of a fence can reach.
//!
//! That is whatever its driver has declared. If it has declared nothing: the memory that the fence
//! is in; every block that a word of that memory points to when the fence signals; strings to which
//! these point; the names that its ops have returned; and the table of the ops. A driver that keeps
//! a pointer for itself in its fences, which no op uses, clears it before the signal.

use super::{
    super::bindings::{dma_fence_ops, Live},
    freed::{CONTEXT, CONTEXT_NAME, DATA, LOCK, NAME, NO_WORD, OPS, STRING},
    memory::{for_each_pointer, for_each_string, for_each_target, Block},
    record::{self, Id, Tracked, DECLARED, POINTS},
    rules::EXTERN_LOCK_OUTLIVES,
};
use core::{cell::Cell, mem::replace};
use kernel::{
    bindings::{
        debugobjects::{debug_block_of, debug_obj, debug_obj_descr, debug_object_activate, Words},
        per_thread, rcu_order_last, spinlock_t,
    },
    ffi::c_char,
};

fn reaches(addr: usize, owner: Id, descr: &'static debug_obj_descr, note: usize) {
    let Some(mut known) = owner.known() else {
        return;
    };
    let is_tracked = known.reaches(addr, descr);
    drop(known);
    if is_tracked {
        debug_object_activate(debug_obj {
            addr,
            descr,
            owner: owner.number(),
            note,
        });
    }
}

/// The block in which `addr` lies, if it lies in one, is reached.
fn reaches_block(addr: usize, owner: Id, descr: &'static debug_obj_descr) {
    if let Some((block, _)) = debug_block_of(addr) {
        reaches(block, owner, descr, NO_WORD);
    }
}

/// A fence begins, with a lock of its own if `lock` is null.
pub(super) fn begins(fence: Id, ops: *const dma_fence_ops, lock: *mut spinlock_t) {
    extern_lock_named(fence, lock);
    reaches_block(ops.addr(), fence, &OPS);
}

/// Something happens to a fence.
#[inline]
pub(super) fn touched(fence: *const Live) {
    if record::find(fence).is_some_and(|known| known.has(POINTS)) {
        settle(record::known_of(fence).and_then(|mut known| known.touched()));
    }
}

/// Notes where a fence points to which nothing has happened for long.
pub(super) fn settle(oldest: Option<Id>) {
    let Some(oldest) = oldest else {
        return;
    };
    let mut to = Words::new();
    for_each_pointer(oldest.facts().addr(), |target| {
        to.push(target);
        if let Some(target) = Block::of(target) {
            for_each_string(&target, |_| true, |string| to.push(string));
        }
    });
    if let Some(mut known) = oldest.known() {
        known.settles(to);
    }
}

/// A fence names a lock that it does not have itself, if that is not null.
fn extern_lock_named(fence: Id, lock: *mut spinlock_t) {
    if !lock.is_null() && EXTERN_LOCK_OUTLIVES.look() {
        reaches(lock.addr(), fence, &LOCK, NO_WORD);
    }
}

/// The number of a fence, and a name that was returned, with its stamp.
type Returned = (u64, (usize, u64));

per_thread! {
    /// What was noted last of each of the names.
    static RETURNED: [Cell<Option<Returned>>; 2] = [const { Cell::new(None) }; 2];
}

/// An op of the fence has returned a name: the driver's is number 0, the timeline's number 1. False if
/// that is what this thread has noted last.
#[inline(always)]
pub(super) fn name_returned(fence: &'static Tracked, which: usize, name: *const c_char) -> bool {
    let now = (name.addr(), rcu_order_last());
    let noted = Some((fence.number(), now));
    let is_new = RETURNED.with(|returned| returned[which].get() != noted);
    if is_new {
        RETURNED.with(|returned| returned[which].set(noted));
        note_name(Id::of(fence), which, now);
    }
    is_new
}

#[inline(never)]
fn note_name(fence: Id, which: usize, now: (usize, u64)) {
    let Some(mut known) = fence.known().filter(|known| !known.has(DECLARED)) else {
        return;
    };
    let (before, _) = replace(&mut known.own().names[which], now);
    drop(known);
    if before != now.0 {
        reaches_block(now.0, fence, &NAME);
    }
}

/// The ops of the fence reach what its driver declares, of its context; and data in its own memory.
pub(super) fn declares(fence: *const Live, context: usize, names: [usize; 2]) {
    if !record::known_of(fence).is_some_and(|mut known| known.declares(context)) {
        return;
    }
    let [driver, timeline] = names.map(|name| (name, &CONTEXT_NAME));
    for (addr, descr) in [(context, &CONTEXT), driver, timeline] {
        debug_object_activate(debug_obj {
            addr,
            descr,
            // CAST: An address has no more bits.
            owner: context as u64,
            note: NO_WORD,
        });
    }
}

/// The fence is made of others. What it reaches is its own, and goes with its last reference; and it
/// signals only if that is asked for.
pub(super) fn contains(fence: *const Live) {
    if let Some(mut known) = record::known_of(fence) {
        known.contains();
    }
}

/// The fence signals: readers may be looking at what can be reached from its memory now.
pub(super) fn scan(fence: *const Live, id: Id) {
    let any = |_| true;
    for_each_target(fence.addr(), any, |target, offset| {
        reaches(target.addr, id, &DATA, offset);
        for_each_string(&target, any, |string| {
            reaches(string, id, &STRING, offset);
        });
    });
}
