// SPDX-License-Identifier: GPL-2.0-only

//! Timers in objects with one owner.
//!
//! C header: none.

use super::{
    pointer, ExpiresOf, HasHrTimer, HrTimerCallback, HrTimerHandle, HrTimerPointer,
    RawHrTimerCallback,
};
use crate::{alloc::Allocator, bindings, prelude::*};
use core::{marker::PhantomData, ptr::NonNull};

/// The owner of a pinned [`Box`] whose timer was started.
///
/// # Invariants
///
/// `inner` is from [`Box::into_raw`].
pub struct BoxHrTimerHandle<T, A>
where
    T: HasHrTimer<T>,
    A: Allocator,
{
    inner: NonNull<T>,
    _allocator: PhantomData<A>,
}

// SAFETY: See `drop()`.
unsafe impl<T, A> HrTimerHandle for BoxHrTimerHandle<T, A>
where
    T: HasHrTimer<T>,
    A: Allocator,
{
    fn cancel(&mut self) -> bool {
        // SAFETY: We own the object.
        unsafe { pointer::cancel(self.inner.as_ptr()) }
    }
}

impl<T, A> Drop for BoxHrTimerHandle<T, A>
where
    T: HasHrTimer<T>,
    A: Allocator,
{
    fn drop(&mut self) {
        self.cancel();
        // SAFETY: By the invariant, and nobody uses it any more.
        drop(unsafe { Box::<T, A>::from_raw(self.inner.as_ptr()) });
    }
}

impl<T, A> HrTimerPointer for Pin<Box<T, A>>
where
    T: 'static,
    T: Send + Sync,
    T: HasHrTimer<T>,
    T: for<'a> HrTimerCallback<Pointer<'a> = Pin<Box<T, A>>>,
    A: Allocator,
{
    type TimerMode = <T as HasHrTimer<T>>::TimerMode;
    type TimerHandle = BoxHrTimerHandle<T, A>;

    fn start(self, expires: ExpiresOf<T>) -> Self::TimerHandle {
        // SAFETY: The object is not moved.
        let object = Box::into_raw(unsafe { Pin::into_inner_unchecked(self) });
        // SAFETY: The handle owns the object, and cancels the timer first.
        unsafe { T::start(object, expires) };
        // INVARIANT: See above.
        BoxHrTimerHandle {
            // SAFETY: A box is not null.
            inner: unsafe { NonNull::new_unchecked(object) },
            _allocator: PhantomData,
        }
    }
}

impl<T, A> RawHrTimerCallback for Pin<Box<T, A>>
where
    T: 'static,
    T: HasHrTimer<T>,
    T: for<'a> HrTimerCallback<Pointer<'a> = Pin<Box<T, A>>>,
    A: Allocator,
{
    type CallbackTarget<'a> = Pin<&'a mut T>;

    unsafe extern "C" fn run(ptr: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // SAFETY: From C, which calls the timer of a `T`.
        let (object, context) = unsafe { pointer::in_callback::<T>(ptr) };
        // SAFETY: The handle owns the object, gives it to nobody, and waits for us.
        let object = unsafe { &mut *object };
        // SAFETY: It was pinned when the timer was started.
        T::run(unsafe { Pin::new_unchecked(object) }, context).into_c()
    }
}
