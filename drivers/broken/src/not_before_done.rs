// SPDX-License-Identifier: GPL-2.0-only
//! A reset that signals what is left in the ring as if it were done.

use dma_fence::{FenceContext, FenceContextOps, Progress, ProgressOp};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Release},
        Arc,
    },
};

/// The register in which the hardware counts.
struct Register(Atomic<u32>);

impl FenceContextOps for Register {
    type FenceDataType = ();
    const PROGRESS: Option<ProgressOp<Self>> = Some(|fence| {
        let completed = fence.context().data().0.load(Acquire);
        Some(Progress::of_32_bits(completed, fence.seqno() as u32))
    });
}

pub(crate) fn run(wrong: bool) -> Result {
    let first = u64::from(u32::MAX);
    let register = Register(Atomic::new(u32::MAX - 1));
    let ring = FenceContext::new(first, c"broken", c"ring0", register);
    let ring = Arc::pin_init(ring, GFP_KERNEL)?;
    let done = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    let hangs = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    ring.data().0.store(u32::MAX, Release);
    done.signal(Ok(()));
    if wrong {
        hangs.signal(Ok(()));
    } else {
        hangs.signal(Err(EIO));
    }
    Ok(())
}
