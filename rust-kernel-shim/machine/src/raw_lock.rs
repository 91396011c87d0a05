// SPDX-License-Identifier: GPL-2.0-only
//! A lock that is held for a few instructions, around what is looked at all the time.
//!
//! It is taken by an exchange and released by a store. A `Mutex` needs an exchange for that as well,
//! since one may sleep for it; here a thread that finds the lock taken gives way until it is free.

use super::fork;
use core::{
    cell::UnsafeCell,
    hint,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use std::thread;

/// Looks at a lock that is taken before a thread gives way.
const LOOKS: usize = 64;

/// A value, and the lock under which it is used.
pub(super) struct RawLock<T> {
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: The value is used by one thread at a time, which the lock orders.
unsafe impl<T: Send> Sync for RawLock<T> {}

/// While it lives, the lock is held; it stays with its thread.
pub(super) struct Guard<'a, T>(&'a RawLock<T>, PhantomData<*const ()>);

impl<T> RawLock<T> {
    pub(super) const fn new(value: T) -> Self {
        Self {
            locked: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock. Not by a thread that has it.
    #[inline]
    pub(super) fn lock(&self) -> Guard<'_, T> {
        // Pairs with the `Release` of who had it before.
        if self.locked.swap(true, Acquire) {
            self.wait();
        }
        Guard(self, PhantomData)
    }

    #[cfg(test)]
    pub(super) fn is_locked(&self) -> bool {
        self.locked.load(Relaxed)
    }

    #[cold]
    fn wait(&self) {
        let mut looks = 0;
        // Pairs as above.
        while self.locked.load(Relaxed) || self.locked.swap(true, Acquire) {
            looks += 1;
            match looks % LOOKS {
                0 if fork::forked() => {
                    // Ending in the usual way may take the same lock.
                    eprintln!(
                        "a lock is waited for after fork(), in whose child nobody releases it"
                    );
                    std::process::abort();
                }
                0 => thread::yield_now(),
                _ => hint::spin_loop(),
            }
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: The lock is held, and this is the only guard.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Pairs with the `Acquire` of who takes it next.
        self.0.locked.store(false, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_has_it_at_a_time() {
        static COUNT: RawLock<usize> = RawLock::new(0);
        let count = || {
            for _ in 0..1000 {
                let mut count = COUNT.lock();
                let before = *count;
                thread::yield_now();
                *count = before + 1;
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(count);
            }
        });
        assert_eq!(*COUNT.lock(), 4000);
    }
}
