// SPDX-License-Identifier: GPL-2.0-only
//! Who runs next, and for how long.

use fastrand::Rng;

/// How the turn is handed on.
pub(crate) enum Policy {
    /// A task keeps the turn until it blocks or ends; the next is the one that became runnable
    /// first.
    Fifo,
    /// A task may lose the turn at any point; the next is drawn by lot, and so is whether time
    /// passes.
    Random {
        rng: Rng,
        /// Points after which the machine counts as going round in circles.
        points: usize,
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

impl Policy {
    /// A schedule that `seed` decides.
    pub(crate) fn random(seed: u64, points: usize) -> Self {
        Self::Random {
            rng: Rng::with_seed(seed),
            points,
        }
    }

    pub(super) fn preempts(&self) -> bool {
        matches!(self, Self::Random { .. })
    }

    pub(super) fn points(&self) -> usize {
        match self {
            Self::Fifo => usize::MAX,
            Self::Random { points, .. } => *points,
        }
    }

    /// Which of `len` runnable tasks is next; 0 is the one that has waited longest.
    pub(super) fn next_of(&mut self, len: usize) -> usize {
        match self {
            Self::Fifo => 0,
            Self::Random { rng, .. } => rng.usize(..len),
        }
    }

    pub(super) fn at_point(&mut self) -> Choice {
        match self {
            Self::Fifo => Choice::GoOn,
            // Most switches change nothing; a bug needs a few at the right points, so they are
            // frequent. That time passes while somebody could run is rare in life, too.
            Self::Random { rng, .. } => match rng.u8(..64) {
                0 => Choice::PassTime,
                1..=16 => Choice::Preempt,
                _ => Choice::GoOn,
            },
        }
    }
}
