// SPDX-License-Identifier: GPL-2.0-only
//! Chains that are walked, collected and released by two threads.

use ::dma_fence::bindings::*;
use core::ptr::null_mut;
use kernel::bindings::{kref_read, kzalloc_obj, GFP_KERNEL};
use loom::thread;

/// A fence, alone or in a node.
#[derive(Clone, Copy)]
struct Ptr(*mut dma_fence);

// SAFETY: A fence may be used by any thread.
unsafe impl Send for Ptr {}

/// A new fence.
fn fence() -> Ptr {
    // SAFETY: The memory is new.
    unsafe {
        let fence: *mut dma_fence = kzalloc_obj(GFP_KERNEL);
        dma_fence_init(fence, &super::OPS, null_mut(), 1, 1);
        Ptr(fence)
    }
}

/// A node behind `prev`, which it takes over, and a reference to the fence in it.
fn node(prev: Ptr, seqno: u64) -> (Ptr, Ptr) {
    let fence = fence();
    // SAFETY: The memory is new, and the references are given to it.
    unsafe {
        let node = dma_fence_chain_alloc();
        dma_fence_chain_init(node, prev.0, dma_fence_get(fence.0), seqno);
        (Ptr(node.cast()), fence)
    }
}

/// The references to a fence: memory that is to be freed stays in a model.
fn refs(fence: Ptr) -> u32 {
    // SAFETY: It stays, see above.
    unsafe { kref_read(dma_fence_kref(fence.0)) }
}

/// In this one a thread is interrupted no more than three times.
fn bounded(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// The last node is released, and with it the second, from which a walker collects the first: each
/// reference is dropped once.
///
/// That the walker is not at the second any more is known by its count, which is not ordered with its
/// link.
#[test]
fn walk_against_release() {
    // As in `while_signalling()` above: each of the two is the first once.
    for walks_first in [true, false] {
        loom::model(move || {
            let (first, signalled) = node(Ptr(null_mut()), 1);
            let (second, pending) = node(first, 2);
            let (last, pending_too) = node(second, 3);
            // SAFETY: Each reference is dropped once.
            unsafe {
                dma_fence_signal(signalled.0);
                dma_fence_get(second.0);
                let walk = move || {
                    let Ptr(second) = { second };
                    assert!(dma_fence_chain_walk(second).is_null());
                };
                let release = move || {
                    let Ptr(last) = { last };
                    dma_fence_put(last);
                };
                if walks_first {
                    let other = thread::spawn(release);
                    walk();
                    other.join().unwrap();
                } else {
                    let other = thread::spawn(walk);
                    release();
                    other.join().unwrap();
                }
            }
            assert_eq!([first, second, last].map(refs), [0; 3]);
            assert_eq!([signalled, pending, pending_too].map(refs), [1; 3]);
        });
    }
}

/// Two collect the same nodes.
#[test]
fn walk_against_walk() {
    bounded(|| {
        let (first, signalled) = node(Ptr(null_mut()), 1);
        let (second, signalled_too) = node(first, 2);
        let (last, pending) = node(second, 3);
        // SAFETY: Each reference is dropped once.
        unsafe {
            dma_fence_signal(signalled.0);
            dma_fence_signal(signalled_too.0);
            let walked = Ptr(dma_fence_get(last.0));
            let walker = thread::spawn(move || {
                let Ptr(walked) = { walked };
                assert!(dma_fence_chain_walk(walked).is_null());
            });
            assert!(dma_fence_chain_walk(dma_fence_get(last.0)).is_null());
            walker.join().unwrap();
        }
        assert_eq!([first, second, last].map(refs), [0, 0, 1]);
        assert_eq!([signalled, signalled_too, pending].map(refs), [1, 1, 2]);
    });
}
