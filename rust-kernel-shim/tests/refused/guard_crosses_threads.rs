// SPDX-License-Identifier: GPL-2.0-only

//! A guard stays in the thread that locked.

use kernel::sync::{rcu, SpinLock};

fn send<T: Send>(_: T) {}

fn lock(lock: &SpinLock<u32>) {
    send(lock.lock());
    send(rcu::read_lock());
}

fn main() {}
