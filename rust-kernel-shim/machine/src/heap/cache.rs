// SPDX-License-Identifier: GPL-2.0-only
//! Free blocks that are kept for the next that asks for one of their size.
//!
//! What waits for a grace period is allocated by one thread and freed by another, and the C allocator
//! takes a lock for either. So each thread has some free blocks of each size, and hands them on, or gets
//! others, a magazine at a time, as Linux's slabs do with their sheaves.
//!
//! A debug kernel has none of this, nor has a sanitizer: what is used after it was freed has to be seen.

use core::{cell::RefCell, ffi::c_void, mem};
use std::{
    sync::{Mutex, MutexGuard, TryLockError},
    vec::Vec,
};

/// The blocks of a magazine.
const BLOCKS: usize = 64;

/// What the free blocks of one size may take beside those of the threads (bytes).
const KEPT: usize = 1 << 20;

/// The sizes: blocks of the n-th have room for `FIRST + n * STEP` bytes, as those of `malloc()` have on
/// the platforms that we know.
const SIZES: usize = 72;
const FIRST: usize = 24;
const STEP: usize = 16;

/// A free block of the C allocator.
///
/// # Invariants
///
/// Those of one size have room for as much as [`room`] says of it.
struct Block(*mut c_void);

// SAFETY: It is its owner's alone.
unsafe impl Send for Block {}

/// As many free blocks of one size as it has room for: none at first.
type Magazine = Vec<Block>;

/// The free blocks of one size that a thread has.
struct Own {
    /// The one that blocks are taken from and put into.
    loaded: Magazine,
    /// The one before: full or empty, so that a thread which frees and allocates in turns stays here.
    spare: Magazine,
}

/// Full magazines of each size.
static FULL: [Mutex<Vec<Magazine>>; SIZES] = [const { Mutex::new(Vec::new()) }; SIZES];

/// Those of a thread.
struct Thread([Own; SIZES]);

std::thread_local! {
    static OWN: RefCell<Thread> = const { RefCell::new(Thread([Own::NONE; SIZES])) };
}

