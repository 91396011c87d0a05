// SPDX-License-Identifier: GPL-2.0-only
//! Memory from the slab: what is in it.

use kernel::bindings::{gfp_t, kfree, krealloc_node_align, __GFP_ZERO, GFP_KERNEL, NUMA_NO_NODE};
use std::{ptr::null_mut, slice};

/// Memory from the slab.
///
/// # Invariants
///
/// `start` is null, or that of a block of at least `size` bytes, which is this one's alone.
struct Block {
    start: *mut u8,
    size: usize,
}

impl Block {
    fn new(size: usize, flags: gfp_t) -> Self {
        let none = Self {
            start: null_mut(),
            size: 0,
        };
        none.resize(size, flags)
    }

    fn resize(mut self, size: usize, flags: gfp_t) -> Self {
        let (old, flags) = (self.start.cast(), GFP_KERNEL | flags);
        // SAFETY: By the type invariant; what is replaced is forgotten below.
        let new = unsafe { krealloc_node_align(old, size, 8, flags, NUMA_NO_NODE) };
        assert!(!new.is_null());
        // INVARIANT: The new block.
        (self.start, self.size) = (new.cast(), size);
        self
    }

    fn fill(&mut self, byte: u8) {
        // SAFETY: By the type invariant.
        unsafe { self.start.write_bytes(byte, self.size) };
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { kfree(self.start.cast()) };
    }
}

#[test]
fn zeroed_memory_stays_zeroed_as_it_grows() {
    for size in 1..100 {
        for more in [1, 3, 7, 40] {
            // What is given next has been used before.
            let used = [(); 8].map(|()| Block::new(size + 15, 0));
            for mut block in used {
                block.fill(0xff);
            }
            let block = Block::new(size, __GFP_ZERO).resize(size + more, __GFP_ZERO);
            // SAFETY: By the type invariant; all of it was zeroed by the slab.
            let bytes = unsafe { slice::from_raw_parts(block.start, block.size) };
            assert!(bytes.iter().all(|&b| b == 0), "{size} + {more}: {bytes:?}");
        }
    }
}
