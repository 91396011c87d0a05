// SPDX-License-Identifier: GPL-2.0-only
use dma_fence::{FenceContextOps, PollOp};

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
    const SIGNALED: Option<PollOp<Self>> = Some(|fence| {
        let job = fence.context().new_fence_allocation(()).ok()?.new_fence();
        job.signal(Ok(()));
        None
    });
}

fn main() {}
