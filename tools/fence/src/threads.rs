// SPDX-License-Identifier: GPL-2.0-only
//! A test whether the host has threads for the kernel's work and timers.

use std::{
    hint, io,
    sync::{Mutex, PoisonError},
    thread::{self, Builder},
};

/// More than the kernel has here at any time.
const THREADS: usize = 32;

/// Twice the size of their stacks: with less than that even a message may find no memory.
const STACKS: usize = 2 * THREADS * (2 << 20);

/// Tries whether the host can run `THREADS` threads at once. Asked early, because it is fatal if
/// the kernel cannot start one later.
///
/// # Errors
///
/// The host's.
pub(crate) fn expect() -> io::Result<()> {
    // Never touched, so it costs nothing; the black box keeps the compiler from removing it.
    let mut stacks = Vec::<u8>::new();
    let reserved = stacks.try_reserve_exact(STACKS);
    drop(hint::black_box(stacks));
    if reserved.is_err() {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let hold = Mutex::new(());
    thread::scope(|scope| {
        let _held = hold.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..THREADS {
            let wait = || drop(hold.lock());
            Builder::new().spawn_scoped(scope, wait)?;
        }
        Ok(())
    })
}
