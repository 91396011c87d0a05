// SPDX-License-Identifier: GPL-2.0-only
//! Tasks that run freely and have been blocked for too long.

use super::{describe, report, Entry, ON, QUEUES, WAITS};
use crate::{clock, task};
use core::{
    cell::Cell,
    mem::MaybeUninit,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use std::time::Duration;

crate::per_thread! {
    /// Steps of a loop that waits without sleeping.
    static SPINS: Cell<u32> = Cell::new(0);
}

/// The task begins to wait for something.
pub(super) fn does_not_spin() {
    SPINS.set(0);
}

/// How long a task that runs freely may be blocked before it is named (ns); 0 is forever. As in
/// Linux by default.
static HUNG: AtomicU64 = AtomicU64::new(120 * 1_000_000_000);

/// Sets how long a task that runs freely may be blocked before it is named (ns), 0 being forever;
/// returns what it was.
pub fn set_hung_task_timeout(ns: u64) -> u64 {
    HUNG.swap(ns, Relaxed)
}

/// True if a task that has been in a state for so long hangs, rather than having nothing to do: as in
/// Linux if nothing interrupts it, and if it waits for something that should happen.
pub(crate) fn hangs(state: char) -> bool {
    let waits = || WAITS.with(|waits| waits.iter().next().map(|entry| entry.thing.id.0));
    state == 'D' || state == 'S' && waits().is_some_and(|kind| kind != QUEUES)
}

/// What is left of the patience with a blocked task that runs freely.
pub(crate) struct Patience {
    limit: u64,
    named: bool,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self {
            limit: HUNG.load(Relaxed),
            named: false,
        }
    }

    /// True if it has come to its end, for a task that has been blocked so long (ns).
    pub(crate) fn is_over(&self, blocked: u64) -> bool {
        ON && self.limit != 0 && !self.named && blocked >= self.limit
    }

    /// `sleep`, or less if the patience ends before, or a host may not like waits of centuries.
    pub(crate) fn at_most(&self, sleep: Duration, blocked: u64) -> Duration {
        let left = match self.limit.saturating_sub(blocked) {
            left @ 1.. if ON => Duration::from_nanos(left),
            _ => Duration::MAX,
        };
        sleep.min(left).min(Duration::from_secs(3600))
    }

    /// Names the task of this thread, without locks.
    pub(crate) fn name_task(&mut self) {
        self.named = true;
        report::hung(describe(task::current()), self.limit / 1_000_000_000);
    }
}

/// A step of a loop in which a task that runs freely waits without sleeping.
pub(crate) fn spins() {
    let spins = SPINS.get().wrapping_add(1);
    SPINS.set(spins);
    if ON && spins.is_multiple_of(1024) {
        WAITS.with(|waits| {
            let Some(entry) = waits.iter().next() else {
                return;
            };
            let now = clock::host_monotonic().unsigned_abs();
            let slot = &waits.entries[waits.len.get() - 1];
            // 0 before the first look, and the greatest number once it was named.
            let since = match entry.since {
                0 => now,
                since => since,
            };
            let mut patience = Patience::new();
            if patience.is_over(now.saturating_sub(since)) {
                patience.name_task();
            }
            let since = if patience.named { u64::MAX } else { since };
            slot.set(MaybeUninit::new(Entry { since, ..entry }));
        });
    }
}
