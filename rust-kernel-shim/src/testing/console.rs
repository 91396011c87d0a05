// SPDX-License-Identifier: GPL-2.0-only
//! The kernel log, for tests to read.

use core::sync::atomic::Ordering::Relaxed;
use machine::console;

/// Writes messages of a lower number than `level` to standard error: 0 for none, 8 for all.
/// It is 5 at first: warnings and worse. In any case all are kept in memory. Returns the
/// level before.
pub fn set_loglevel(level: u8) -> u8 {
    console::LOGLEVEL.swap(level, Relaxed)
}

/// How many lines of the log have `words` in them.
pub fn said(words: &str) -> usize {
    let log = console::log().into_iter();
    log.filter(|line| line.contains(words)).count()
}
