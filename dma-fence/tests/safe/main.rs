// SPDX-License-Identifier: GPL-2.0-only
//! The safe API as a driver and its users see it.

mod callbacks;
mod fences;
mod waits;

use dma_fence::{
    testing::Plain, ArcDriverFence, DriverFence, Fence, FenceContext, FenceContextOps,
};
use kernel::{
    prelude::*,
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

type Issued<F> = (F, ARef<Fence>);

/// The issuer's side of a new fence, and a reference to it.
fn issue(context: &FenceContext<Plain>) -> Result<Issued<DriverFence<'_, Plain>>> {
    let issued = context.new_fence_allocation(())?.new_fence();
    let fence = issued.as_fence().into();
    Ok((issued, fence))
}

/// As [`issue`], with a reference to the timeline.
fn issue_arc(context: &Arc<FenceContext<Plain>>) -> Result<Issued<ArcDriverFence<Plain>>> {
    let issued = FenceContext::new_arc_fence_allocation(context, ())?.new_fence();
    let fence = issued.as_fence().into();
    Ok((issued, fence))
}

/// The C fence.
fn raw(fence: &Fence) -> *mut dma_fence::bindings::dma_fence {
    core::ptr::from_ref(fence).cast_mut().cast()
}
