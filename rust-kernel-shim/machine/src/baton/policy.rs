// SPDX-License-Identifier: GPL-2.0-only
//! Who runs next, and for how long.

use crate::task::task_struct;
use fastrand::Rng;

/// How the turn is handed on.
pub enum Policy {
    /// A task keeps the turn until it blocks or ends; the next is the one that became runnable
    /// first.
    Fifo,
    /// A task may lose the turn at any point; the next is drawn by lot, and so is whether time
    /// passes.
    Random {
        /// What is drawn from.
        rng: Rng,
        /// Points after which the machine counts as going round in circles.
        points: usize,
    },
    /// A task keeps the turn until it blocks, but for a few points that are drawn beforehand: who
    /// is there then does not go on before all others are blocked. It finds what takes a few
    /// switches at the right points and then a long time without one, as the random order
    /// hardly ever does. (PCT, probabilistic concurrency testing.)
    Starve {
        /// What is drawn from.
        rng: Rng,
        /// As for `Random`.
        points: usize,
        /// The points at which somebody loses the turn.
        changes: Vec<usize>,
        /// The addresses of the tasks that wait for all others, the least first.
        starving: Vec<usize>,
    },
}

/// What happens at a point.
pub(super) enum Choice {
    /// The task goes on.
    GoOn,
    /// Somebody is drawn to go on, maybe the same.
    Preempt,
    /// A grace period ends, or a timer becomes due, before somebody is drawn.
    PassTime,
}

/// Switches in a schedule that starves.
const CHANGES: usize = 3;

fn address(task: &task_struct) -> usize {
    core::ptr::from_ref(task).addr()
}

impl Policy {
    /// A schedule that `seed` decides; every other one starves somebody.
    pub fn explore(seed: u64, points: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        if seed % 2 == 1 {
            return Self::Random { rng, points };
        }
        // Nobody knows how long a schedule is: short ones are as likely as long ones.
        let changes = (0..=rng.usize(..CHANGES)).map(|_| {
            let longest = 1 << rng.u32(4..13);
            rng.usize(1..longest)
        });
        let changes = changes.collect();
        let starving = Vec::new();
        Self::Starve {
            rng,
            points,
            changes,
            starving,
        }
    }

    pub(super) fn preempts(&self) -> bool {
        !matches!(self, Self::Fifo)
    }

    pub(super) fn points(&self) -> usize {
        match self {
            Self::Fifo => usize::MAX,
            Self::Random { points, .. } | Self::Starve { points, .. } => *points,
        }
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
            Self::Starve { rng, starving, .. } => {
                let place = |task| starving.iter().position(|&other| other == task);
                let fed = runnable
                    .clone()
                    .filter(|&task| place(task).is_none())
                    .count();
                if fed == 0 {
                    // The one that has starved longest.
                    let longest = runnable.enumerate().min_by_key(|&(_, task)| place(task));
                    return longest.map_or(0, |(at, _)| at);
                }
                let nth = rng.usize(..fed);
                let mut fed = runnable
                    .enumerate()
                    .filter(|&(_, task)| place(task).is_none());
                fed.nth(nth).map_or(0, |(at, _)| at)
            }
        }
    }

    /// What happens at this point of `task`, after so many points.
    pub(super) fn at_point(&mut self, point: usize, task: &task_struct) -> Choice {
        match self {
            Self::Fifo => Choice::GoOn,
            // Most switches change nothing; a bug needs a few at the right points, so they are
            // frequent. That time passes while somebody could run is rare in life, too.
            Self::Random { rng, .. } => match rng.u8(..64) {
                0 => Choice::PassTime,
                1..=16 => Choice::Preempt,
                _ => Choice::GoOn,
            },
            Self::Starve { changes, .. } => {
                // Not every number is that of a point.
                match changes.iter().position(|&change| change <= point) {
                    Some(due) => changes.swap_remove(due),
                    None => return Choice::GoOn,
                };
                self.gives_way(task);
                Choice::Preempt
            }
        }
    }

    /// The task lets all others go first.
    pub(super) fn gives_way(&mut self, task: &task_struct) {
        if let Self::Starve { starving, .. } = self {
            let task = address(task);
            starving.retain(|&other| other != task);
            starving.push(task);
        }
    }

    /// The task ends.
    pub(super) fn forget(&mut self, task: &task_struct) {
        if let Self::Starve { starving, .. } = self {
            let task = address(task);
            starving.retain(|&other| other != task);
        }
    }
}
