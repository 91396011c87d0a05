// SPDX-License-Identifier: GPL-2.0-only
//! What a check does does not grow with the fences that are there: when an unrelated block is freed,
//! when time passes, and with each step of another fence.
#![cfg(feature = "debug")]

use ::dma_fence::{
    bindings::{
        dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_get, dma_fence_init,
        dma_fence_is_signaled, dma_fence_ops, dma_fence_put, dma_fence_remove_callback,
        dma_fence_signal,
    },
    testing::known_fences,
};
use kernel::{
    bindings::{
        debugobjects::{debug_block_words, steps},
        kfree, kzalloc_obj,
    },
    ffi::c_char,
    prelude::*,
    testing::{memory::rcu_barrier, vcpu::fifo},
    time::{delay::fsleep, Delta},
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

/// A pending fence, which points to a ring.
///
/// # Safety
///
/// The ring is freed later than a grace period after the signal.
unsafe fn pending(ring: *mut u64, seqno: u64) -> *mut dma_fence {
    // SAFETY: The memory is fresh, and freed with the last reference.
    unsafe {
        let job = kzalloc_obj::<JobFence>(kernel::bindings::GFP_KERNEL);
        (*job).ring = ring;
        let base = &raw mut (*job).base;
        dma_fence_init(base, &OPS, null_mut(), 1, seqno);
        dma_fence_put(dma_fence_get(base));
        base
    }
}

/// What `f` looks up beside so many fences. It is given another one that is pending, and signals it.
fn steps_of(fences: u64, f: impl Fn(*mut dma_fence) -> u64 + Send + 'static) -> u64 {
    let count = move || {
        // SAFETY: The ring is freed after a grace period.
        unsafe {
            let ring = kzalloc_obj::<u64>(kernel::bindings::GFP_KERNEL);
            let others: std::vec::Vec<_> = (1..=fences).map(|n| pending(ring, n)).collect();
            let fence = pending(ring, 0);
            let steps = f(fence);
            let end = |fence| {
                dma_fence_signal(fence);
                dma_fence_put(fence);
            };
            end(fence);
            others.into_iter().for_each(end);
            rcu_barrier();
            kfree(ring.cast());
            steps
        }
    };
    fifo(count).unwrap()
}

/// What freeing a block with this in it looks up.
fn freeing(contents: [u8; 8]) -> u64 {
    let free = |()| {
        // SAFETY: The block is a new one.
        unsafe {
            let block = kzalloc_obj::<[u8; 8]>(kernel::bindings::GFP_KERNEL);
            block.write(contents);
            let before = steps();
            kfree(block.cast());
            steps() - before
        }
    };
    // The second finds blocks that were looked at a moment ago.
    [(), ()].map(free)[1]
}

#[test]
fn an_unrelated_block_costs_the_same_beside_many() {
    for contents in [[0; 8], *b"a name\0\0"] {
        for pending in [100, 2000] {
            let steps = steps_of(pending, move |_| freeing(contents));
            // Four for each fence that is looked at, should all addresses have the same hash.
            assert!(steps < 120, "{steps} beside {pending}");
        }
    }
}

extern "C" fn nothing(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {}

/// What is done to a fence, and to others of its kind.
fn life(fence: *mut dma_fence) {
    // SAFETY: The fence is live, and stays so, since a reference to it stays. So does the callback
    // until it is called.
    unsafe {
        dma_fence_put(dma_fence_get(fence));
        let cb = kzalloc_obj::<dma_fence_cb>(kernel::bindings::GFP_KERNEL);
        dma_fence_add_callback(fence, cb, Some(nothing));
        dma_fence_remove_callback(fence, cb);
        dma_fence_add_callback(fence, cb, Some(nothing));
        dma_fence_is_signaled(fence);
        dma_fence_signal(fence);
        kfree(cb.cast());
    }
}

/// How many look-ups `f` takes.
fn looked_up(f: impl FnOnce()) -> u64 {
    let before = steps();
    f();
    steps() - before
}

/// What is done with a fence that is pending.
type Operation = fn(*mut dma_fence);

#[test]
fn an_operation_costs_the_same_beside_many() {
    let operations: [(&str, Operation); 3] = [
        ("a second", |_| fsleep(Delta::from_secs(1))),
        ("a fence", |_| {
            // SAFETY: The fence ends here, and points to nothing.
            unsafe {
                let fence = pending(null_mut(), 0);
                dma_fence_signal(fence);
                dma_fence_put(fence);
            }
        }),
        ("its life", life),
    ];
    for (name, operation) in operations {
        let beside = |pending| steps_of(pending, move |fence| looked_up(|| operation(fence)));
        let [few, many] = [100, 2000].map(beside);
        // Not all of an address has the same hash.
        assert!(
            many < few + 50,
            "{name}: {few} beside 100, {many} beside 2000"
        );
    }
}

/// When it ends each of them is looked at.
#[test]
fn a_machine_looks_at_its_own_fences_alone() {
    // SAFETY: They point to nothing.
    let others: std::vec::Vec<_> = (1..=2000)
        .map(|n| unsafe { pending(null_mut(), n) })
        .collect();
    let steps = fifo(|| looked_up(|| assert_eq!(known_fences(), 0))).unwrap();
    assert!(steps < 10, "{steps}");
    for fence in others {
        // SAFETY: The reference is ours.
        unsafe {
            dma_fence_signal(fence);
            dma_fence_put(fence);
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
