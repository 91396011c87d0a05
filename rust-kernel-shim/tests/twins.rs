// SPDX-License-Identifier: GPL-2.0-only
//! Memory that is used as it must not be, and the twin that uses it well: `scripts/asan` looks whether
//! the sanitizers still see the one, through the locks and the allocator that are here, and not the other.
//!
//! Each test returns in either case; without a sanitizer there is nothing to see.

use core::cell::UnsafeCell;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{Arc, SpinLock},
};
use std::thread;

/// A number, and a lock that is to be held where that is used.
#[pin_data]
struct Counter {
    #[pin]
    lock: SpinLock<()>,
    number: UnsafeCell<u32>,
}

// SAFETY: The number is used under the lock, but for the test that must not.
unsafe impl Sync for Counter {}

/// Two threads count.
fn count(locks: bool) {
    let counter = pin_init!(Counter {
        lock <- new_spinlock!((), "Counter::lock"),
        number: UnsafeCell::new(0),
    });
    let counter = Arc::pin_init(counter, GFP_KERNEL).unwrap();
    let own = counter.clone();
    let add = move || {
        for _ in 0..1000 {
            let guard = locks.then(|| counter.lock.lock());
            // SAFETY: The lock is held. If it is not, the numbers of a test are wrong.
            unsafe { *counter.number.get() += 1 };
            drop(guard);
        }
    };
    let other = thread::spawn(add.clone());
    add();
    other.join().unwrap();
    // SAFETY: The other thread has ended.
    let number = unsafe { *own.number.get() };
    assert!(!locks || number == 2000);
}

#[test]
fn a_lock_orders_two_threads() {
    count(true);
}

#[test]
#[ignore = "wrong on purpose: run by scripts/asan"]
fn two_threads_race() {
    count(false);
}

/// Reads a block before it is freed, or after.
fn read(late: bool) {
    let block = KBox::into_raw(KBox::new(1u8, GFP_KERNEL).unwrap());
    // SAFETY: From `into_raw()`. A block that was freed is another's, at worst.
    unsafe {
        let early = block.read_volatile();
        drop(KBox::from_raw(block));
        let value = if late { block.read_volatile() } else { early };
        std::hint::black_box(value);
    }
}

#[test]
fn a_block_is_read_before_it_is_freed() {
    read(false);
}

#[test]
#[ignore = "wrong on purpose: run by scripts/asan"]
fn a_block_is_read_after_it_was_freed() {
    read(true);
}
