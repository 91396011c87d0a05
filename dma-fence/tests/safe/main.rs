// SPDX-License-Identifier: GPL-2.0-only
//! The safe API as a driver and its users see it.

mod arrays;
mod callbacks;
mod chains;
mod fences;
mod merges;
mod resvs;
mod waits;

use dma_fence::{
    testing::{issue_arc, Plain},
    ArcDriverFence, Fence, FenceContext, FenceContextOps,
};
use kernel::{
    error::Result,
    sync::{aref::ARef, Arc},
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Counts how often it is dropped.
struct Counted(&'static AtomicUsize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

struct Counting;

impl FenceContextOps for Counting {
    type FenceDataType = Counted;
    const SEQNO64: bool = false;
}

type Issued = ArcDriverFence<Plain>;

/// Fences of a timeline, with their issuer's sides.
fn issued(
    timeline: &Arc<FenceContext<Plain>>,
    count: usize,
) -> Result<(Vec<Issued>, Vec<ARef<Fence>>)> {
    (0..count).map(|_| issue_arc(timeline)).collect()
}

fn refs(fences: &[ARef<Fence>]) -> Vec<&Fence> {
    fences.iter().map(|fence| &**fence).collect()
}

/// The C fence.
fn raw(fence: &Fence) -> *mut dma_fence::bindings::dma_fence {
    core::ptr::from_ref(fence).cast_mut().cast()
}
