// SPDX-License-Identifier: GPL-2.0-only

//! Timers in objects that are borrowed to be changed.
//!
//! C header: none.

use super::{
    pointer, ExpiresOf, HasHrTimer, HrTimerCallback, HrTimerHandle, RawHrTimerCallback,
    UnsafeHrTimerPointer,
};
use crate::bindings;
use core::{marker::PhantomData, pin::Pin, ptr::NonNull};

/// The borrow for which a timer was started; what is borrowed is the
/// function's to change.
///
/// # Invariants
///
/// `inner` is from a borrow of lifetime `'a`.
pub struct PinMutHrTimerHandle<'a, T>
where
    T: HasHrTimer<T>,
{
    inner: NonNull<T>,
    _borrow: PhantomData<&'a mut T>,
}

// SAFETY: See `drop()`.
unsafe impl<T> HrTimerHandle for PinMutHrTimerHandle<'_, T>
where
    T: HasHrTimer<T>,
{
    fn cancel(&mut self) -> bool {
        // SAFETY: We borrow the object, by the invariant.
        unsafe { pointer::cancel(self.inner.as_ptr()) }
    }
}

impl<T> Drop for PinMutHrTimerHandle<'_, T>
where
    T: HasHrTimer<T>,
{
    fn drop(&mut self) {
        self.cancel();
    }
}

// SAFETY: The handle has the lifetime of the borrow.
unsafe impl<'a, T> UnsafeHrTimerPointer for Pin<&'a mut T>
where
    T: Send + Sync,
    T: HasHrTimer<T>,
    T: HrTimerCallback<Pointer<'a> = Self>,
{
    type TimerMode = <T as HasHrTimer<T>>::TimerMode;
    type TimerHandle = PinMutHrTimerHandle<'a, T>;

    unsafe fn start(self, expires: ExpiresOf<T>) -> Self::TimerHandle {
        // SAFETY: The object is not moved.
        let inner = NonNull::from(unsafe { self.get_unchecked_mut() });
        // SAFETY: The handle is dropped, while the object is borrowed.
        unsafe { T::start(inner.as_ptr(), expires) };
        // INVARIANT: See above.
        PinMutHrTimerHandle {
            inner,
            _borrow: PhantomData,
        }
    }
}

impl<'a, T> RawHrTimerCallback for Pin<&'a mut T>
where
    T: HasHrTimer<T>,
    T: HrTimerCallback<Pointer<'a> = Self>,
{
    type CallbackTarget<'b> = Self;

    unsafe extern "C" fn run(ptr: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // SAFETY: From C, which calls the timer of a `T`.
        let (object, context) = unsafe { pointer::in_callback::<T>(ptr) };
        // SAFETY: The handle borrows the object, gives it to nobody, and waits for us.
        let object = unsafe { &mut *object };
        // SAFETY: It was pinned when the timer was started.
        T::run(unsafe { Pin::new_unchecked(object) }, context).into_c()
    }
}
