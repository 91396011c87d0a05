// SPDX-License-Identifier: GPL-2.0-only
//! What other libraries take for the same: to read, and to free what readers may be looking at.

use crate::{measure::each, peer};
use kernel::bindings::{kmalloc_obj, kvfree_call_rcu, rcu_barrier, GFP_KERNEL};
use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What is retired: as large as a fence.
type Block = [u64; 8];

/// An operation of C, by its name.
pub(crate) fn liburcu(name: &str, n: u64) -> f64 {
    peer::find(false, name).map_or(f64::NAN, |run| peer::times(run, n))
}

pub(crate) fn crossbeam_read(n: u64) -> f64 {
    each(n, |_| {
        black_box(&crossbeam_epoch::pin());
    })
}

pub(crate) fn seize_read(n: u64) -> f64 {
    let collector = seize::Collector::new();
    each(n, |_| {
        black_box(&collector.enter());
    })
}

/// Allocates n blocks and has each freed when no reader can see it, until all are.
pub(crate) fn ours_retire(n: u64) -> f64 {
    each(1, |_| {
        for _ in 0..n {
            // SAFETY: The block is a new one, is used by nothing else, and begins with its head.
            unsafe {
                let block: *mut Block = kmalloc_obj(GFP_KERNEL);
                kvfree_call_rcu::<0>(black_box(block).cast());
            }
        }
        // SAFETY: No lock is held.
        unsafe { rcu_barrier() };
    })
}

pub(crate) fn crossbeam_retire(n: u64) -> f64 {
    static FREED: AtomicU64 = AtomicU64::new(0);
    let all = FREED.load(Relaxed) + n;
    each(1, |_| {
        for _ in 0..n {
            let block = black_box(Box::<Block>::new([0; 8]));
            crossbeam_epoch::pin().defer(move || {
                drop(block);
                FREED.fetch_add(1, Relaxed);
            });
        }
        while FREED.load(Relaxed) < all {
            crossbeam_epoch::pin().flush();
        }
    })
}

pub(crate) fn seize_retire(n: u64) -> f64 {
    each(1, |_| {
        let collector = seize::Collector::new();
        for _ in 0..n {
            let block = Box::into_raw(black_box(Box::<Block>::new([0; 8])));
            // SAFETY: The block is a box's, and is used by nothing else.
            unsafe { collector.retire(block, seize::reclaim::boxed) };
        }
        // With it goes what is left.
        drop(collector);
    })
}
