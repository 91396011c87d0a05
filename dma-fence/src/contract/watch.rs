// SPDX-License-Identifier: GPL-2.0-only
//! What happens to a machine, its memory and its modules, as the shim tells it to the checks.

use super::{freed, named, ops, pending, points, progress, refs};
use core::{
    cell::Cell,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};
use kernel::bindings::{
    debugobjects::{debug_watch, debug_watch_register},
    ktime_get_coarse, per_thread,
    rule::this_machine,
};

static WATCH: debug_watch = debug_watch {
    time_passed: pending::time_passed,
    module_gone: ops::module_gone,
    freeing: freed::freeing,
    ended,
    left: refs::left,
    describe: refs::describe,
    owner: pending::owner,
};

/// The machine ends.
fn ended(blocked: usize) {
    pending::ended(blocked);
    points::ended(this_machine());
    named::ended();
    progress::ended();
}

/// The time of the last look by a task that runs freely (ns).
static LOOKED: AtomicI64 = AtomicI64::new(0);

/// What has to happen on a thread before that looks at the clock.
const EVENTS: u32 = 64;

per_thread! {
    /// What is still to happen before this thread looks at the clock.
    static LEFT: Cell<u32> = Cell::new(0);
}

/// There is a fence.
pub(super) fn begins() {
    debug_watch_register(&WATCH);
    something_happens();
}

/// Looks at the clock now and then, and every second for what is overdue: in a machine that runs freely the
/// shim does not say that time has gone on.
#[inline]
pub(super) fn something_happens() {
    match LEFT.get().checked_sub(1) {
        Some(left) => LEFT.set(left),
        None => look_at_the_clock(),
    }
}

#[cold]
#[inline(never)]
fn look_at_the_clock() {
    LEFT.set(EVENTS - 1);
    if this_machine() != 0 {
        return;
    }
    // SAFETY: Reading the clock has no preconditions.
    let now = unsafe { ktime_get_coarse() };
    let before = LOOKED.load(Relaxed);
    let due = now - before >= 1_000_000_000;
    if due
        && LOOKED
            .compare_exchange(before, now, Relaxed, Relaxed)
            .is_ok()
    {
        pending::time_passed();
    }
}
