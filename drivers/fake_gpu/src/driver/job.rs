// SPDX-License-Identifier: GPL-2.0-only
//! Jobs: what is submitted, and what becomes of it.
#![forbid(unsafe_code)]

use super::{
    ops::Ops,
    ring::Ring, //
};
use crate::device::Command;
use dma_fence::{
    ArcDriverFence,
    FenceCallback,
    FenceCallbackRegistration,
    FenceContext, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc, //
    },
};

/// A job, as a client submits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// So many units of work.
    Work(u32),
    /// Something that makes the ring hang.
    Hang,
    /// Something that the ring does not understand.
    Fault,
}

impl Job {
    pub(super) fn command(self) -> Command {
        match self {
            Job::Work(units) => Command::Work(units),
            Job::Hang => Command::Hang,
            Job::Fault => Command::Fault,
        }
    }
}

/// A job that was submitted. What phase it is in, is where the ring's state has it.
pub(super) struct Submitted {
    pub(super) job: Job,
    /// The number that it has on the ring.
    pub(super) number: u32,
    /// What its fence signals with, once it is over.
    pub(super) result: Result,
    /// Taken out to be signalled.
    pub(super) fence: Option<ArcDriverFence<Ops>>,
    /// Keeps the timeline while its fence is signalled in a context that does not sleep.
    pub(super) timeline: Arc<FenceContext<Ops>>,
    pub(super) unmet: Arc<Unmet>,
    /// The callbacks on the fences that it waits for.
    pub(super) in_fences: InFences,
    /// The job of its context that waits for this one.
    pub(super) next: Option<u64>,
}

impl Submitted {
    /// It is on the ring with this number; or not any more, if that is 0.
    pub(super) fn set_number(&mut self, number: u32) {
        self.number = number;
        if let Some(fence) = &self.fence {
            fence.set_number(number);
        }
    }

    /// It is over; true if a waiter or a callback wants to be told.
    pub(super) fn end(&mut self, result: Result) -> bool {
        self.result = result;
        if result.is_err() {
            self.set_number(0);
        }
        self.fence.as_ref().is_some_and(|fence| fence.end())
    }
}

/// The registrations at the fences that a job waits for.
pub(super) type InFences = KVec<Pin<KBox<FenceCallbackRegistration<InFence>>>>;

/// What a job waits for: fences, an earlier job of its context, and until then its submission.
pub(super) struct Unmet {
    count: Atomic<i32>,
    /// The job, once it is submitted.
    job: Atomic<u64>,
}

impl Unmet {
    /// One is missing: the submission.
    pub(super) fn one() -> Self {
        Self {
            count: Atomic::new(1),
            job: Atomic::new(0),
        }
    }

    pub(super) fn more(&self) {
        self.count.fetch_add(1, Full);
    }

    /// True if it was the last.
    pub(super) fn less(&self) -> bool {
        self.count.fetch_sub(1, Full) == 1
    }

    /// The job is submitted.
    pub(super) fn set_job(&self, job: u64) {
        // Relaxed, as in `job`: one was missing, and who finds that it was the last comes later.
        self.job.store(job, Relaxed);
    }

    /// The job, of which nothing is missing.
    pub(super) fn job(&self) -> u64 {
        self.job.load(Relaxed)
    }
}

/// The callback on a fence that a job waits for.
pub(super) struct InFence {
    pub(super) ring: Arc<Ring>,
    pub(super) unmet: Arc<Unmet>,
}

impl FenceCallback for InFence {
    fn on_signal(&mut self) {
        if self.unmet.less() {
            self.ring.state.lock().ready(self.unmet.job());
            Ring::kick(&self.ring);
        }
    }
}
