// SPDX-License-Identifier: GPL-2.0-only
//! Timelines of clients, and the submission of jobs.
#![forbid(unsafe_code)]

use super::{
    job::{
        InFence,
        InFences,
        Job,
        Submitted,
        Unmet, //
    },
    ops::{
        JobState,
        Ops, //
    },
    ring::Ring,
    state::Power, //
};
use dma_fence::{
    CallbackError,
    Fence,
    FenceCallbackRegistration,
    FenceContext, //
};
use kernel::{
    prelude::*,
    rbtree::RBTreeNodeReservation,
    sync::{
        aref::ARef,
        Arc, //
    },
};

/// A client's timeline on a ring: its jobs run in the order in which they were submitted.
pub struct Context {
    ring: Arc<Ring>,
    timeline: Arc<FenceContext<Ops>>,
}

impl Context {
    pub(super) fn new(ring: &Arc<Ring>, name: &CStr) -> Result<Arc<Self>> {
        let ops = Ops::new(ring.clone());
        let timeline = FenceContext::new(1, c"fake_gpu", name, ops);
        let context = Self {
            ring: ring.clone(),
            timeline: Arc::pin_init(timeline, GFP_KERNEL)?,
        };
        Ok(Arc::new(context, GFP_KERNEL)?)
    }

    /// Submits a job that begins when all `in_fences` have signalled, with or without an error.
    /// Returns the fence that signals when it is over. May sleep.
    ///
    /// That signals with ETIME if the job makes the ring hang, EIO if the ring does not
    /// understand it, ECANCELED if another job of this context did so, and ENODEV if the GPU was
    /// removed.
    ///
    /// # Errors
    ///
    /// ENODEV if the GPU was removed already; ENOMEM. Then nothing has happened.
    pub fn submit(&self, job: Job, in_fences: &[&Fence]) -> Result<ARef<Fence>> {
        let allocation = FenceContext::new_arc_fence_allocation(&self.timeline, JobState::new())?;
        let unmet = Arc::new(Unmet::one(), GFP_KERNEL)?;
        let in_fences = self.register(in_fences, &unmet)?;
        let memory = RBTreeNodeReservation::new(GFP_KERNEL)?;
        let mut state = self.ring.state.lock();
        if state.power == Power::Removed {
            return Err(ENODEV);
        }
        // The point of no return. The number of the fence and the job's place in the queue belong
        // together, so both are taken under the lock.
        let fence = allocation.new_fence();
        let shared = fence.as_fence().into();
        let submitted = Submitted {
            job,
            number: 0,
            result: Ok(()),
            fence: Some(fence),
            timeline: self.timeline.clone(),
            unmet,
            in_fences,
            next: None,
        };
        let ready = state.queue(memory, submitted);
        drop(state);
        if ready {
            Ring::kick(&self.ring);
        }
        Ok(shared)
    }

    /// Sees to it that the ring is told when one of `fences` signals.
    fn register(&self, fences: &[&Fence], unmet: &Arc<Unmet>) -> Result<InFences> {
        let mut registrations = KVec::with_capacity(fences.len(), GFP_KERNEL)?;
        for fence in fences {
            let callback = InFence {
                ring: self.ring.clone(),
                unmet: unmet.clone(),
            };
            unmet.more();
            let registration = FenceCallbackRegistration::new(fence, callback);
            match KBox::try_pin_init(registration, GFP_KERNEL) {
                Ok(registration) => registrations.push(registration, GFP_KERNEL)?,
                Err(CallbackError::AlreadySignaled(_)) => {
                    unmet.less();
                }
                Err(CallbackError::Other(error)) => return Err(error),
            }
        }
        Ok(registrations)
    }
}
