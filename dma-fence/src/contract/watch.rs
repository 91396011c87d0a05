// SPDX-License-Identifier: GPL-2.0-only
//! What happens to a machine, its memory and its modules, as the shim tells it to the checks.

use super::{freed, named, ops, pending, progress, refs};
use core::sync::atomic::{AtomicI64, Ordering::Relaxed};
use kernel::bindings::{
    debugobjects::{debug_watch, debug_watch_register},
    ktime_get_coarse,
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
    named::ended();
    progress::ended();
}

/// The time of the last look by a task that runs freely (ns).
static LOOKED: AtomicI64 = AtomicI64::new(0);

/// There is a fence since `now`.
pub(super) fn begins(now: i64) {
    debug_watch_register(&WATCH);
    if this_machine() == 0 {
        it_is(now);
    }
}

/// Looks at the clock every second: in a machine that runs freely the shim does not say that time
/// has gone on.
pub(super) fn look_at_the_clock() {
    if this_machine() != 0 {
        return;
    }
    // SAFETY: Reading the clock has no preconditions.
    it_is(unsafe { ktime_get_coarse() });
}

fn it_is(now: i64) {
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
