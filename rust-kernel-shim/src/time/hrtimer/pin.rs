// SPDX-License-Identifier: GPL-2.0-only

//! Timers in objects that are borrowed.
//!
//! C header: none.

use super::{
    pointer, ExpiresOf, HasHrTimer, HrTimerCallback, HrTimerHandle, RawHrTimerCallback,
    UnsafeHrTimerPointer,
};
use crate::bindings;
use core::pin::Pin;

/// The borrow for which a timer was started.
pub struct PinHrTimerHandle<'a, T>
where
    T: HasHrTimer<T>,
{
    inner: Pin<&'a T>,
}

// SAFETY: See `drop()`.
unsafe impl<T> HrTimerHandle for PinHrTimerHandle<'_, T>
where
    T: HasHrTimer<T>,
{
    fn cancel(&mut self) -> bool {
        // SAFETY: We borrow the object.
        unsafe { pointer::cancel(self.inner.get_ref()) }
    }
}

impl<T> Drop for PinHrTimerHandle<'_, T>
where
    T: HasHrTimer<T>,
{
    fn drop(&mut self) {
        self.cancel();
    }
}

// SAFETY: The handle has the lifetime of the borrow.
unsafe impl<'a, T> UnsafeHrTimerPointer for Pin<&'a T>
where
    T: Send + Sync,
    T: HasHrTimer<T>,
    T: HrTimerCallback<Pointer<'a> = Self>,
{
    type TimerMode = <T as HasHrTimer<T>>::TimerMode;
    type TimerHandle = PinHrTimerHandle<'a, T>;

    unsafe fn start(self, expires: ExpiresOf<T>) -> Self::TimerHandle {
        // SAFETY: The handle is dropped, while the object is borrowed.
        unsafe { T::start(self.get_ref(), expires) };
        PinHrTimerHandle { inner: self }
    }
}

impl<'a, T> RawHrTimerCallback for Pin<&'a T>
where
    T: HasHrTimer<T>,
    T: HrTimerCallback<Pointer<'a> = Self>,
{
    type CallbackTarget<'b> = Self;

    unsafe extern "C" fn run(ptr: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // SAFETY: From C, which calls the timer of a `T`.
        let (object, context) = unsafe { pointer::in_callback::<T>(ptr) };
        // SAFETY: The handle borrows the object, and waits for us.
        let object = unsafe { &*object };
        // SAFETY: It was pinned when the timer was started.
        T::run(unsafe { Pin::new_unchecked(object) }, context).into_c()
    }
}
