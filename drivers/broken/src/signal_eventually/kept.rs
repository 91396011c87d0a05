// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose ring is full.

use dma_fence::{ArcDriverFence, Fence, FenceContext, FenceContextOps};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc},
};

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

struct Ring {
    context: Arc<FenceContext<Ops>>,
    jobs: KVec<ArcDriverFence<Ops>>,
}

impl Ring {
    /// Gives the fence of a job, whether it was accepted or not.
    fn submit(&mut self) -> Result<ARef<Fence>> {
        let allocation = FenceContext::new_arc_fence_allocation(&self.context, ())?;
        let job = allocation.new_fence();
        let fence = job.as_fence().into();
        if self.jobs.len() == self.jobs.capacity() {
            job.signal(Err(EBUSY));
        } else {
            self.jobs.push_within_capacity(job)?;
        }
        Ok(fence)
    }
}

pub(crate) fn run() -> Result {
    let context = FenceContext::new(1, c"broken", c"ring0", Ops);
    let context = Arc::pin_init(context, GFP_KERNEL)?;
    let jobs = KVec::new();
    let mut ring = Ring { context, jobs };
    ring.submit()?.wait();
    Ok(())
}
