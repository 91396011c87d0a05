// SPDX-License-Identifier: GPL-2.0-only

//! Timers in objects with several owners.
//!
//! C header: none.

use super::{
    pointer, ExpiresOf, HasHrTimer, HrTimerCallback, HrTimerHandle, HrTimerPointer,
    RawHrTimerCallback,
};
use crate::{
    bindings,
    sync::{Arc, ArcBorrow},
};

/// The owner for whom the timer of an [`Arc`] was started.
pub struct ArcHrTimerHandle<T>
where
    T: HasHrTimer<T>,
{
    inner: Arc<T>,
}

// SAFETY: See `drop()`.
unsafe impl<T> HrTimerHandle for ArcHrTimerHandle<T>
where
    T: HasHrTimer<T>,
{
    fn cancel(&mut self) -> bool {
        // SAFETY: We own the object.
        unsafe { pointer::cancel(Arc::as_ptr(&self.inner)) }
    }
}

impl<T> Drop for ArcHrTimerHandle<T>
where
    T: HasHrTimer<T>,
{
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<T> HrTimerPointer for Arc<T>
where
    T: 'static,
    T: Send + Sync,
    T: HasHrTimer<T>,
    T: for<'a> HrTimerCallback<Pointer<'a> = Self>,
{
    type TimerMode = <T as HasHrTimer<T>>::TimerMode;
    type TimerHandle = ArcHrTimerHandle<T>;

    fn start(self, expires: ExpiresOf<T>) -> ArcHrTimerHandle<T> {
        // SAFETY: The handle owns the object, and cancels the timer first.
        unsafe { T::start(Arc::as_ptr(&self), expires) };
        ArcHrTimerHandle { inner: self }
    }
}

impl<T> RawHrTimerCallback for Arc<T>
where
    T: 'static,
    T: HasHrTimer<T>,
    T: for<'a> HrTimerCallback<Pointer<'a> = Self>,
{
    type CallbackTarget<'a> = ArcBorrow<'a, T>;

    unsafe extern "C" fn run(ptr: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // SAFETY: From C, which calls the timer of a `T`.
        let (object, context) = unsafe { pointer::in_callback::<T>(ptr) };
        // SAFETY: The handle owns the object, and waits for us.
        T::run(unsafe { ArcBorrow::from_raw(object) }, context).into_c()
    }
}
