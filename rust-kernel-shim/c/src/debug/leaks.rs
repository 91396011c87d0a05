// SPDX-License-Identifier: GPL-2.0-only
//! Memory that was left behind, by where it was allocated.

use super::debugobjects::{blocks, describe};
use core::{
    fmt::Write as _,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use machine::{barrier, counted::Counted, location::Origin, report_log::Text};

/// Places that are named.
const PLACES: usize = 10;

/// Prints where the blocks were allocated that a machine has left behind; returns how many these
/// are. From any context.
pub fn debug_show_leaks(machine: u64) -> usize {
    show(machine, "memory left behind:", |_| true)
}

/// Shows at the exit of the process what threads that run freely have left behind then. Nothing
/// fails by that: a process may own memory as long as it runs, and other threads still run.
#[inline]
pub(crate) fn at_exit(machine: u64) {
    if machine == 0 && !FREELY.swap(true, Relaxed) {
        machine::at_exit(show_at_exit);
    }
}

/// True once a thread that runs freely has done something that may leave something behind.
static FREELY: AtomicBool = AtomicBool::new(false);

extern "C" fn show_at_exit() {
    // What waits for a grace period is not left behind, unless that is held up; nor is what another
    // thread is about to free.
    let mut tries = 0;
    while tries < 2000 && (crate::rcu_callbacks_pending() || any_left(0, Origin::is_driver)) {
        barrier::back_off(&mut tries);
    }
    if !crate::rcu_callbacks_pending() {
        show(0, "memory left behind at exit:", Origin::is_driver);
    }
    crate::rcu_show_left(0, "RCU callbacks left behind at exit:");
}

fn any_left(machine: u64, f: impl Fn(&Origin) -> bool) -> bool {
    let mut left = blocks(|_, block| {
        let left = block.machine == machine && f(&block.allocated);
        left.then_some(())
    });
    left.next().is_some()
}

fn show(machine: u64, heading: &str, f: impl Fn(&Origin) -> bool) -> usize {
    let mut left = Counted::default();
    // Described later: `describe()` may take a lock of the blocks, which is held here.
    let blocks = blocks(|addr, block| {
        if block.machine != machine || !f(&block.allocated) {
            return None;
        }
        let mut text = Text::new();
        let (size, at) = (block.size, &block.allocated);
        // Writing to a string does not fail.
        let _ = write!(text, "of {size} bytes allocated at {at}");
        Some((addr, size, text))
    });
    for (addr, size, mut text) in blocks {
        describe(addr, size, &mut text);
        left.add(text);
    }
    let total = left.total();
    if total != 0 {
        left.print(heading, PLACES);
    }
    total
}
