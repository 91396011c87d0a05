// SPDX-License-Identifier: GPL-2.0-only
//! Output that may fail: standard output and standard error.

use std::{
    fmt,
    io::{self, Write as _},
};

/// Writes to standard output; returns the exit code: 2 if it cannot be written, but 0 if its reader
/// has closed it.
#[must_use]
pub(crate) fn print(text: &[u8]) -> u8 {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format_args!("standard output: cannot be written: {error}"));
            2
        }
        _ => 0,
    }
}

/// Writes a line to standard error; if that fails there is no other place to say so.
pub(crate) fn complain(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
