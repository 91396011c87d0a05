// SPDX-License-Identifier: GPL-2.0-only
//! A lock that is held for a few instructions, around what is looked at all the time.
//!
//! It is taken by an exchange and released by a store. A `Mutex` needs an exchange for that as well,
//! since one may sleep for it; here a thread that finds the lock taken gives way until it is free.

use super::fork;
use core::hint;
use spin::{mutex::SpinMutex, RelaxStrategy};
use std::thread;

/// A value, and the lock under which it is used.
pub(super) type RawLock<T> = SpinMutex<T, GiveWay>;

/// While it lives, the lock is held.
pub type Guard<'a, T> = spin::mutex::SpinMutexGuard<'a, T>;

/// What a thread does that finds the lock taken.
pub(super) struct GiveWay;

impl RelaxStrategy for GiveWay {
    fn relax() {
        if fork::forked() {
            // Ending in the usual way may take the same lock.
            eprintln!("a lock is waited for after fork(), in whose child nobody releases it");
            std::process::abort();
        }
        (0..16).for_each(|_| hint::spin_loop());
        thread::yield_now();
    }
}
