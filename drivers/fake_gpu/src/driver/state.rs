// SPDX-License-Identifier: GPL-2.0-only
//! The state that a ring's lock protects: the jobs, and what was decided about them.
#![forbid(unsafe_code)]

use super::{
    job::{
        InFences,
        Job,
        Submitted, //
    },
    ops::Ops,
    stats::Stats, //
};
use crate::device::RingMemory;
use dma_fence::ArcDriverFence;
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode,
        RBTreeNodeReservation, //
    },
};

/// The power state, which says whether jobs may start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    On,
    /// Not now; they are kept.
    Suspended,
    /// Never again; nothing may be submitted either, and no work item queued.
    Removed,
}

/// Jobs by the order in which they were submitted.
pub(super) type Jobs = RBTree<u64, Submitted>;

/// # Invariants
///
/// - A job is in one of `waiting`, `ready`, `running`, `over` and `finished`; it goes from one to
///   the next, and leaves out what it does not need. Nothing is allocated for that.
/// - Jobs of one context are in that order: none is ready while an earlier one waits, and they are
///   decided about in the order of their fences.
/// - `wanted` is the number of jobs that are not over and have a waiter or a callback.
pub(super) struct State {
    pub(super) power: Power,
    /// Those that wait for fences, or for an earlier one of their context that does.
    waiting: Jobs,
    /// Those that wait for their turn, or for room on the ring.
    ready: Jobs,
    /// Those on the ring: no more than there is room for, and what is done and not noticed.
    running: Jobs,
    /// Those whose fences are about to signal.
    over: Jobs,
    /// Those whose fences were taken out to be signalled.
    finished: Jobs,
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
            waiting: Jobs::new(),
            ready: Jobs::new(),
            running: Jobs::new(),
            over: Jobs::new(),
            finished: Jobs::new(),
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

    /// Takes a job, for which there is memory; true if it is ready.
    pub(super) fn queue(
        &mut self,
        memory: RBTreeNodeReservation<u64, Submitted>,
        job: Submitted,
    ) -> bool {
        self.stats.jobs += 1;
        let (this, unmet) = (self.stats.jobs, job.unmet.clone());
        unmet.set_job(this);
        let before = job.timeline.data().set_last(this);
        if let Some(before) = self.waiting.get_mut(&before) {
            before.next = Some(this);
            unmet.more();
        }
        self.waiting.insert(memory.into_node(this, job));
        let ready = unmet.less();
        if ready {
            self.ready(this);
        }
        ready
    }

    /// Nothing is missing any more of what a job has waited for.
    pub(super) fn ready(&mut self, job: u64) {
        let mut ready = Some(job);
        // It may have come to its end meanwhile.
        while let Some(mut job) = ready.and_then(|job| self.waiting.find_mut(&job)) {
            let next = job.get_mut().next;
            self.ready.insert(job.remove_node());
            let next_job = next.and_then(|next| self.waiting.get(&next));
            ready = next.filter(|_| next_job.is_some_and(|job| job.unmet.less()));
        }
    }

    /// True if a job waits for nothing but its turn.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Starts the next job that is ready: it, its number, and the registrations that it needs no more.
    pub(super) fn start(&mut self) -> Option<(Job, u32, InFences)> {
        let number = self.next_number();
        let mut first = self.ready.cursor_front_mut()?;
        let (_, job) = first.current_mut();
        job.set_number(number);
        let started = (job.job, number, core::mem::take(&mut job.in_fences));
        self.running.insert(first.remove_current().1);
        Some(started)
    }

