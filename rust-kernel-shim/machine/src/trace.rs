// SPDX-License-Identifier: GPL-2.0-only
//! The memory of the trace buffer.

use super::{clock, task};
use core::fmt;
use std::{collections::VecDeque, sync::Mutex};

/// The capacity, in events; older ones are dropped.
const EVENTS: usize = 16384;

struct Buffer {
    lines: VecDeque<String>,
    lost: usize,
}

static BUFFER: Mutex<Buffer> = Mutex::new(Buffer {
    lines: VecDeque::new(),
    lost: 0,
});

/// Adds an event of the task that runs.
pub fn record(name: &str, print: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result) {
    let t = task::current();
    let ns = clock::monotonic();
    let (s, us) = (ns / 1_000_000_000, ns % 1_000_000_000 / 1_000);
    let mut line = format!("{}-{} {s}.{us:06}: {name}: ", t.comm(), t.pid);
    // Writing to a string does not fail.
    let _ = print(&mut line);
    let mut buffer = crate::lock(&BUFFER);
    if buffer.lines.len() == EVENTS {
        buffer.lines.pop_front();
        buffer.lost += 1;
    }
    buffer.lines.push_back(line);
}

/// Takes all events out, the oldest first, and the number of those that were lost before.
pub fn take() -> (Vec<String>, usize) {
    let mut buffer = crate::lock(&BUFFER);
    let lost = core::mem::take(&mut buffer.lost);
    (buffer.lines.drain(..).collect(), lost)
}
