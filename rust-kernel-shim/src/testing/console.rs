// SPDX-License-Identifier: GPL-2.0-only
//! The kernel log, for tests to read.

use core::sync::atomic::Ordering::Relaxed;
use machine::console;

/// Writes messages below `level` to standard error, from 0 for none to 8 for all; 5, for warnings
/// and worse, at first. The log has them all. Returns the old level.
pub fn set_loglevel(level: u8) -> u8 {
    console::LOGLEVEL.swap(level, Relaxed)
}

/// Returns the number of lines of the log that contain `words`.
pub fn said(words: &str) -> usize {
    let log = console::log().into_iter();
    log.filter(|line| line.contains(words)).count()
}

/// Calls `f` with each line of the log, the oldest first, without its time.
pub fn lines(mut f: impl FnMut(&str)) {
    for line in console::log() {
        f(line.split_once("] ").map_or(&*line, |(_time, text)| text));
    }
}