    /// The number of the next job that starts: not 0, which is none.
    pub(super) fn next_number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1).max(1);
        self.number
    }

    /// Decides about those of `jobs` of which `which` says so. True if there are any.
    fn end(
        &mut self,
        jobs: fn(&mut Self) -> &mut Jobs,
        which: impl Fn(&Submitted) -> bool,
        result: Result,
    ) -> bool {
        let (mut from, mut any) = (0, false);
        while let Some(mut at) = jobs(self).cursor_lower_bound_mut(&from) {
            let (this, job) = at.current_mut();
            from = this + 1;
            if !which(job) {
                continue;
            }
            let wanted = job.end(result);
            let job = at.remove_current().1;
            self.over.insert(job);
            self.wanted -= u32::from(wanted);
            match result {
                Ok(()) => self.stats.completed += 1,
                Err(_) => self.stats.errored += 1,
            }
            any = true;
        }
        any
    }

    /// Decides about the jobs that the ring has written back. True if there are any.
    pub(super) fn retire(&mut self, memory: &RingMemory) -> bool {
        // Read once: if the ring went on meanwhile, a later job would be over before an earlier one.
        let Some(done) = memory.seqno() else {
            return false;
        };
        let is_done = |job: &Submitted| done.wrapping_sub(job.number) as i32 >= 0;
        self.end(|state| &mut state.running, is_done, Ok(()))
    }

    /// Decides about all jobs that are not over, or those of one timeline.
    pub(super) fn end_all(&mut self, timeline: Option<u64>, error: Error) {
        let which = |job: &Submitted| timeline.is_none_or(|number| job.timeline.number() == number);
        self.end(|state| &mut state.running, which, Err(error));
        self.end(|state| &mut state.ready, which, Err(error));
        self.end(|state| &mut state.waiting, which, Err(error));
    }

    /// The job at which the ring is, if it is at one.
    fn current(&self) -> Option<&Submitted> {
        // Those on the ring are less than half of all numbers apart.
        let behind = |job: &&Submitted| job.number.wrapping_sub(self.number.wrapping_add(1));
        self.running.values().min_by_key(behind)
    }

    /// True if a job is on the ring.
    pub(super) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// True if no fence is left to be signalled.
    pub(super) fn is_idle(&self) -> bool {
        let mut jobs = [&self.waiting, &self.ready, &self.running, &self.over].into_iter();
        jobs.all(Jobs::is_empty)
    }

    /// Ends the job at which the ring is, which is to blame for a reset, with `error`, and all others
    /// of its context with ECANCELED; takes the innocent from the ring, to be started again.
    pub(super) fn blame(&mut self, error: Error) {
        let Some(guilty) = self.current() else {
            return;
        };
        let (number, timeline) = (guilty.number, guilty.timeline.number());
        let is_guilty = |job: &Submitted| job.number == number;
        self.end(|state| &mut state.running, is_guilty, Err(error));
        self.end_all(Some(timeline), ECANCELED);
        while let Some(mut first) = self.running.cursor_front_mut() {
            first.current_mut().1.set_number(0);
            self.ready.insert(first.remove_current().1);
        }
    }

    /// Takes the next fence to signal, and what it signals with.
    pub(super) fn take_over(&mut self) -> Option<(ArcDriverFence<Ops>, Result)> {
        let mut first = self.over.cursor_front_mut()?;
        let (_, job) = first.current_mut();
        let next = job.fence.take().map(|fence| (fence, job.result));
        self.finished.insert(first.remove_current().1);
        next
    }

    /// Takes a job out whose fence has been signalled. While a thread signals it may be that one,
    /// whose timeline the job keeps.
    pub(super) fn take_finished(&mut self) -> Option<RBTreeNode<u64, Submitted>> {
        if self.signalling {
            return None;
        }
        Some(self.finished.cursor_front_mut()?.remove_current().1)
    }
}

#[cfg(all(test, feature = "debug"))]
mod tests {
    use super::*;
    use crate::driver::{
        job::Unmet,
        Config,
        FakeGpu, //
    };
    use dma_fence::FenceContext;
    use kernel::{
        bindings::rb_visited,
        sync::Arc, //
    };

    /// The nodes of trees that are looked at for each of so many jobs, of which every other one waits
    /// for a fence until all are there.
    fn visited(count: u64) -> Result<u64> {
        let gpu = FakeGpu::new(Config {
            watchdog: None,
            ..Config::default()
        })?;
        let mut state = State::new();
        let context = || {
            let context = FenceContext::new(1, c"fake_gpu", c"a", Ops::new(gpu.rings[0].clone()));
            Arc::pin_init(context, GFP_KERNEL)
        };
        let contexts = [context()?, context()?, context()?];
        let mut waiting = KVec::new();
        let begin = rb_visited();
        for n in 0..count {
            let unmet = Arc::new(Unmet::one(), GFP_KERNEL)?;
            if n % 2 == 1 {
                unmet.more();
                waiting.push(unmet.clone(), GFP_KERNEL)?;
            }
            let job = Submitted {
                job: Job::Work(0),
                number: 0,
                result: Ok(()),
                fence: None,
                timeline: contexts[(n % 3) as usize].clone(),
                unmet,
                in_fences: KVec::new(),
                next: None,
            };
            state.queue(RBTreeNodeReservation::new(GFP_KERNEL)?, job);
        }
        for unmet in waiting {
            if unmet.less() {
                state.ready(unmet.job());
            }
        }
        // As many at a time as there is room for on the ring.
        for _ in 0..count {
            assert!(state.start().is_some());
            if state.running.iter().count() == 32 || !state.is_ready() {
                state.end(|state| &mut state.running, |_| true, Ok(()));
                while state.over.cursor_front().is_some() {
                    state.take_over();
                    drop(state.take_finished());
                }
            }
        }
        assert!(state.is_idle() && state.stats.completed == count);
        Ok((rb_visited() - begin) / count)
    }

    /// Not with the number of those that were submitted, but with its logarithm.
    #[test]
    fn what_a_job_costs_grows_slowly() -> Result {
        for (count, most) in [(100, 160), (10_000, 320)] {
            let visited = visited(count)?;
            assert!(visited < most, "{visited} of {count}");
        }
        Ok(())
    }
}
