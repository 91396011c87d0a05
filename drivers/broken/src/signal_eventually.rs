// SPDX-License-Identifier: GPL-2.0-only
//! A driver whose ring is full.

use crate::{timeline, Ops};
use dma_fence::{ArcDriverFence, Fence, FenceContext};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc},
};

struct Ring {
    timeline: Arc<FenceContext<Ops>>,
    jobs: KVec<ArcDriverFence<Ops>>,
}

impl Ring {
    /// Returns the fence of a job, whether it was accepted or not.
    fn submit(&mut self, wrong: bool) -> Result<ARef<Fence>> {
        let allocation = FenceContext::new_arc_fence_allocation(&self.timeline, ())?;
        let job = allocation.new_fence();
        let fence = job.as_fence().into();
        if self.jobs.len() < self.jobs.capacity() {
            self.jobs.push_within_capacity(job)?;
            return Ok(fence);
        }
        if !wrong {
            job.signal(Err(EBUSY));
        }
        Ok(fence)
    }
}

pub(crate) fn run(wrong: bool) -> Result {
    let (timeline, jobs) = (timeline()?, KVec::new());
    let mut ring = Ring { timeline, jobs };
    ring.submit(wrong)?.wait();
    Ok(())
}
