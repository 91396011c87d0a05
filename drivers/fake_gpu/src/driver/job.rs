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
            Full, //
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

/// The phase of a job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for fences, for its turn or for room.
    Waiting,
    /// It is on the ring, with this number.
    Running(u32),
    /// It is over; its fence signals with this, or has done so.
    Over(Result),
}

/// A job that was submitted.
pub(super) struct Submitted {
    pub(super) job: Job,
    pub(super) phase: Phase,
    /// Taken out to be signalled.
    pub(super) fence: Option<ArcDriverFence<Ops>>,
    /// Keeps the timeline while its fence is signalled in a context that does not sleep.
    pub(super) timeline: Arc<FenceContext<Ops>>,
    /// How many fences it waits for, and one more while it is being submitted.
    pub(super) unmet: Arc<Unmet>,
    /// The callbacks on them.
    pub(super) in_fences: InFences,
}

impl Submitted {
    /// True if the two are jobs of one context.
    pub(super) fn is_of(&self, timeline: u64) -> bool {
        self.timeline.number() == timeline
    }

    /// True if it waits for nothing but its turn.
    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Waiting && self.unmet.is_zero()
    }
}

/// The registrations at the fences that a job waits for.
pub(super) type InFences = KVec<Pin<KBox<FenceCallbackRegistration<InFence>>>>;

/// The number of fences that have not signalled.
pub(super) struct Unmet(Atomic<i32>);

impl Unmet {
    /// One is missing.
    pub(super) fn one() -> Self {
        Self(Atomic::new(1))
    }

    pub(super) fn more(&self) {
        self.0.fetch_add(1, Full);
    }

    /// True if it was the last.
    pub(super) fn less(&self) -> bool {
        self.0.fetch_sub(1, Full) == 1
    }

    fn is_zero(&self) -> bool {
        self.0.load(kernel::sync::atomic::Acquire) == 0
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
            Ring::kick(&self.ring);
        }
    }
}
