// SPDX-License-Identifier: GPL-2.0-only
//! Torture tests of RCU, SRCU, locks and fences: threads that run freely and use them as hard as
//! they can for some time, in random ways, while what must hold is looked at all the while.
//!
//! The scheme is that of the kernel's rcutorture and locktorture. What is tortured stands behind a
//! trait of operations, and for each there are [`Target::busted`] variants, which leave out what
//! makes it right. A test that does not catch one of them proves nothing about the real one.
//!
//! A seed repeats what each thread wants to do, not how threads interleave.

mod fence;
mod interrupt;
mod lock;
mod rcu;
mod run;

pub use run::{Options, Summary};

use run::Run;

/// The mechanism that is tortured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// RCU, with readers of each kind.
    Rcu,
    /// SRCU, whose readers sleep.
    Srcu,
    /// Fences: signallers, waiters, callbacks and readers of names.
    Fence,
    /// Spinlocks and mutexes.
    Lock,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rcu, Self::Srcu, Self::Fence, Self::Lock];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rcu => "rcu",
            Self::Srcu => "srcu",
            Self::Fence => "fence",
            Self::Lock => "lock",
        }
    }

    /// The names of the variants that are wrong on purpose, and what each leaves out.
    pub fn busted(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rcu => rcu::BUSTED_RCU,
            Self::Srcu => rcu::BUSTED_SRCU,
            Self::Fence => fence::BUSTED,
            Self::Lock => lock::BUSTED,
        }
    }
}

/// Tortures `target` for a while; `progress` is told, some times a second, for how long it has run
/// and how often the readers, holders or waiters have come round. May sleep.
///
/// With [`Options::busted`], it ends with the first failure.
pub fn torture(
    target: Target,
    options: &Options,
    progress: impl FnMut(std::time::Duration, u64),
) -> Summary {
    let run = Run::new(options);
    match target {
        Target::Rcu => rcu::rcu(&run, progress),
        Target::Srcu => rcu::srcu(&run, progress),
        Target::Fence => fence::torture(&run, progress),
        Target::Lock => lock::torture(&run, progress),
    }
    run.into_summary()
}

#[cfg(test)]
mod tests;
