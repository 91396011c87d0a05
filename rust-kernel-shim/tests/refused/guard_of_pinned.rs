// SPDX-License-Identifier: GPL-2.0-only

//! What a lock pins cannot be replaced through its guard.

use core::marker::PhantomPinned;
use kernel::sync::SpinLock;

fn replace(lock: &SpinLock<PhantomPinned>) {
    *lock.lock() = PhantomPinned;
}

fn main() {}
