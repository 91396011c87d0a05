// SPDX-License-Identifier: GPL-2.0-only
//! What the ops of a fence can reach.
//!
//! That is whatever its driver has declared. If it has declared nothing: the memory in which the fence
//! stands; every block that a word of that memory points to when the fence signals; strings to which
//! these point; the names that its ops have given; and the table of the ops. A driver that keeps a
//! pointer for itself in its fences, of which no op knows, clears it before the signal.

use super::{
    super::bindings::{dma_fence, dma_fence_ops},
    freed,
    record::{LIVE, PENDING, RECORDS},
    rules::EXTERN_LOCK_OUTLIVES,
};
use core::{
    ptr,
    sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed},
};
use kernel::{
    bindings::{
        debugobjects::{
            debug_block_of, debug_check_no_obj_freed, debug_obj, debug_obj_descr,
            debug_object_activate, debug_object_deactivate,
        },
        rcu_stamp, spinlock_t,
    },
    ffi::c_char,
};

macro_rules! reached {
    ($($descr:ident = $name:literal;)*) => {
        $(pub(super) static $descr: debug_obj_descr = debug_obj_descr {
            name: $name,
            freed: freed::grace_period_before_free,
        };)*
    };
}

reached! {
    FENCE = "memory of the fence";
    DATA = "private data";
    STRING = "string of the private data";
    NAME = "name";
    OPS = "table of ops";
    CONTEXT = "context";
    FENCE_DATA = "fence data";
}

static LOCK: debug_obj_descr = debug_obj_descr {
    name: "lock",
    freed: freed::extern_lock_outlives,
};

/// What no word of the fence's memory leads to.
pub(super) const NO_WORD: usize = 0;

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
        PENDING.insert(number, fence.expose_provenance());
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
    let Some(number) = LIVE.with(fence.addr(), |number| *number) else {
        return;
    };
    let before = RECORDS.with(number, |record| {
        core::mem::replace(&mut record.names[which], (name.addr(), rcu_stamp()))
    });
    if before.is_some_and(|(before, _)| before != name.addr()) {
        if let Some((block, _)) = debug_block_of(name.addr()) {
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
    PENDING.remove(number);
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

/// The fence signals: what can be reached from its memory now, readers may be looking at.
pub(super) fn scan(fence: *mut dma_fence) {
    let Some(number) = LIVE.with(fence.addr(), |number| *number) else {
        return;
    };
    PENDING.remove(number);
    if RECORDS.with(number, |record| record.declared) != Some(false) {
        return;
    }
    for_each_target(fence.expose_provenance(), |target, offset| {
        reaches(target.addr, number, &DATA, offset);
        for_each_string(target, |string| reaches(string, number, &STRING, offset));
    });
}

/// An allocated block.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) addr: usize,
    size: usize,
}

impl Block {
    fn of(addr: usize) -> Option<Self> {
        let (addr, size) = debug_block_of(addr)?;
        Some(Self { addr, size })
    }

    /// The addresses of its words.
    fn words(self) -> impl Iterator<Item = usize> {
        let word = size_of::<usize>();
        let end = (self.addr + self.size).saturating_sub(word);
        (self.addr.next_multiple_of(word)..=end).step_by(word)
    }
}

/// Blocks that are larger than this are not looked through for strings.
const LARGE: usize = 4096;

/// Calls `f` with each block to which a word of the memory of the fence at `fence` points, and with
/// the word's distance from the fence.
pub(super) fn for_each_target(fence: usize, mut f: impl FnMut(Block, usize)) {
    let Some(block) = Block::of(fence) else {
        return;
    };
    for at in block.words().filter(|&at| !in_a_fence(at)) {
        if let Some(target) = Block::of(load(at)) {
            if target.addr != block.addr {
                f(target, at.wrapping_sub(fence));
            }
        }
    }
}

/// Calls `f` with the address of each block to which a word of `block` points, and in which a string
/// stands.
pub(super) fn for_each_string(block: Block, mut f: impl FnMut(usize)) {
    if block.size > LARGE {
        return;
    }
    for at in block.words() {
        if let Some(target) = Block::of(load(at)) {
            if target.addr != block.addr && is_string(target) {
                f(target.addr);
            }
        }
    }
}

/// True if what stands at the beginning of the block is text with a NUL behind it.
fn is_string(block: Block) -> bool {
    let bytes = (block.addr..block.addr + block.size).map(|at| {
        let byte: *mut u8 = ptr::with_exposed_provenance_mut(at);
        // SAFETY: As `load`.
        unsafe { AtomicU8::from_ptr(byte) }.load(Relaxed)
    });
    let mut text = 0;
    for byte in bytes {
        match byte {
            0 => return text > 0,
            b' '..=b'~' => text += 1,
            _ => return false,
        }
    }
    false
}

/// True for words that the core itself has in a fence: its lock, its list.
fn in_a_fence(word: usize) -> bool {
    LIVE.at_or_before(word)
        .is_some_and(|(fence, _)| word - fence < size_of::<dma_fence>())
}

/// The word at `at`, which is in an allocated block.
fn load(at: usize) -> usize {
    let word: *mut usize = ptr::with_exposed_provenance_mut(at);
    // SAFETY: The word is aligned, and in a block that nobody frees at this moment, as far as drivers
    // keep the rules. What stands there may be anything, and change meanwhile: it is looked at as one
    // number, of which nothing is made but the question whether a block is there.
    unsafe { AtomicUsize::from_ptr(word) }.load(Relaxed)
}
