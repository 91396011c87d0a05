// SPDX-License-Identifier: GPL-2.0-only
//! The memory that the words of a fence's memory point to.

use super::{super::bindings::dma_fence, record};
use kernel::bindings::debugobjects::{
    debug_block_of, debug_block_pointers, debug_block_words, BlockWords,
};

/// Words of a block that are looked at.
const WORDS: usize = 4096;

/// A copy of an allocated block, or of its beginning if it is large.
pub(super) struct Block {
    pub(super) addr: usize,
    size: usize,
    words: BlockWords,
}

impl Block {
    /// The block in which `addr` lies.
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
        let aligned = at % word == 0;
        aligned.then(|| self.words.get(at / word).copied())?
    }

    /// True if the word `link` at `at` is half of a `list_head` whose neighbour is in this block:
    /// then it belongs to the list and not to the driver, whatever the neighbour belongs to.
    fn is_neighbour(&self, at: usize, link: usize) -> bool {
        let word = size_of::<usize>();
        let (next, prev) = (self.word(link), self.word(link.wrapping_add(word)));
        prev == Some(at) || next == at.checked_sub(word)
    }

    /// True if the block begins with text that ends with a NUL.
    pub(super) fn is_string(&self) -> bool {
        let bytes = self.words.iter().flat_map(|word| word.to_ne_bytes());
        let mut bytes = bytes.take(self.size);
        let end = bytes.clone().position(|byte| !matches!(byte, b' '..=b'~'));
        end.is_some_and(|end| end > 0 && bytes.nth(end) == Some(0))
    }
}

/// The blocks to which a word of the memory of the fence at `fence` points, each with the word's
/// distance from the fence. Only words for which `wanted` returns true are followed.
pub(super) fn for_each_target(
    fence: usize,
    wanted: impl Fn(usize) -> bool,
    mut f: impl FnMut(Block, usize),
) {
    for (at, word) in pointers(fence, wanted) {
        if let Some(target) = Block::of(word).filter(|target| !target.is_neighbour(at, word)) {
            f(target, at.wrapping_sub(fence));
        }
    }
}

/// Calls `f` with each word of the memory of the fence at `fence` that may lead to another block.
pub(super) fn for_each_pointer(fence: usize, f: impl FnMut(usize)) {
    pointers(fence, |_| true).map(|(_, word)| word).for_each(f);
}

/// Those of these words that are `wanted`, with their addresses.
fn pointers(fence: usize, wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = (usize, usize)> {
    let words = debug_block_pointers(fence, WORDS).into_iter();
    words.filter(move |&(at, word)| wanted(word) && leads_on(word) && !in_a_fence(fence, at))
}

/// Calls `f` with the address of each block to which a word of `block` points and which begins with
/// a string.
pub(super) fn for_each_string(
    block: &Block,
    wanted: impl Fn(usize) -> bool,
    mut f: impl FnMut(usize),
) {
    let words = block.words().map(|(_, word)| word);
    for word in words.filter(|&word| !block.has(word) && wanted(word)) {
        if let Some(target) = Block::of(word).filter(Block::is_string) {
            f(target.addr);
        }
    }
}

/// True for words that point to a block.
fn leads_on(word: usize) -> bool {
    debug_block_of(word).is_some()
}

/// True for words that the core itself has in a fence, `this` or another: its lock, its list.
fn in_a_fence(this: usize, word: usize) -> bool {
    if (this..this + size_of::<dma_fence>()).contains(&word) {
        return true;
    }
    // A fence is aligned for words.
    let offsets = (0..size_of::<dma_fence>()).step_by(size_of::<usize>());
    let mut fences = offsets.filter_map(|offset| word.checked_sub(offset));
    fences.any(record::is_fence)
}
