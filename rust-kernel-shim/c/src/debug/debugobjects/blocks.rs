// SPDX-License-Identifier: GPL-2.0-only
//! The allocated blocks, in which objects are, and what stands in them.

use super::{super::leaks, check_block, Kind, PageTable, SideTable, Vec, Words};
use crate::{rule::this_machine, PAGE_SIZE};
use core::{
    ops::Deref,
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
    /// An object without an owner in it, most often the only one: how far from its beginning, and what.
    object: Option<(u32, Kind)>,
}

/// The allocated blocks, by where they begin, that end in that page or the next.
static BLOCKS: PageTable<usize, Block> = PageTable::new();

/// All others.
static LARGE: SideTable<usize, Block> = SideTable::new();

/// True once there was one of these.
static ANY_LARGE: AtomicBool = AtomicBool::new(false);

/// Calls `f` with the allocated block in which `addr` lies: where it begins, and what is known of it.
fn with_block_of<R>(addr: usize, f: impl Fn(usize, &mut Block) -> R) -> Option<R> {
    if !may_be_in_a_block(addr) {
        return None;
    }
    let has =
        |start: usize, block: &mut Block| (addr - start < block.size).then(|| f(start, block));
    let found = BLOCKS.at_or_before(addr, 1, has);
    if found.is_some() || !ANY_LARGE.load(Relaxed) {
        return found;
    }
    let (start, ()) = LARGE.at_or_before(addr, |_, _| ())?;
    LARGE.with(start, |block| has(start, block))?
}

/// As [`with_block_of`], for what changes nothing.
fn block_of<R>(addr: usize, f: impl Fn(usize, &Block) -> R) -> Option<R> {
    with_block_of(addr, |start, block| f(start, block))
}

/// Keeps an object with the block that it is in; false if that has another. `None` if it is in none.
pub(super) fn keep(addr: usize, kind: Kind) -> Option<bool> {
    with_block_of(addr, |start, block| {
        let object = (u32::try_from(addr - start).ok()?, kind);
        Some(*block.object.get_or_insert(object) == object)
    })
    .map(|kept| kept == Some(true))
}

/// Takes the object that is kept with the block in which `addr` lies, if it is in that memory, and `f` says
/// so.
pub(super) fn take_kept(
    addr: usize,
    size: usize,
    f: impl Fn(Kind) -> bool,
) -> Option<(usize, Kind)> {
    with_block_of(addr, |start, block| {
        let object = block.object.take_if(|(offset, kind)| {
            let object = start + *offset as usize;
            (addr..addr + size).contains(&object) && f(*kind)
        });
        object.map(|(offset, kind)| (start + offset as usize, kind))
    })?
}

fn with_block<R>(start: usize, mut f: impl FnMut(&mut Block) -> R) -> Option<R> {
    BLOCKS.with(start, &mut f).or_else(|| LARGE.with(start, f))
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
            object: None,
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
        let end = |block: &mut Block| (block.size, block.object.take());
        if let Some((size, object)) = with_block(addr, end) {
            check_block(
                addr,
                size,
                object.map(|(offset, kind)| (addr + offset as usize, kind)),
            );
            if BLOCKS.remove(addr).is_none() {
                LARGE.remove(addr);
            }
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

/// Words of a block, in which no memory is needed for a few.
#[derive(Debug, PartialEq, Eq)]
pub struct BlockWords {
    few: [usize; FEW],
    count: usize,
    /// All of them, if there are more.
    more: Words,
}

const FEW: usize = 16;

impl BlockWords {
    fn new(count: usize, word: impl Fn(usize) -> usize) -> Self {
        let (mut few, mut more) = ([0; FEW], Words::new());
        if count <= FEW {
            for (n, to) in few[..count].iter_mut().enumerate() {
                *to = word(n);
            }
        } else {
            more.extend((0..count).map(word));
        }
        Self { few, count, more }
    }
}

impl Deref for BlockWords {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        self.few.get(..self.count).unwrap_or(&self.more)
    }
}

/// The word number `n` of a block.
fn word(start: usize, block: &Block, n: usize) -> usize {
    let at = start + n * size_of::<usize>();
    load(at, (start + block.size - at).min(size_of::<usize>()))
}

/// The number of words in a block, if that is at most `most`.
fn count(block: &Block, most: usize) -> usize {
    block.size.div_ceil(size_of::<usize>()).min(most)
}

/// A copy of the allocated block in which `addr` lies, up to so many words: where it begins, its
/// size, and its words. From any context.
///
/// The block is not freed meanwhile: it is taken out of the tables first, under the same locks.
pub fn debug_block_words(addr: usize, most: usize) -> Option<(usize, usize, BlockWords)> {
    block_of(addr, |start, block| {
        let words = BlockWords::new(count(block, most), |n| word(start, block, n));
        (start, block.size, words)
    })
}

/// As [`debug_block_words`], for those words alone that may point to other blocks: where each is, and itself.
pub fn debug_block_pointers(addr: usize, most: usize) -> Vec<(usize, usize)> {
    let pointers = block_of(addr, |start, block| {
        let mut found = Vec::new();
        // No part of a word is a pointer.
        let words = (block.size / size_of::<usize>()).min(most);
        for at in (0..words).map(|n| start + n * size_of::<usize>()) {
            let word = load_word(at);
            if may_be_in_a_block(word) && word.wrapping_sub(start) >= block.size {
                found.push((at, word));
            }
        }
        found
    });
    pointers.unwrap_or_default()
}

/// The word at `at`, or its first `bytes` bytes and zeroes.
fn load(at: usize, bytes: usize) -> usize {
    if bytes == size_of::<usize>() {
        return load_word(at);
    }
    let mut word = [0; size_of::<usize>()];
    for (n, byte) in word.iter_mut().enumerate().take(bytes) {
        let at: *mut u8 = ptr::with_exposed_provenance_mut(at + n);
        // SAFETY: In the same block, as the word would be; bytes need no alignment.
        *byte = unsafe { AtomicU8::from_ptr(at) }.load(Relaxed);
    }
    usize::from_ne_bytes(word)
}

/// The word at `at`.
#[inline]
fn load_word(at: usize) -> usize {
    let word: *mut usize = ptr::with_exposed_provenance_mut(at);
    // SAFETY: The caller has found it in a block, under a lock under which that leaves its
    // table; all blocks are aligned for words. What stands there may be anything, even
    // unwritten or being written at this moment: it is looked at as one number.
    unsafe { AtomicUsize::from_ptr(word) }.load(Relaxed)
}
