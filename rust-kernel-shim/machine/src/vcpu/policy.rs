// SPDX-License-Identifier: GPL-2.0-only
//! Which task runs next, and for how long.

mod search;

pub use search::Path;

use crate::{
    cpu::{self, Count},
    task::task_struct,
};
use fastrand::Rng;
use search::Search;

/// The policy by which the run token is passed on.
pub enum Policy {
    /// A task holds the run token until it blocks or ends; the next is the first in the queue.
    Fifo,
    /// A task may lose the run token at any point; the next task, and whether time passes, are
    /// random.
    Random {
        /// The random numbers.
        rng: Rng,
        /// What all schedules have in common.
        how: How,
    },
    /// Probabilistic concurrency testing: a task keeps the run token until it blocks, but for a few
    /// change points that are drawn beforehand; the task that comes to one gets the lowest
    /// priority. It finds what takes a few switches at the right points and then a long time
    /// without one, as the random order hardly ever does.
    Pct {
        /// The random numbers.
        rng: Rng,
        /// As for `Random`.
        how: How,
        /// The change points that are left.
        changes: Vec<usize>,
        /// The addresses of the tasks whose priority was lowered, the lowest last.
        lowered: Vec<usize>,
    },
    /// One schedule of a search through all that preempt a task at most so often.
    Search(Search),
}

/// What all schedules of an exploration have in common.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Points after which the machine counts as going round in circles.
    pub points: usize,
    /// Timers become due only when no task is runnable.
    pub timers_wait: bool,
    /// A task that is in a read-side section often falls behind all others.
    pub slow_readers: bool,
    /// Of a thousand interrupts, how many are lost.
    pub lost: u32,
    /// Of a thousand others, how many are late.
    pub late: u32,
    /// Modules are unloaded late, and callbacks of RCU are called late.
    pub late_unload: bool,
}

/// What becomes of an interrupt that a device raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// It comes.
    Comes,
    /// It never does.
    Lost,
    /// It comes after so many nanoseconds.
    Late(u32),
}

/// By how much something is late (ns).
const LATE: [u32; 4] = [1_000, 100_000, 5_000_000, 100_000_000];

/// What may happen at a point beside that the task goes on.
pub(super) struct Chances {
    /// Another task is runnable.
    pub(super) others: bool,
    /// A grace period is waited for, and no section holds it up.
    pub(super) grace_period: bool,
    /// A timer is pending.
    pub(super) timer: bool,
}

/// The choice at a point.
#[derive(Clone, Copy)]
pub(super) enum Choice {
    /// The task goes on.
    GoOn,
    /// A task is drawn to go on, maybe the same.
    Preempt,
    /// A grace period ends, or a timer becomes due, before a task is drawn.
    PassTime,
    /// A grace period ends before a task is drawn.
    EndGracePeriod,
}

/// Times that the run token may be handed on without a schedule that says how often.
const FIFO_POINTS: usize = 5_000_000;

/// Change points of a PCT schedule, at most.
const CHANGES: usize = 3;

fn address(task: &task_struct) -> usize {
    core::ptr::from_ref(task).addr()
}

impl How {
    /// As it is without anything that goes wrong, with a budget of so many points.
    pub const fn new(points: usize) -> Self {
        Self {
            points,
            timers_wait: false,
            slow_readers: false,
            lost: 0,
            late: 0,
            late_unload: false,
        }
    }

    /// True if this task is to be slow now.
    fn slow_reader(&self) -> bool {
        self.slow_readers && cpu::with(|cpu| cpu.open(Count::Rcu) != 0)
    }
}

impl Policy {
    /// A schedule that `seed` decides; every other one is PCT.
    pub fn explore(seed: u64, how: How) -> Self {
        let mut rng = Rng::with_seed(seed);
        // A task that falls behind needs priorities.
        if seed % 2 == 1 && !how.slow_readers {
            return Self::Random { rng, how };
        }
        // How long a schedule is is not known: short ones are as likely as long ones.
        let changes = (0..=rng.usize(..CHANGES)).map(|_| {
            let longest = 1 << rng.u32(4..13);
            rng.usize(1..longest)
        });
        let changes = changes.collect();
        let lowered = Vec::new();
        Self::Pct {
            rng,
            how,
            changes,
            lowered,
        }
    }

    /// The schedule of a search at which `path` stands, with at most so many preemptions.
    pub fn search(path: Path, preemptions: usize, how: How) -> Self {
        Self::Search(Search::new(path, preemptions, how))
    }

    pub(super) fn preempts(&self) -> bool {
        !matches!(self, Self::Fifo)
    }

    fn how(&self) -> Option<&How> {
        match self {
            Self::Fifo => None,
            Self::Random { how, .. } | Self::Pct { how, .. } => Some(how),
            Self::Search(search) => Some(&search.how),
        }
    }

    pub(super) fn points(&self) -> usize {
        self.how().map_or(FIFO_POINTS, |how| how.points)
    }

    /// A number below `of`; a search tries each, at no cost.
    pub(super) fn drawn(&mut self, of: usize) -> usize {
        match self {
            Self::Fifo => 0,
            Self::Random { rng, .. } | Self::Pct { rng, .. } => rng.usize(..of.max(1)),
            Self::Search(search) => search.drawn(of),
        }
    }

