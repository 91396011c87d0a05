// SPDX-License-Identifier: GPL-2.0-only
//! What the command says, and what becomes of it if nobody can be told.

use std::{
    fmt,
    io::{self, Write as _},
};

/// Writes to standard output; gives the exit code. Who closes it early has seen enough; if it is
/// full, that is said, and 2.
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

/// Writes a line to standard error. If that does not work there is nobody left to be told.
pub(crate) fn complain(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
