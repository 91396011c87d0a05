// SPDX-License-Identifier: GPL-2.0-only

//! Keeping interrupts of this CPU away.
//!
//! C header: [`include/linux/interrupt_rc.h`](srctree/include/linux/interrupt_rc.h).

use crate::{bindings, types::NotThreadSafe};

/// The knowledge that interrupts are disabled on this CPU.
///
/// # Invariants
///
/// They are, as long as it lives.
pub struct LocalInterruptDisabled(NotThreadSafe);

/// Disables interrupts on this CPU until what it returns is dropped, and all others like it. From any
/// context.
///
/// A lock that is taken with interrupts disabled is a
/// [`SpinLockIrq`](crate::sync::SpinLockIrq), which sees to that itself.
///
/// # Examples
///
/// ```
/// use kernel::{interrupt::local_interrupt_disable, prelude::*, sync::{new_spinlock_irq, SpinLockIrq}};
///
/// let pending = KBox::pin_init(new_spinlock_irq!(1), GFP_KERNEL)?;
/// let disabled = local_interrupt_disable();
/// *SpinLockIrq::lock_with(&pending, &disabled) += 1;
/// drop(disabled);
/// assert_eq!(*pending.lock(), 2);
/// # Ok::<(), Error>(())
/// ```
#[inline]
pub fn local_interrupt_disable() -> LocalInterruptDisabled {
    // SAFETY: It has no preconditions.
    unsafe { bindings::local_interrupt_disable() };
    // INVARIANT: Just disabled, until as many calls enable them.
    LocalInterruptDisabled(NotThreadSafe)
}

impl Drop for LocalInterruptDisabled {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Each comes from one `local_interrupt_disable()`.
        unsafe { bindings::local_interrupt_enable() };
    }
}

impl LocalInterruptDisabled {
    /// Says that interrupts are disabled already, and changes nothing; a debug kernel looks.
    ///
    /// # Safety
    ///
    /// They are disabled during `'a`.
    #[inline]
    #[track_caller]
    pub unsafe fn assume_disabled<'a>() -> &'a LocalInterruptDisabled {
        // SAFETY: It has no preconditions.
        unsafe { bindings::lockdep_assert_irqs_disabled() };
        // INVARIANT: The caller says so. It is never dropped.
        const { &LocalInterruptDisabled(NotThreadSafe) }
    }
}
