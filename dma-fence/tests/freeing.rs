// SPDX-License-Identifier: GPL-2.0-only
//! What a check does when an unrelated block is freed does not grow with the fences that are pending.
#![cfg(feature = "debug")]

use ::dma_fence::bindings::{
    dma_fence, dma_fence_get, dma_fence_init, dma_fence_ops, dma_fence_put, dma_fence_signal,
};
use kernel::{
    bindings::{
        debugobjects::{debug_block_words, steps},
        kfree, kzalloc_obj,
    },
    ffi::c_char,
    prelude::*,
    testing::{memory::rcu_barrier, vcpu::fifo},
};
use std::ptr::null_mut;

extern "C" fn name(_fence: *mut dma_fence) -> *const c_char {
    c"name".as_char_ptr()
}

static OPS: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(name),
    get_timeline_name: Some(name),
    ..pin_init::zeroed()
};

#[repr(C)]
struct JobFence {
    base: dma_fence,
    ring: *mut u64,
}

/// What freeing a block with this in it looks up beside so many fences.
fn steps_of(pending: u64, contents: [u8; 8]) -> u64 {
    let count = move || {
        // SAFETY: The memory is fresh, each fence is freed with the reference that is dropped last,
        // and the ring after a grace period.
        unsafe {
            let ring = kzalloc_obj::<u64>(kernel::bindings::GFP_KERNEL);
            let fence = |seqno| {
                let job = kzalloc_obj::<JobFence>(kernel::bindings::GFP_KERNEL);
                (*job).ring = ring;
                let base = &raw mut (*job).base;
                dma_fence_init(base, &OPS, null_mut(), 1, seqno);
                dma_fence_put(dma_fence_get(base));
                base
            };
            let fences: std::vec::Vec<_> = (1..=pending).map(fence).collect();
            let free = |()| {
                let block = kzalloc_obj::<[u8; 8]>(kernel::bindings::GFP_KERNEL);
                block.write(contents);
                let before = steps();
                kfree(block.cast());
                steps() - before
            };
            // The second finds blocks that were looked at a moment ago.
            let steps = [(), ()].map(free)[1];
            for fence in fences {
                dma_fence_signal(fence);
                dma_fence_put(fence);
            }
            rcu_barrier();
            kfree(ring.cast());
            steps
        }
    };
    fifo(count).unwrap()
}

#[test]
fn an_unrelated_block_costs_the_same_beside_many() {
    for contents in [[0; 8], *b"a name\0\0"] {
        for pending in [100, 2000] {
            let steps = steps_of(pending, contents);
            // Three for each fence that is looked at, should all addresses have the same hash.
            assert!(steps < 100, "{steps} beside {pending}");
        }
    }
}

#[test]
fn a_copy_is_one_of_the_block_that_is_there_now() {
    for size in [8, 16, 24, 32, 24, 16, 8] {
        let block = KVec::from_elem(size as u8, size, GFP_KERNEL).unwrap();
        let addr = block.as_ptr().addr();
        // Twice: as what was not looked at yet, and as what was.
        for _ in 0..2 {
            let (start, found, words) = debug_block_words(addr, usize::MAX).unwrap();
            assert_eq!((start, found), (addr, size));
            assert_eq!(words[0], usize::from_ne_bytes([size as u8; 8]));
        }
        drop(block);
        assert_eq!(debug_block_words(addr, usize::MAX), None);
    }
    assert_eq!(debug_block_words(0, usize::MAX), None);
}