impl Thread {
    fn clear(&mut self) {
        for own in &mut self.0 {
            give_back(&mut own.loaded);
            give_back(&mut own.spare);
            *own = Own::NONE;
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Has this thread keep nothing, as at first.
pub(super) fn clear() {
    let _ = OWN.try_with(|own| own.borrow_mut().clear());
}

/// The full magazines of a size; `None` while another thread has them, which after fork() may be
/// forever.
fn full(size: usize) -> Option<MutexGuard<'static, Vec<Magazine>>> {
    match FULL[size].try_lock() {
        Ok(full) => Some(full),
        Err(TryLockError::Poisoned(full)) => Some(full.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Gives all of them back to the C allocator.
fn give_back(magazine: &mut Magazine) {
    for Block(block) in magazine.drain(..) {
        // SAFETY: `block` is a free block of `malloc()`'s.
        unsafe { libc::free(block) };
    }
}

impl Own {
    const NONE: Self = Self {
        loaded: Vec::new(),
        spare: Vec::new(),
    };

    fn take(&mut self, size: usize) -> Option<Block> {
        if let Some(block) = self.loaded.pop() {
            return Some(block);
        }
        self.refill(size);
        self.loaded.pop()
    }

    /// Has the loaded magazine be one with blocks, if there is one.
    #[cold]
    #[inline(never)]
    fn refill(&mut self, size: usize) {
        if self.spare.is_empty() {
            if let Some(full) = full(size).and_then(|mut full| full.pop()) {
                self.spare = full;
            }
        }
        mem::swap(&mut self.loaded, &mut self.spare);
    }

    fn put(&mut self, size: usize, block: Block) {
        if self.loaded.len() == self.loaded.capacity() {
            self.make_room(size);
        }
        self.loaded.push(block);
    }

    /// Has the loaded magazine be one that is empty.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, size: usize) {
        mem::swap(&mut self.loaded, &mut self.spare);
        if self.loaded.is_empty() {
            self.loaded.reserve_exact(BLOCKS);
            return;
        }
        let fits = |full: &Vec<_>| (full.len() + 1) * BLOCKS * room(size) <= KEPT;
        match full(size).filter(|full| fits(full)) {
            Some(mut full) => {
                full.push(mem::replace(&mut self.loaded, Vec::with_capacity(BLOCKS)));
            }
            None => give_back(&mut self.loaded),
        }
    }
}

/// The bytes that a block of this size has at least.
const fn room(size: usize) -> usize {
    FIRST + size * STEP
}

/// The smallest size with room for so many bytes, of those that there are or not.
const fn size_for(bytes: usize) -> usize {
    bytes.saturating_sub(FIRST).div_ceil(STEP)
}

/// A block of at least so many bytes, aligned as those of `malloc()`, or null.
#[inline]
pub(super) fn alloc(bytes: usize) -> *mut c_void {
    let size = size_for(bytes);
    if size >= SIZES {
        // SAFETY: Any size may be asked for.
        return unsafe { libc::malloc(bytes) };
    }
    match OWN.try_with(|own| own.borrow_mut().0[size].take(size)) {
        Ok(Some(Block(block))) => block,
        // SAFETY: Any size may be asked for.
        _ => unsafe { libc::malloc(room(size)) },
    }
}

/// Frees a block.
///
/// # Safety
///
/// It comes from the C allocator, aligned at least as the blocks of `malloc()`, and was not freed.
#[inline]
pub(super) unsafe fn free(block: *mut c_void) {
    // SAFETY: It is live: the caller's guarantee.
    let bytes = unsafe { libc::malloc_usable_size(block) };
    let size = bytes.checked_sub(FIRST).map(|more| more / STEP);
    if let Some(size) = size.filter(|size| *size < SIZES) {
        // INVARIANT: It has at least the room that blocks of this size have.
        let kept = OWN.try_with(|own| own.borrow_mut().0[size].put(size, Block(block)));
        // A thread that ends has no blocks any more.
        if kept.is_ok() {
            return;
        }
    }
    // SAFETY: The caller's guarantees are the same.
    unsafe { libc::free(block) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, thread, vec::Vec};

    fn alloc_many(bytes: usize, count: usize) -> Vec<usize> {
        (0..count)
            .map(|_| alloc(bytes).expose_provenance())
            .collect()
    }

    fn free_many(blocks: Vec<usize>) {
        for block in blocks {
            // SAFETY: Each comes from `alloc()`, and is freed once.
            unsafe { free(core::ptr::with_exposed_provenance_mut(block)) };
        }
    }

    #[test]
    fn a_block_has_the_room_that_was_asked_for_and_is_used_again() {
        // All but the size of which the next test looks who has what.
        let mine = |bytes: &usize| size_for(*bytes) != SIZES - 3;
        for bytes in (0..2 * room(SIZES)).filter(mine) {
            let (block, size) = (alloc(bytes), size_for(bytes));
            // SAFETY: It is live.
            let usable = unsafe { libc::malloc_usable_size(block) };
            // SAFETY: It was just allocated, and is freed once.
            unsafe {
                assert!(usable >= bytes, "{bytes}");
                assert!(block.addr().is_multiple_of(16), "{bytes}");
                free(block);
            }
            let again = alloc(bytes);
            // One that is larger than it need be is of another size.
            let same = size < SIZES && usable < room(size + 1);
            assert!(!same || again == block, "{bytes}");
            // SAFETY: It was just allocated, and is freed once.
            unsafe { free(again) };
        }
    }

    #[test]
    fn what_one_thread_frees_another_gets() {
        // No other test has blocks of this size.
        let blocks = alloc_many(room(SIZES - 3), 10 * BLOCKS);
        let freed: HashSet<_> = blocks.iter().copied().collect();
        thread::spawn(|| free_many(blocks)).join().unwrap();
        // All but the two magazines that it had itself, which went back.
        assert_eq!(full(SIZES - 3).unwrap().len(), 8);
        let again = alloc_many(room(SIZES - 3), 8 * BLOCKS);
        assert!(again.iter().all(|block| freed.contains(block)));
        assert!(full(SIZES - 3).unwrap().is_empty());
        free_many(again);
    }

    #[test]
    fn no_more_is_kept_than_is_said() {
        let size = SIZES - 1;
        free_many(alloc_many(room(size), 2 * KEPT / room(size)));
        let kept = full(size).unwrap().len() * BLOCKS * room(size);
        assert!(kept <= KEPT && kept > KEPT / 2, "{kept}");
    }
}
