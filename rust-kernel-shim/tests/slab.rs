// SPDX-License-Identifier: GPL-2.0-only
//! Memory from the slab: what is in it.

use kernel::{
    bindings::{
        gfp_t, kfree, kmem_cache_alloc, kmem_cache_create, kmem_cache_destroy, kmem_cache_free,
        krealloc_node_align, __GFP_ZERO, GFP_KERNEL, NUMA_NO_NODE, SLAB_TYPESAFE_BY_RCU,
    },
    str::CStrExt as _,
    testing::expect_bug,
};
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

/// A reader that has found an object may look at it after it was freed.
#[test]
fn a_freed_object_keeps_what_is_in_it() {
    const SIZE: usize = 40;
    // SAFETY: The name is a literal; each object is the cache's, and one that is freed is only read.
    unsafe {
        let cache = kmem_cache_create(c"test".as_char_ptr(), 40, 8, SLAB_TYPESAFE_BY_RCU);
        let objects: [*mut u8; 5] = [(); 5].map(|()| kmem_cache_alloc(cache, GFP_KERNEL).cast());
        for (n, object) in (1..).zip(objects) {
            object.write_bytes(n, SIZE);
            kmem_cache_free(cache, object.cast());
        }
        for (n, object) in (1..).zip(objects) {
            assert_eq!(slice::from_raw_parts(object, SIZE), [n; SIZE]);
        }
        // What was freed last is used again first.
        for object in objects.into_iter().rev() {
            assert_eq!(kmem_cache_alloc(cache, GFP_KERNEL).cast(), object);
        }
        expect_bug("test: 5 objects are still in use", || {
            kmem_cache_destroy(cache)
        });
        for object in objects {
            kmem_cache_free(cache, object.cast());
        }
        kmem_cache_destroy(cache);
    }
}
