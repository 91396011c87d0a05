// SPDX-License-Identifier: GPL-2.0-only
//! The safe API as a driver and its users see it.

mod callbacks;
mod fences;
mod waits;

use dma_fence::{Fence, FenceContextOps};
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

/// The C fence.
fn raw(fence: &Fence) -> *mut dma_fence::bindings::dma_fence {
    core::ptr::from_ref(fence).cast_mut().cast()
}