    /// True if something goes wrong that does so `rate` times in a thousand.
    fn fault(&mut self, rate: u32) -> bool {
        match self {
            Self::Random { rng, .. } | Self::Pct { rng, .. } => rate != 0 && rng.u32(..1000) < rate,
            Self::Search(search) => search.fault(rate),
            Self::Fifo => false,
        }
    }

    /// What becomes of an interrupt.
    pub(super) fn interrupt(&mut self) -> Interrupt {
        let (lost, late) = self.how().map_or((0, 0), |how| (how.lost, how.late));
        if self.fault(lost) {
            Interrupt::Lost
        } else if self.fault(late) {
            Interrupt::Late(LATE[self.drawn(LATE.len())])
        } else {
            Interrupt::Comes
        }
    }

    pub(super) fn late_unload(&self) -> bool {
        self.how().is_some_and(|how| how.late_unload)
    }

    /// By how much the unloading of a module is late (ns), if it is.
    pub(super) fn unload(&mut self) -> Option<u32> {
        let late = self.late_unload() && self.fault(750);
        late.then(|| LATE[self.drawn(LATE.len())])
    }

    /// True if callbacks of RCU that could be called wait for longer.
    pub(super) fn callbacks_wait(&mut self) -> bool {
        self.late_unload() && self.fault(750)
    }

    /// Which of the `len` tasks that are `runnable` is next; 0 is the one that has waited longest.
    pub(super) fn next_of(
        &mut self,
        len: usize,
        runnable: impl Iterator<Item = usize> + Clone,
    ) -> usize {
        match self {
            Self::Fifo => 0,
            Self::Random { rng, .. } => rng.usize(..len),
            Self::Search(search) => search.next_of(runnable),
            Self::Pct { rng, lowered, .. } => {
                let place = |task| lowered.iter().position(|&other| other == task);
                let others = runnable
                    .clone()
                    .filter(|&task| place(task).is_none())
                    .count();
                if others == 0 {
                    // The one that was lowered first has the highest priority.
                    let longest = runnable.enumerate().min_by_key(|&(_, task)| place(task));
                    return longest.map_or(0, |(at, _)| at);
                }
                let nth = rng.usize(..others);
                let mut others = runnable
                    .enumerate()
                    .filter(|&(_, task)| place(task).is_none());
                others.nth(nth).map_or(0, |(at, _)| at)
            }
        }
    }

    /// Returns the choice at this point of `task`, after so many points.
    pub(super) fn at_point(
        &mut self,
        point: usize,
        task: &task_struct,
        chances: impl FnOnce() -> Chances,
    ) -> Choice {
        match self {
            Self::Fifo => Choice::GoOn,
            Self::Search(search) => search.at_point(address(task), chances),
            // Most switches change nothing; a bug needs a few at the right points, so they are
            // frequent. That time passes while a task could run is rare on real machines, too.
            Self::Random { rng, how } => match rng.u8(..64) {
                0 if how.timers_wait => Choice::EndGracePeriod,
                0 => Choice::PassTime,
                1..=16 => Choice::Preempt,
                _ => Choice::GoOn,
            },
            Self::Pct {
                changes, rng, how, ..
            } => {
                let slow = how.slow_reader() && rng.u8(..4) == 0;
                // Not every number is that of a point.
                match changes.iter().position(|&change| change <= point) {
                    Some(due) => _ = changes.swap_remove(due),
                    None if slow => (),
                    None => return Choice::GoOn,
                }
                self.yield_to_all(task);
                Choice::Preempt
            }
        }
    }

    /// The task gets the lowest priority.
    pub(super) fn yield_to_all(&mut self, task: &task_struct) {
        if let Self::Search(search) = self {
            search.not_next(address(task));
        }
        if let Self::Pct { lowered, .. } = self {
            let task = address(task);
            lowered.retain(|&other| other != task);
            lowered.push(task);
        }
    }

    /// The task ends.
    pub(super) fn forget(&mut self, task: &task_struct) {
        if let Self::Pct { lowered, .. } = self {
            let task = address(task);
            lowered.retain(|&other| other != task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Policy, Rng};

    #[test]
    fn priorities_are_lowered_and_forgotten() {
        let me = crate::task::current();
        let this = core::ptr::from_ref(me).addr();
        let mut policy = Policy::Pct {
            rng: Rng::with_seed(1),
            how: super::How::new(1),
            changes: Vec::new(),
            lowered: vec![1, this, 2],
        };
        let lowered = |policy: &Policy| match policy {
            Policy::Pct { lowered, .. } => lowered.clone(),
            _ => unreachable!(),
        };
        policy.yield_to_all(me);
        assert_eq!(lowered(&policy), [1, 2, this]);
        assert_eq!(
            policy.next_of(3, [2, 3, this].into_iter()),
            1,
            "the only one that is not"
        );
        assert_eq!(
            policy.next_of(3, [this, 2, 1].into_iter()),
            2,
            "the first that was"
        );
        policy.forget(me);
        assert_eq!(lowered(&policy), [1, 2]);
        assert_eq!(policy.next_of(3, [2, 1, this].into_iter()), 2);
    }
}
