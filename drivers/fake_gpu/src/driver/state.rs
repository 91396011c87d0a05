// SPDX-License-Identifier: GPL-2.0-only
//! The state that a ring's lock protects: the jobs, and what was decided about them.
#![forbid(unsafe_code)]

use super::{
    job::{
        InFences,
        Phase,
        Submitted, //
    },
    ops::Ops,
    stats::Stats, //
};
use crate::device::RingMemory;
use dma_fence::ArcDriverFence;
use kernel::prelude::*;

/// The power state, which says whether jobs may start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    On,
    /// Not now; they are kept.
    Suspended,
    /// Never again; nothing may be submitted either, and no work item queued.
    Removed,
}

/// # Invariants
///
/// `jobs` has those of one context in the order of their fences, of which it decides earlier ones
/// no later. `wanted` is the number of jobs that are not over and have a waiter or a callback. There is always room in `jobs` for what is in it: nothing is allocated under the lock.
pub(super) struct State {
    pub(super) power: Power,
    pub(super) jobs: KVec<Submitted>,
    pub(super) stats: Stats,
    pub(super) wanted: u32,
    /// A job is ready, but there is no room for it on the ring: we want to be told ourselves.
    pub(super) wants_room: bool,
    /// The last number that a job was started with.
    pub(super) number: u32,
    /// The end of the commands.
    pub(super) tail: u32,
    /// A thread signals what is over.
    pub(super) signalling: bool,
    /// The watchdog is queued or runs.
    pub(super) watched: bool,
    /// What the engine's activity was when the watchdog looked, and how often it was that.
    pub(super) activity: u32,
    pub(super) idle_looks: u32,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            power: Power::On,
            jobs: KVec::new(),
            stats: Stats::default(),
            wanted: 0,
            wants_room: false,
            number: 0,
            tail: 0,
            signalling: false,
            watched: false,
            activity: 0,
            idle_looks: 0,
        }
    }

    /// Takes a job, for which there is room.
    pub(super) fn queue(&mut self, job: Submitted) {
        self.stats.jobs += 1;
        let queued = self.jobs.push_within_capacity(job);
        debug_assert!(queued.is_ok());
    }

    /// Decides about a job.
    fn end(&mut self, at: usize, result: Result) {
        let job = &mut self.jobs[at];
        job.phase = Phase::Over(result);
        if let Some(fence) = &job.fence {
            if result.is_err() {
                fence.set_number(0);
            }
            self.wanted -= u32::from(fence.end());
        }
        match result {
            Ok(()) => self.stats.completed += 1,
            Err(_) => self.stats.errored += 1,
        }
    }

    /// Decides about the jobs that the ring has written back. True if there are any.
    pub(super) fn retire(&mut self, memory: &RingMemory) -> bool {
        // Read once: if the ring went on meanwhile, a later job would be over before an earlier one.
        let Some(done) = memory.seqno() else {
            return false;
        };
        let mut any = false;
        for at in 0..self.jobs.len() {
            match self.jobs[at].phase {
                Phase::Running(number) if done.wrapping_sub(number) as i32 >= 0 => {
                    self.end(at, Ok(()));
                    any = true;
                }
                _ => {}
            }
        }
        any
    }

    /// Decides about all jobs that are not over, or those of one timeline.
    pub(super) fn end_all(&mut self, timeline: Option<u64>, error: Error) {
        for at in 0..self.jobs.len() {
            let job = &self.jobs[at];
            let over = matches!(job.phase, Phase::Over(_));
            if !over && timeline.is_none_or(|timeline| job.is_of(timeline)) {
                self.end(at, Err(error));
            }
        }
    }

    /// The job at which the ring is, if it is at one.
    pub(super) fn current(&self) -> Option<(usize, u32)> {
        let running = self.jobs.iter().enumerate().filter_map(|(at, job)| {
            let Phase::Running(number) = job.phase else {
                return None;
            };
            Some((at, number))
        });
        // Those on the ring are less than half of all numbers apart.
        running.min_by_key(|&(_, number)| number.wrapping_sub(self.number.wrapping_add(1)))
    }

    /// True if a job is on the ring.
    pub(super) fn is_busy(&self) -> bool {
        self.current().is_some()
    }

    /// Ends the job `at`, which is to blame for a reset, with `error`, and all others of its
    /// context with ECANCELED; takes the innocent from the ring, to be started again.
    pub(super) fn blame(&mut self, at: usize, error: Error) {
        let timeline = self.jobs[at].timeline.number();
        self.end(at, Err(error));
        self.end_all(Some(timeline), ECANCELED);
        for job in &mut self.jobs {
            if matches!(job.phase, Phase::Running(_)) {
                job.phase = Phase::Waiting;
                if let Some(fence) = &job.fence {
                    fence.set_number(0);
                }
            }
        }
    }

    /// The next job to start: no earlier one of its context waits.
    pub(super) fn next_ready(&self) -> Option<usize> {
        (0..self.jobs.len()).find(|&at| {
            let job = &self.jobs[at];
            let timeline = job.timeline.number();
            let before = |job: &Submitted| job.phase == Phase::Waiting && job.is_of(timeline);
            job.is_ready() && !self.jobs[..at].iter().any(before)
        })
    }

    /// The number of the next job that starts: not 0, which is none.
    pub(super) fn next_number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1).max(1);
        self.number
    }

    /// Takes the next fence to signal, and what it signals with.
    pub(super) fn take_over(&mut self) -> Option<(ArcDriverFence<Ops>, Result)> {
        self.jobs.iter_mut().find_map(|job| match job.phase {
            Phase::Over(result) => job.fence.take().map(|fence| (fence, result)),
            _ => None,
        })
    }

    /// Takes a job out whose fence has been signalled. While a thread signals it may be that one,
    /// whose timeline the job keeps.
    pub(super) fn take_finished(&mut self) -> Option<Submitted> {
        if self.signalling {
            return None;
        }
        let at = self.jobs.iter().position(|job| job.fence.is_none())?;
        self.jobs.remove(at).ok()
    }

    /// Takes the registrations of a job that needs them no more.
    pub(super) fn take_in_fences(&mut self, at: usize) -> InFences {
        core::mem::take(&mut self.jobs[at].in_fences)
    }
}
