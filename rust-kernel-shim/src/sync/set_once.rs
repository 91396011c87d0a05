// SPDX-License-Identifier: GPL-2.0-only

//! A place that is filled at most once.
//!
//! C header: none.

use super::atomic::{Acquire, Atomic, Relaxed, Release};
use core::{cell::UnsafeCell, mem::MaybeUninit};

/// The slot is empty.
const EMPTY: u32 = 0;
/// One thread writes the value.
const FILLING: u32 = 1;
/// The value is initialised, and does not change.
const FULL: u32 = 2;

/// A slot that is filled at most once.
///
/// # Invariants
///
/// - `state` goes from empty to filling to full, and no other way.
/// - Only the thread that set it to filling touches `value` until it is full.
/// - Once full, `value` is initialised and does not change.
///
/// # Examples
///
/// ```
/// use kernel::sync::SetOnce;
///
/// let place = SetOnce::new();
/// assert_eq!(place.as_ref(), None);
/// assert!(place.populate(1));
/// assert!(!place.populate(2));
/// assert_eq!(place.copy(), Some(1));
/// ```
pub struct SetOnce<T> {
    state: Atomic<u32>,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> SetOnce<T> {
    machine::const_fn! {
        /// Returns an empty slot.
        pub fn new() -> Self {
            // INVARIANT: It starts empty.
            SetOnce {
                state: Atomic::new(EMPTY),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
    }

    /// Returns the value, if there is one.
    pub fn as_ref(&self) -> Option<&T> {
        // Acquire: pairs with the release in `populate()`, and so sees the value.
        if self.state.load(Acquire) != FULL {
            return None;
        }
        let value = self.value.get();
        // SAFETY: By the invariant it is initialised and does not change.
        Some(unsafe { (*value).assume_init_ref() })
    }

    /// Stores `value` unless the slot is full, or being filled; returns whether it did.
    pub fn populate(&self, value: T) -> bool {
        // Relaxed: nothing is read that another thread has written.
        if self.state.cmpxchg(EMPTY, FILLING, Relaxed).is_err() {
            return false;
        }
        let place = self.value.get();
        // SAFETY: By the invariant only this thread touches it.
        unsafe { (*place).write(value) };
        // Release: pairs with the acquire in `as_ref()`.
        self.state.store(FULL, Release);
        true
    }

    /// Returns a copy of the value, if there is one.
    pub fn copy(&self) -> Option<T>
    where
        T: Copy,
    {
        self.as_ref().copied()
    }
}

impl<T> Drop for SetOnce<T> {
    fn drop(&mut self) {
        if self.state.load(Relaxed) == FULL {
            // SAFETY: By the invariant it is initialised, and not used again.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

// SAFETY: The place owns its value.
unsafe impl<T: Send> Send for SetOnce<T> {}

// SAFETY: Sharing the place shares the value, and may send it there.
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{prelude::*, sync::Arc};

    #[test]
    fn keeps_the_first_value_and_drops_it() -> Result {
        let value = Arc::new(1, GFP_KERNEL)?;
        let place = SetOnce::new();
        assert!(place.as_ref().is_none());
        assert!(place.populate(value.clone()));
        assert!(!place.populate(value.clone()));
        assert_eq!(value.references(), 2);
        assert!(place.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &value)));
        drop(place);
        assert_eq!(value.references(), 1);
        Ok(())
    }
}
