// SPDX-License-Identifier: GPL-2.0-only
//! The kernel log in memory, and the console on standard error.

use super::clock;
use core::{
    fmt,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};
use std::{
    collections::VecDeque,
    io::{self, Write as _},
    sync::Mutex,
};

/// The capacity of the log, in lines; older ones are dropped, as in the kernel's ring.
const LOG_LINES: usize = 8192;

static LOG: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Messages of a lower number than this are written to standard error.
pub static LOGLEVEL: AtomicU8 = AtomicU8::new(5);

/// Writes a line to standard error; ignores errors, as for a console without a reader.
pub fn write_line(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a message to the log and to the console; `trace` gets each of its lines.
pub fn emit(level: u8, args: fmt::Arguments<'_>, trace: impl Fn(&str)) {
    let text = format!("{args}");
    let ns = clock::monotonic();
    for line in text.trim_end_matches('\n').split('\n') {
        let stamped = format!(
            "[{:5}.{:06}] {line}",
            ns / 1_000_000_000,
            ns % 1_000_000_000 / 1_000
        );
        if level < LOGLEVEL.load(Relaxed) {
            write_line(format_args!("{stamped}"));
        }
        keep(stamped);
        trace(line);
    }
}

fn keep(line: String) {
    let mut log = crate::lock(&LOG);
    if log.len() == LOG_LINES {
        log.pop_front();
    }
    log.push_back(line);
}

/// Adds a line to the log that is no message of the kernel.
pub fn record(line: &str) {
    keep(line.into());
}

/// The lines of the log, the oldest first, each with its time.
pub fn log() -> Vec<String> {
    let log = crate::lock(&LOG);
    log.iter().cloned().collect()
}
