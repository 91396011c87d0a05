// SPDX-License-Identifier: GPL-2.0-only
//! The lock inside a spinlock in a model: `spin`'s knows no model checker.

use core::{
    marker::PhantomData,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};
use machine::{atomic::AtomicBool, task};

/// The lock is held.
pub(crate) struct Held;

/// As much of `spin`'s `SpinMutex` as a spinlock needs.
pub(crate) struct ModelLock<T, R> {
    locked: AtomicBool,
    _types: PhantomData<(T, R)>,
}

impl<T, R> ModelLock<T, R> {
    pub(crate) fn new(_: T) -> Self {
        Self {
            locked: AtomicBool::new(false),
            _types: PhantomData,
        }
    }

    pub(crate) fn lock(&self) -> Held {
        loop {
            match self.try_lock() {
                Some(held) => return held,
                None => task::relax(),
            }
        }
    }

    /// Pairs with the release in [`Self::force_unlock`].
    pub(crate) fn try_lock(&self) -> Option<Held> {
        // No exchange: to the model, its store may be the last one again and again.
        let free = self.locked.compare_exchange(false, true, Acquire, Relaxed);
        free.is_ok().then_some(Held)
    }

    /// Pairs with the acquire in [`Self::try_lock`].
    ///
    /// # Safety
    ///
    /// The thread holds the lock.
    pub(crate) unsafe fn force_unlock(&self) {
        self.locked.store(false, Release);
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locked.load(Relaxed)
    }
}
