// SPDX-License-Identifier: GPL-2.0-only
//! Memory that was left behind, by where it was allocated.

use super::debugobjects::{describe, BLOCKS};
use core::fmt::Write as _;
use machine::{counted::Counted, location::Origin, report_log::Text, task};

/// Places that are named.
const PLACES: usize = 10;

/// Prints where the blocks were allocated that a machine has left behind; returns how many these
/// are. From any context.
pub fn debug_show_leaks(machine: u64) -> usize {
    show(machine, "memory left behind:", |_| true)
}

/// Shows at the exit of the process what threads that run freely have left behind then. Nothing
/// fails by that: a process may own memory as long as it runs, and other threads still run.
#[cold]
pub(super) fn show_at_exit() {
    machine::at_exit(at_exit);
}

extern "C" fn at_exit() {
    // What waits for a grace period is not left behind.
    for _ in 0..100 {
        if !crate::rcu_callbacks_pending() {
            show(0, "memory left behind at exit:", Origin::is_driver);
            return;
        }
        task::relax();
    }
}

fn show(machine: u64, heading: &str, f: impl Fn(&Origin) -> bool) -> usize {
    let mut left = Counted::default();
    // Described later: `describe()` may take the lock of BLOCKS, which is held here.
    let blocks = BLOCKS.filter_map(|addr, block| {
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
