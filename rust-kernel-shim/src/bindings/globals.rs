// SPDX-License-Identifier: GPL-2.0-only
//! C's global variables: one set for all threads that run freely, and one for each baton.

use super::{hrtimer_h::HrTimers, rcu::BatonGrace, timer::Timers, workqueue::Pools};
use crate::machine::baton;
use core::any::Any;

/// The processors that threads which run freely are taken to have.
const FREE_PROCESSORS: usize = 4;

/// What C keeps in global variables.
pub(crate) struct Globals {
    /// RCU callbacks; those of threads that run freely are kept elsewhere.
    pub(super) grace: BatonGrace,
    pub(super) pools: Pools,
    pub(super) timers: Timers,
    pub(super) hrtimers: HrTimers,
}

static FREE: Globals = Globals::new(FREE_PROCESSORS, true);

impl Globals {
    const fn new(processors: usize, workers_stay: bool) -> Self {
        Self {
            grace: BatonGrace::new(),
            pools: Pools::new(processors, workers_stay),
            timers: Timers::new(),
            hrtimers: HrTimers::new(),
        }
    }

    /// A fresh set, as a baton wants it: for one processor, and with workers that end when they
    /// have nothing to do, since a machine ends with its last task.
    pub(crate) fn boxed() -> baton::Above {
        baton::Above::new(Self::new(1, false))
    }
}

impl baton::Idle for Globals {
    fn idle(&self) -> bool {
        self.grace.idle()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Calls `f` with the variables of the baton that this task belongs to, if it does to one.
pub(super) fn with_baton<R>(f: impl FnOnce(&Globals) -> R) -> Option<R> {
    baton::current()?.above().downcast_ref().map(f)
}

/// Calls `f` with the variables of the machine that this task belongs to.
pub(super) fn with<R>(f: impl FnOnce(&Globals) -> R) -> R {
    let baton = baton::current();
    let own = baton
        .as_ref()
        .and_then(|baton| baton.above().downcast_ref());
    f(own.unwrap_or(&FREE))
}
