// SPDX-License-Identifier: GPL-2.0-only
//! What the ops of a fence can reach.
//!
//! That is whatever its driver has declared. If it has declared nothing: the memory in which the
//! fence stands; every block that a word of that memory points to when the fence signals; strings
//! to which these point; the names that its ops have given; and the table of the ops. A driver that
//! keeps a pointer for itself in its fences, of which no op knows, clears it before the signal.

use super::{
    super::bindings::{dma_fence, dma_fence_ops},
    freed,
    record::{LIVE, PENDING, RECORDS},
    rules::EXTERN_LOCK_OUTLIVES,
};
use core::ptr;
use kernel::{
    bindings::{
        debugobjects::{
            debug_block_of, debug_block_words, debug_check_no_obj_freed, debug_obj, debug_obj_descr,
            debug_object_activate, debug_object_deactivate, Words,
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
        PENDING.insert(number, fence.addr());
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
    freed::dangling(number, fence.addr());
    let any = |_| true;
    for_each_target(fence.addr(), any, |target, offset| {
        reaches(target.addr, number, &DATA, offset);
        for_each_string(&target, any, |string| {
            reaches(string, number, &STRING, offset);
        });
    });
}

/// Words of a block that are looked at.
const WORDS: usize = 4096;

/// A copy of an allocated block, or of its beginning if it is large.
pub(super) struct Block {
    pub(super) addr: usize,
    size: usize,
    words: Words,
}

impl Block {
    pub(super) fn of(addr: usize) -> Option<Self> {
        let (addr, size, words) = debug_block_words(addr, WORDS)?;
        Some(Self { addr, size, words })
    }

    fn has(&self, addr: usize) -> bool {
        (self.addr..self.addr + self.size).contains(&addr)
    }

    /// The words, with their addresses.
    fn words(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let addrs = (self.addr..).step_by(size_of::<usize>());
        addrs.zip(self.words.iter().copied())
    }

    /// The word at an address.
    pub(super) fn word(&self, addr: usize) -> Option<usize> {
        let at = addr.checked_sub(self.addr)?;
        let word = size_of::<usize>();
        (at % word == 0)
            .then(|| self.words.get(at / word).copied())
            .flatten()
    }

    /// True if the word `link` at `at` is half of a `list_head` whose neighbour is in this block:
    /// it is the list's, whoever owns the neighbour, and not the driver's.
    fn is_neighbour(&self, at: usize, link: usize) -> bool {
        let word = size_of::<usize>();
        let (next, prev) = (self.word(link), self.word(link.wrapping_add(word)));
        prev == Some(at) || next == at.checked_sub(word)
    }

    /// True if what stands at the beginning is text with a NUL behind it.
    pub(super) fn is_string(&self) -> bool {
        let bytes = self.words.iter().flat_map(|word| word.to_ne_bytes());
        let mut text = 0;
        for byte in bytes.take(self.size) {
            match byte {
                0 => return text > 0,
                b' '..=b'~' => text += 1,
                _ => return false,
            }
        }
        false
    }
}

/// The blocks to which a word of the memory of the fence at `fence` points, each with the word's
/// distance from the fence. Only those for which `f` says so are looked up.
pub(super) fn for_each_target(
    fence: usize,
    wanted: impl Fn(usize) -> bool,
    mut f: impl FnMut(Block, usize),
) {
    let Some(block) = Block::of(fence) else {
        return;
    };
    let words = block.words().filter(|&(_, word)| wanted(word) && !block.has(word));
    for (at, word) in words.filter(|&(at, _)| !in_a_fence(at)) {
        if let Some(target) = Block::of(word).filter(|target| !target.is_neighbour(at, word)) {
            f(target, at.wrapping_sub(fence));
        }
    }
}

/// Calls `f` with the address of each block to which a word of `block` points, and in which a
/// string stands.
pub(super) fn for_each_string(
    block: &Block,
    wanted: impl Fn(usize) -> bool,
    mut f: impl FnMut(usize),
) {
    let words = block.words().map(|(_, word)| word);
    for word in words.filter(|&word| wanted(word) && !block.has(word)) {
        if let Some(target) = Block::of(word).filter(Block::is_string) {
            f(target.addr);
        }
    }
}

/// True for words that the core itself has in a fence: its lock, its list.
fn in_a_fence(word: usize) -> bool {
    LIVE.at_or_before(word)
        .is_some_and(|(fence, _)| word - fence < size_of::<dma_fence>())
}
