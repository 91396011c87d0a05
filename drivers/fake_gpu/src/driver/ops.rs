// SPDX-License-Identifier: GPL-2.0-only
//! The out-fences: polling, interrupts and deadlines of jobs.
#![forbid(unsafe_code)]

use super::ring::Ring;
use dma_fence::{
    DeadlineOp,
    FenceContextOps,
    OpsFence,
    PollOp,
    Progress,
    ProgressOp, //
};
use kernel::sync::{
    atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    Arc, //
};

/// The data of a timeline: among others the ring on which its jobs run.
pub(super) struct Ops {
    pub(super) ring: Arc<Ring>,
    /// The job that was submitted last. Written under the ring's lock.
    last: Atomic<u64>,
}

impl Ops {
    pub(super) fn new(ring: Arc<Ring>) -> Self {
        let last = Atomic::new(0);
        Self { ring, last }
    }

    /// A job is submitted; returns the one before, or 0. Under the ring's lock.
    pub(super) fn set_last(&self, job: u64) -> u64 {
        self.last.xchg(job, Relaxed)
    }
}

/// The state of a job, as far as its fence needs it.
pub(super) struct JobState {
    /// The number that the ring will write back; 0 while the job is not on the ring.
    number: Atomic<u32>,
    /// A waiter or a callback wants to be told. Written under the ring's lock.
    wanted: Atomic<bool>,
    /// The job is over, and its fence about to be signalled. Written under the ring's lock.
    over: Atomic<bool>,
}

impl JobState {
    pub(super) fn new() -> Self {
        Self {
            number: Atomic::new(0),
            wanted: Atomic::new(false),
            over: Atomic::new(false),
        }
    }

    /// The job is on the ring; or not any more, if `number` is 0.
    pub(super) fn set_number(&self, number: u32) {
        self.number.store(number, Release);
    }

    /// A waiter or a callback wants to be told; false if it is too late. Under the ring's lock.
    pub(super) fn want(&self) -> bool {
        !self.over.load(Relaxed) && !self.wanted.xchg(true, Relaxed)
    }

    /// The job is over; true if a waiter or a callback wants to be told. Under the ring's lock.
    pub(super) fn end(&self) -> bool {
        self.over.store(true, Relaxed);
        self.wanted.load(Relaxed)
    }

    /// True if the ring has written the job's number back, or a later one.
    fn is_done(&self, ring: &Ring) -> bool {
        let mut number = self.number.load(Acquire);
        loop {
            if number == 0 || !ring.registers.memory().reached(number) {
                return false;
            }
            // A reset may have taken the job back meanwhile, and what we have looked at be that
            // of a later job. Numbers do not return.
            let again = self.number.load(Acquire);
            if again == number {
                return true;
            }
            number = again;
        }
    }
}

impl FenceContextOps for Ops {
    type FenceDataType = JobState;

    const ENABLE_SIGNALING: Option<PollOp<Self>> = Some(|fence| {
        let ring = &fence.context().data().ring;
        let enabled = ring.want(fence);
        // There is no interrupt for what was done before it was enabled: neither for this job nor
        // for those that it waits for.
        // Planted fault, see lib.rs; not part of a copy.
        #[cfg(not(fault = "recheck"))]
        if enabled {
            Ring::kick(ring);
        }
        #[cfg(not(fault = "recheck"))]
        if fence.is_done(ring) {
            return Some(Ok(()));
        }
        let _ = enabled;
        None
    });

    const SIGNALED: Option<PollOp<Self>> = Some(|fence: &OpsFence<'_, Self>| {
        fence
            .is_done(&fence.context().data().ring)
            .then_some(Ok(()))
    });

    const PROGRESS: Option<ProgressOp<Self>> = Some(|fence: &OpsFence<'_, Self>| {
        let ring = &fence.context().data().ring;
        let number = fence.number.load(Acquire);
        let done = ring.registers.memory().seqno()?;
        (number != 0).then(|| Progress::of_32_bits(done, number))
    });

    const SET_DEADLINE: Option<DeadlineOp<Self>> =
        Some(|fence, _deadline| fence.context().data().ring.boost());
}
