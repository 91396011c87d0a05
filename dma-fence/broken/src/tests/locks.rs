// SPDX-License-Identifier: GPL-2.0-only
//! Locks that fences share, in the wrong order or with interrupts on.

use crate::exporter::{finish, job_with, Timeline, OPS};
use kernel::{
    bindings::{
        spin_lock, spin_lock_irqsave, spin_unlock, spin_unlock_irqrestore, synchronize_rcu,
    },
    prelude::*,
};

/// A driver takes the lock that its fences share, with interrupts on.
pub(super) fn shared_with_interrupts_on(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    // SAFETY: The timeline and its lock are ours until the fence is gone.
    unsafe {
        let lock = &raw mut (*timeline).lock;
        let fence = job_with(timeline, 1, &OPS, lock)?;
        if wrong {
            spin_lock(lock);
            spin_unlock(lock);
        } else {
            let flags = spin_lock_irqsave(lock);
            spin_unlock_irqrestore(lock, flags);
        }
        finish(timeline, [fence]);
    }
    Ok(())
}

/// The locks of two timelines are taken inside each other, and no order is said.
pub(super) fn of_two_timelines(wrong: bool) -> Result {
    let timelines = [Timeline::new()?, Timeline::new()?];
    // SAFETY: The timelines and their locks are ours.
    unsafe {
        let [first, second] = timelines.map(|timeline| &raw mut (*timeline).lock);
        let outer = spin_lock_irqsave(first);
        if !wrong {
            spin_unlock_irqrestore(first, outer);
        }
        let inner = spin_lock_irqsave(second);
        spin_unlock_irqrestore(second, inner);
        if wrong {
            spin_unlock_irqrestore(first, outer);
        }
        synchronize_rcu();
        timelines
            .into_iter()
            .for_each(|timeline| Timeline::free(timeline));
    }
    Ok(())
}
