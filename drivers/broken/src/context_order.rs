// SPDX-License-Identifier: GPL-2.0-only
//! An interrupt handler that signals the latest job first.

use crate::ring;
use dma_fence::FenceContext;
use kernel::{prelude::*, sync::atomic::Release};

pub(crate) fn run(wrong: bool) -> Result {
    let ring = ring()?;
    let first = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    let second = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    // Two more are done: the register has wrapped around.
    ring.data().0.store(0, Release);
    if wrong {
        second.signal(Ok(()));
        first.signal(Ok(()));
    } else {
        first.signal(Ok(()));
        second.signal(Ok(()));
    }
    Ok(())
}
