// SPDX-License-Identifier: GPL-2.0-only
//! An interrupt handler that signals the latest job first.

use dma_fence::{FenceContext, FenceContextOps, Progress, ProgressOp};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Release},
        Arc,
    },
};

/// The register in which the hardware counts.
struct Register(Atomic<u64>);

impl FenceContextOps for Register {
    type FenceDataType = ();
    const PROGRESS: Option<ProgressOp<Self>> = Some(|fence| {
        let completed = fence.context().data().0.load(Acquire);
        Some(Progress::of_64_bits(completed, fence.seqno()))
    });
}

pub(crate) fn run(wrong: bool) -> Result {
    let ring = FenceContext::new(1, c"broken", c"ring0", Register(Atomic::new(0)));
    let ring = Arc::pin_init(ring, GFP_KERNEL)?;
    let first = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    let second = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    ring.data().0.store(2, Release);
    if wrong {
        second.signal(Ok(()));
        first.signal(Ok(()));
    } else {
        first.signal(Ok(()));
        second.signal(Ok(()));
    }
    Ok(())
}
