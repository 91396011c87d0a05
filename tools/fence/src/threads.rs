// SPDX-License-Identifier: GPL-2.0-only
//! Whether the host has threads for the kernel's work and timers.

use std::{
    hint, io,
    sync::{Mutex, PoisonError},
    thread::{self, Builder},
};

/// As many as the kernel starts here at the same time, and some more.
const THREADS: usize = 32;

/// Twice the room of their stacks: where it gets tight nothing can be said any more.
const ROOM: usize = 2 * THREADS * (2 << 20);

/// Asks for all of them at once, and gives them back: where the kernel asks, it is too late to say
/// no.
///
/// # Errors
///
/// What the host says.
pub(crate) fn expect() -> io::Result<()> {
    // Never touched, so it costs nothing; but neither may the compiler spare it us.
    let mut room = Vec::<u8>::new();
    let reserved = room.try_reserve_exact(ROOM);
    drop(hint::black_box(room));
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
