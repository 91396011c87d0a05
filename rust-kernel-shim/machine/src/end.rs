// SPDX-License-Identifier: GPL-2.0-only
//! The end of a machine at a bug in what runs on it.
//!
//! A kernel that has found its state broken does not run on, and nothing is undone: an oops never
//! unwinds through a driver. Nor may this one. Unwinding would run destructors which rely on what
//! was just found broken, and a caller could catch the panic and go on; so this is no panic.
//!
//! What panics all the same finds nothing half done. Those are the assertions of tests and drivers
//! and of the core library, as for an index; initialisers and destructors of theirs, whose owners
//! have forgotten the value before they call them; `build_assert!`, which looks before anything is
//! made; and what the environment says wrong to exploring, before there is a machine.

use super::{
    console, expected, fork, location, task,
    vcpu::{self, Stuck},
};
use core::{fmt, panic::Location};
use std::{process, thread};

/// Says `message` and where the caller is, and ends the machine. From any context, but without a
/// lock that other machines share.
///
/// No task of a machine with a virtual CPU runs again, and [`Vcpu::run`](vcpu::Vcpu::run) fails
/// with [`Stuck::Bug`]. What runs freely is a machine with all else that does: the process aborts.
#[cold]
#[track_caller]
pub fn end(message: fmt::Arguments<'_>) -> ! {
    let at = location::culprit(Location::caller());
    let said = format!("kernel BUG at {at}: {message}");
    console::record(&said);
    vcpu::with(|vcpu| expected::is_expected(vcpu.number(), &said));
    let task = task::current();
    // Neither is what libtest captures, and it is written before `abort` loses what is not.
    console::write_line(format_args!("{said}"));
    super::oops::say();
    match vcpu::current() {
        // After fork() the thread that waits for it is in another process.
        Some(vcpu) if !fork::forked() => vcpu.give_up(task, Stuck::Bug(said)),
        _ => {
            let thread = thread::current();
            let name = thread.name().unwrap_or("without a name");
            console::write_line(format_args!("  thread {name}"));
            process::abort()
        }
    }
}
