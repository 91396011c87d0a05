// SPDX-License-Identifier: GPL-2.0-only
//! What the ops of a fence can reach, and when it may be freed.
//!
//! What they reach is: the memory in which the fence stands; every block that a word of that memory
//! points to when the fence is published and when it signals; the names that its ops have given; the
//! table of the ops; and whatever its driver has declared, in which case no words are looked at.

use super::{
    super::bindings::{dma_fence, dma_fence_ops},
    life,
    record::{report, Record, LIVE, RECORDS},
    rules::{EXTERN_LOCK_OUTLIVES, GRACE_PERIOD_BEFORE_FREE},
};
use core::{
    ptr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use kernel::{
    bindings::{
        debugobjects::{
            debug_block_of, debug_check_no_obj_freed, debug_obj, debug_obj_descr,
            debug_object_activate, debug_object_deactivate, Freeing,
        },
        rcu_callback_request, rcu_stamp_passed,
        report::{checking, Place},
        spinlock_t,
    },
    ffi::c_char,
};

macro_rules! reached {
    ($($descr:ident = $name:literal;)*) => {
        $(pub(super) static $descr: debug_obj_descr = debug_obj_descr {
            name: $name,
            freed: grace_period_before_free,
        };)*
    };
}

reached! {
    FENCE = "memory of the fence";
    DATA = "private data";
    NAME = "name";
    OPS = "table of ops";
    CONTEXT = "context";
    FENCE_DATA = "fence data";
}

static LOCK: debug_obj_descr = debug_obj_descr {
    name: "lock",
    freed: extern_lock_outlives,
};

/// The note of an object that no word of the fence's memory points to.
const NO_WORD: usize = 0;

fn reaches(addr: usize, owner: u64, descr: &'static debug_obj_descr, note: usize) {
    let known = RECORDS.with(owner, |record| {
        let this = |(a, d): &(usize, &'static debug_obj_descr)| *a == addr && ptr::eq(*d, descr);
        if record.reached.iter().flatten().any(this) {
            return true;
        }
        let free = record.reached.iter_mut().find(|slot| slot.is_none());
        free.map(|slot| *slot = Some((addr, descr))).is_some()
    });
    if known == Some(true) {
        debug_object_activate(debug_obj {
            addr,
            descr,
            owner,
            note,
        });
    }
}

/// A fence begins.
pub(super) fn begins(
    number: u64,
    fence: *mut dma_fence,
    ops: *const dma_fence_ops,
    lock: *mut spinlock_t,
) {
    extern_lock_named(number, lock);
    if let Some((block, _)) = debug_block_of(ops.addr()) {
        reaches(block, number, &OPS, NO_WORD);
    }
    if let Some((block, _)) = debug_block_of(fence.addr()) {
        reaches(block, number, &FENCE, NO_WORD);
    }
}

/// A fence names a lock that it does not have itself, if that is not null.
fn extern_lock_named(number: u64, lock: *mut spinlock_t) {
    if !lock.is_null() && EXTERN_LOCK_OUTLIVES.look() {
        reaches(lock.addr(), number, &LOCK, NO_WORD);
    }
}

/// Nobody will take the lock of this fence any more.
pub(super) fn lock_not_needed(number: u64) {
    if let Some(lock) = RECORDS.with(number, |record| record.lock) {
        debug_object_deactivate(lock, number, &LOCK);
    }
}

/// An op has given a name of this fence: the driver's is the first, the timeline's the second.
pub(crate) fn name_given(fence: *mut dma_fence, which: usize, name: *const c_char) {
    let name = name.addr();
    let Some(number) = LIVE.with(fence.addr(), |number| *number) else {
        return;
    };
    let new = RECORDS.with(number, |record| record.names[which] != name);
    if new == Some(true) {
        RECORDS.with(number, |record| record.names[which] = name);
        if let Some((block, _)) = debug_block_of(name) {
            reaches(block, number, &NAME, NO_WORD);
        }
    }
}

/// The ops of the fence reach what its driver says.
pub(crate) fn declares(fence: *mut dma_fence, context: usize, names: [usize; 2], data: usize) {
    let Some(number) = LIVE.with(fence.addr(), |number| *number) else {
        return;
    };
    RECORDS.with(number, |record| record.declared = true);
    reaches(context, number, &CONTEXT, NO_WORD);
    reaches(data, number, &FENCE_DATA, NO_WORD);
    for name in names {
        reaches(name, number, &NAME, NO_WORD);
    }
}

/// What stands in this memory is about to be dropped.
#[track_caller]
pub(crate) fn drops(addr: usize, size: usize) {
    debug_check_no_obj_freed(addr, size);
}

/// Looks at the words of the memory in which the fence stands for what its ops reach.
pub(super) fn scan(fence: *mut dma_fence) {
    let Some(number) = LIVE.with(fence.addr(), |number| *number) else {
        return;
    };
    if RECORDS.with(number, |record| record.declared) != Some(false) {
        return;
    }
    let Some((block, size)) = debug_block_of(fence.addr()) else {
        return;
    };
    let word = size_of::<usize>();
    let first = block.next_multiple_of(word);
    for at in (first..=(block + size).saturating_sub(word)).step_by(word) {
        if in_a_fence(at) {
            continue;
        }
        if let Some((target, _)) = debug_block_of(load(fence, at)) {
            if target != block {
                reaches(target, number, &DATA, at);
            }
        }
    }
}

/// True for words that the core itself has in a fence: its lock, its list.
fn in_a_fence(word: usize) -> bool {
    LIVE.at_or_before(word)
        .is_some_and(|(fence, _)| word - fence < size_of::<dma_fence>())
}

/// The word at `at`, which is in the same block of memory as the fence.
fn load(fence: *mut dma_fence, at: usize) -> usize {
    let word: *mut usize = fence.with_addr(at).cast();
    // SAFETY: The word is aligned, and in a block that lives as long as the fence in it. What stands
    // there may be anything, and change meanwhile: it is looked at as one number, nothing is made
    // of it but a question whether a block is there.
    unsafe { AtomicUsize::from_ptr(word) }.load(Relaxed)
}

/// Something that the ops of a fence reach is about to be freed.
fn grace_period_before_free(obj: &debug_obj, freeing: &Freeing) {
    let Some(record) = RECORDS.with(obj.owner, |record| *record) else {
        return;
    };
    let checking = GRACE_PERIOD_BEFORE_FREE.look();
    let reachable = match record.signalled {
        Some((stamp, _)) => !rcu_stamp_passed(stamp),
        None => record.is_pending() && still_points(obj, &record),
    };
    if ptr::eq(obj.descr, &FENCE) {
        life::memory_goes(obj.owner);
    }
    if !reachable || !checking || freeing.said.replace(true) {
        return;
    }
    let name = obj.descr.name;
    let why = match record.signalled {
        Some(_) => "before a grace period has passed since the signal",
        None => "although the fence has not signalled",
    };
    let request = rcu_callback_request();
    let evidence = [
        record.created(),
        record.signalled(),
        match request {
            Some(request) => ("freeing was asked of RCU", Place::At(request.at)),
            None => ("no grace period was asked for after that", Place::Unknown),
        },
        ("freed", Place::Here(freeing.at)),
    ];
    report(
        &GRACE_PERIOD_BEFORE_FREE,
        format_args!("{name} freed {why}"),
        (record.context, record.seqno),
        &evidence,
    );
}

/// False if a word of the fence's memory did point there, but does not any more: of a fence that is
/// pending, whose driver may have thought better of it.
fn still_points(obj: &debug_obj, record: &Record) -> bool {
    if obj.note == NO_WORD
        || !LIVE
            .with(record.addr, |live| *live == obj.owner)
            .unwrap_or(false)
    {
        return obj.note == NO_WORD;
    }
    let fence = ptr::with_exposed_provenance_mut::<dma_fence>(record.addr);
    debug_block_of(record.addr).is_some() && load(fence, obj.note) == obj.addr
}

/// A lock is about to be freed that a fence names.
fn extern_lock_outlives(obj: &debug_obj, freeing: &Freeing) {
    let Some(record) = RECORDS.with(obj.owner, |record| *record) else {
        return;
    };
    let with_the_fence = (freeing.addr..freeing.addr + freeing.size).contains(&record.addr);
    if record.released || with_the_fence || !checking() || freeing.said.replace(true) {
        return;
    }
    let evidence = [
        record.created(),
        record.signalled(),
        ("lock freed", Place::Here(freeing.at)),
    ];
    report(
        &EXTERN_LOCK_OUTLIVES,
        format_args!("lock freed while a fence still has it"),
        (record.context, record.seqno),
        &evidence,
    );
}
