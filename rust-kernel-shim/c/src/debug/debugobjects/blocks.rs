// SPDX-License-Identifier: GPL-2.0-only
//! The allocated blocks, in which objects are, and what stands in them.

use super::{super::leaks, debug_check_no_obj_freed, HashTable, PageTable, SideTable, Vec, Words};
use crate::{rule::this_machine, PAGE_SIZE};
use core::{
    panic::Location,
    ptr,
    sync::atomic::{AtomicBool, AtomicU64, AtomicU8, AtomicUsize, Ordering::Relaxed},
};
use machine::{location::Origin, side_table::in_key_order};

/// An allocated block.
pub(in crate::debug) struct Block {
    pub(in crate::debug) size: usize,
    /// A number that is never used again.
    #[cfg_attr(not(feature = "debug"), allow(dead_code))]
    number: u64,
    /// The machine that it was allocated in.
    pub(in crate::debug) machine: u64,
    pub(in crate::debug) allocated: Origin,
}

/// The allocated blocks, by where they begin, that end in that page or the next.
static BLOCKS: PageTable<usize, Block> = PageTable::new();

/// All others.
static LARGE: SideTable<usize, Block> = SideTable::new();

/// True once there was one of these.
static ANY_LARGE: AtomicBool = AtomicBool::new(false);

/// Calls `f` with the allocated block in which `addr` lies: where it begins, and what is known of it.
fn block_of<R>(addr: usize, f: impl Fn(usize, &Block) -> R) -> Option<R> {
    if !may_be_in_a_block(addr) {
        return None;
    }
    let has = |start: usize, block: &Block| (addr - start < block.size).then(|| f(start, block));
    let found = BLOCKS.before(addr, addr.saturating_add(1), 1, has);
    if found.is_some() || !ANY_LARGE.load(Relaxed) {
        return found;
    }
    LARGE.at_or_before(addr, has)?.1
}

/// Of all blocks for which `f` returns something, what it returns, in order.
pub(in crate::debug) fn blocks<R>(
    mut f: impl FnMut(usize, &Block) -> Option<R>,
) -> impl Iterator<Item = R> {
    let mut look = |addr: usize, block: &mut Block| Some((addr, f(addr, block)?));
    let mut found: Vec<(usize, R)> = BLOCKS.filter_map(&mut look).collect();
    found.extend(LARGE.filter_map(look));
    in_key_order(found)
}

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);

/// The lowest address that a block ever had. Most words that are taken for pointers are below it.
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The highest at which one ever ended. What is on a stack is above it, mostly.
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

/// False for most words that are no pointers to a block.
#[inline]
fn may_be_in_a_block(addr: usize) -> bool {
    (LOWEST.load(Relaxed)..HIGHEST.load(Relaxed)).contains(&addr)
}

/// A block was allocated.
#[track_caller]
pub(crate) fn debug_block_allocated(addr: usize, size: usize) {
    if cfg!(feature = "debug") {
        let block = Block {
            size,
            number: NEXT_BLOCK.fetch_add(1, Relaxed),
            machine: this_machine(),
            allocated: Origin::new(Location::caller()),
        };
        leaks::at_exit(block.machine);
        if addr < LOWEST.load(Relaxed) {
            LOWEST.fetch_min(addr, Relaxed);
        }
        let end = addr + size;
        if end > HIGHEST.load(Relaxed) {
            HIGHEST.fetch_max(end, Relaxed);
        }
        if addr % PAGE_SIZE + size > 2 * PAGE_SIZE {
            ANY_LARGE.store(true, Relaxed);
            LARGE.insert(addr, block);
            return;
        }
        BLOCKS.insert(addr, block);
    }
}

/// A block is about to be freed.
#[track_caller]
pub(crate) fn debug_block_freed(addr: usize) {
    if cfg!(feature = "debug") {
        let size = |block: &mut Block| block.size;
        let large = || LARGE.with(addr, size);
        if let Some(size) = BLOCKS.with(addr, size).or_else(large) {
            debug_check_no_obj_freed(addr, size);
            if BLOCKS.remove(addr).is_none() {
                LARGE.remove(addr);
            }
            COPIED.with(slot(addr), |known| {
                if known.0 == addr {
                    *known = (0, 0);
                }
            });
        }
    }
}

/// The allocated block in which `addr` lies: where it begins, and its size. From any context.
#[inline]
pub fn debug_block_of(addr: usize) -> Option<(usize, usize)> {
    if !may_be_in_a_block(addr) {
        return None;
    }
    size_of_block(addr)
}

#[inline(never)]
fn size_of_block(addr: usize) -> Option<(usize, usize)> {
    block_of(addr, |start, block| (start, block.size))
}

/// The number of the allocated block in which `addr` lies. From any context.
#[cfg(feature = "debug")]
pub(crate) fn debug_block_number(addr: usize) -> Option<u64> {
    block_of(addr, |_, block| block.number)
}

/// The number of the block that is allocated next.
#[cfg(feature = "debug")]
#[inline]
pub(crate) fn debug_next_block() -> u64 {
    NEXT_BLOCK.load(Relaxed)
}

/// Blocks of which copies were made last: where each begins, and its size, by a hash of the former.
/// A block comes here only while it is among [`BLOCKS`], and goes after it has left these.
static COPIED: HashTable<usize, (usize, usize)> = HashTable::new();

/// The key in [`COPIED`] of a block that begins at `addr`.
fn slot(addr: usize) -> usize {
    const SLOTS: usize = 64;
    const GOLDEN: usize = 0x9e37_79b9_7f4a_7c15;
    addr.wrapping_mul(GOLDEN) / (usize::MAX / SLOTS + 1)
}

/// A copy of the allocated block in which `addr` lies, up to so many words: where it begins, its
/// size, and its words. From any context.
///
/// The block is not freed meanwhile: it is taken out of the tables first, under the same locks.
pub fn debug_block_words(addr: usize, most: usize) -> Option<(usize, usize, Words)> {
    if !may_be_in_a_block(addr) {
        return None;
    }
    let copy = |start: usize, size: usize| {
        let words = (0..size.div_ceil(size_of::<usize>()).min(most)).map(|n| {
            let at = start + n * size_of::<usize>();
            load(at, (start + size - at).min(size_of::<usize>()))
        });
        (start, size, words.collect())
    };
    let again = COPIED.with(slot(addr), |&mut (start, size)| {
        (start == addr && size != 0).then(|| copy(start, size))
    });
    again.flatten().or_else(|| {
        block_of(addr, |start, block| {
            COPIED.insert(slot(start), (start, block.size));
            copy(start, block.size)
        })
    })
}

/// The word at `at`, or its first `bytes` bytes and zeroes.
fn load(at: usize, bytes: usize) -> usize {
    if bytes == size_of::<usize>() {
        let word: *mut usize = ptr::with_exposed_provenance_mut(at);
        // SAFETY: The caller has found it in a block, under a lock under which that leaves its
        // table; all blocks are aligned for words. What stands there may be anything, even
        // unwritten or being written at this moment: it is looked at as one number.
        return unsafe { AtomicUsize::from_ptr(word) }.load(Relaxed);
    }
    let mut word = [0; size_of::<usize>()];
    for (n, byte) in word.iter_mut().enumerate().take(bytes) {
        let at: *mut u8 = ptr::with_exposed_provenance_mut(at + n);
        // SAFETY: In the same block, as the word would be; bytes need no alignment.
        *byte = unsafe { AtomicU8::from_ptr(at) }.load(Relaxed);
    }
    usize::from_ne_bytes(word)
}
