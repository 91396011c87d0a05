// SPDX-License-Identifier: GPL-2.0-only

//! Locks whose owner does not sleep.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h).

use super::{Guard, Lock};
use crate::{implement::lock_backend, interrupt::LocalInterruptDisabled};

/// Initialises a [`SpinLock`](crate::sync::SpinLock); its name is the literal, or file and line.
#[macro_export]
macro_rules! new_spinlock {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::SpinLock::new(
            $inner,
            $crate::optional_name!($($name)?),
            $crate::static_lock_class!(),
        )
    };
}
pub use new_spinlock;

/// As [`new_spinlock!`](crate::new_spinlock), of a
/// [`SpinLockIrq`](crate::sync::SpinLockIrq).
#[macro_export]
macro_rules! new_spinlock_irq {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::SpinLockIrq::new(
            $inner,
            $crate::optional_name!($($name)?),
            $crate::static_lock_class!(),
        )
    };
}
pub use new_spinlock_irq;

/// A lock whose owner does not sleep.
///
/// Not for what an interrupt handler locks as well; see [`SpinLockIrq`].
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::{new_spinlock, SpinLock}};
///
/// #[pin_data]
/// struct Ring {
///     #[pin]
///     pending: SpinLock<KVec<u64>>,
/// }
///
/// let ring = KBox::pin_init(
///     pin_init!(Ring { pending <- new_spinlock!(KVec::new(), "Ring::pending") }),
///     GFP_KERNEL,
/// )?;
/// ring.pending.lock().push(1, GFP_ATOMIC)?;
/// assert_eq!(*ring.pending.lock(), [1]);
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "spinlock_t")]
pub type SpinLock<T> = Lock<T, SpinLockBackend>;

/// The guard of a [`SpinLock`].
pub type SpinLockGuard<'a, T> = Guard<'a, T, SpinLockBackend>;

/// A lock whose owner neither sleeps nor is interrupted.
pub type SpinLockIrq<T> = Lock<T, SpinLockIrqBackend>;

/// The guard of a [`SpinLockIrq`].
pub type SpinLockIrqGuard<'a, T> = Guard<'a, T, SpinLockIrqBackend>;

lock_backend!(
    /// The kind of a [`SpinLock`].
    SpinLockBackend, spinlock_t:
    __spin_lock_init, spin_lock, spin_trylock, spin_unlock, spin_assert_is_held
);

lock_backend!(
    /// The kind of a [`SpinLockIrq`].
    SpinLockIrqBackend, spinlock_t:
    __spin_lock_init, spin_lock_irq_disable, spin_trylock_irq_disable, spin_unlock_irq_enable,
    spin_assert_is_held
);

impl<T: ?Sized> SpinLockIrq<T> {
    /// As a lock that leaves interrupts alone.
    #[inline]
    fn in_interrupt<'a>(&'a self, _: &'a LocalInterruptDisabled) -> &'a SpinLock<T> {
        let this: *const Self = self;
        // SAFETY: The two differ in a type that has no value in them. CAST: So they are laid out alike.
        unsafe { &*(this as *const SpinLock<T>) }
    }

    /// Waits for the lock where interrupts are disabled already.
    #[inline]
    #[track_caller]
    pub fn lock_with<'a>(&'a self, context: &'a LocalInterruptDisabled) -> SpinLockGuard<'a, T> {
        self.in_interrupt(context).lock()
    }

    /// Takes the lock if it is free, where interrupts are disabled already.
    #[must_use = "the lock is released at once if the guard is dropped"]
    #[inline]
    pub fn try_lock_with<'a>(
        &'a self,
        context: &'a LocalInterruptDisabled,
    ) -> Option<SpinLockGuard<'a, T>> {
        self.in_interrupt(context).try_lock()
    }
}
