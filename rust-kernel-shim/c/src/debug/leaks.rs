// SPDX-License-Identifier: GPL-2.0-only
//! Memory that was left behind, by where it was allocated.

use super::debugobjects::{describe, BLOCKS};
use core::fmt::Write as _;
use machine::{counted::Counted, report_log::Text};

/// Places that are named.
const PLACES: usize = 10;

/// Prints where the blocks were allocated that a machine has left behind; returns how many these
/// are. From any context.
pub fn debug_show_leaks(machine: u64) -> usize {
    let mut left = Counted::default();
    // Described later: `describe()` may take the lock of BLOCKS, which is held here.
    let blocks = BLOCKS.filter_map(|addr, block| {
        if block.machine != machine {
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
        left.print("memory left behind:", PLACES);
    }
    total
}
