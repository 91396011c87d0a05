// SPDX-License-Identifier: GPL-2.0-only

//! What a pointer must be able to do so that a timer can be started by it.
//!
//! C header: none.

use super::{HasHrTimer, HrTimer, HrTimerCallbackContext, HrTimerMode};
use crate::bindings;

/// A pointer by which the timer of an object is started.
pub trait HrTimerPointer: Sync + Sized {
    /// The mode of the timer.
    type TimerMode: HrTimerMode;

    /// The handle that cancels the timer when it is dropped. The object lives as long as this.
    type TimerHandle: HrTimerHandle;

    /// Starts the timer, or changes when it is due.
    fn start(self, expires: <Self::TimerMode as HrTimerMode>::Expires) -> Self::TimerHandle;
}

/// As [`HrTimerPointer`], for an object that may die before a handle that is forgotten.
///
/// # Safety
///
/// The object outlives the handles.
pub unsafe trait UnsafeHrTimerPointer: Sync + Sized {
    /// The mode of the timer.
    type TimerMode: HrTimerMode;

    /// The handle that cancels the timer when it is dropped.
    type TimerHandle: HrTimerHandle;

    /// Starts the timer, or changes when it is due.
    ///
    /// # Safety
    ///
    /// The handle is dropped.
    unsafe fn start(self, expires: <Self::TimerMode as HrTimerMode>::Expires) -> Self::TimerHandle;
}

/// A pointer by which a timer can be started for the time of a function.
///
/// # Safety
///
/// When `start_scoped` returns, the timer is stopped, and its function does not run.
pub unsafe trait ScopedHrTimerPointer {
    /// The mode of the timer.
    type TimerMode: HrTimerMode;

    /// Starts the timer, calls `f`, and cancels the timer.
    fn start_scoped<T, F>(self, expires: <Self::TimerMode as HrTimerMode>::Expires, f: F) -> T
    where
        F: FnOnce() -> T;
}

// SAFETY: The handle is dropped, and that cancels the timer.
unsafe impl<P> ScopedHrTimerPointer for P
where
    P: UnsafeHrTimerPointer,
{
    type TimerMode = P::TimerMode;

    fn start_scoped<T, F>(self, expires: <Self::TimerMode as HrTimerMode>::Expires, f: F) -> T
    where
        F: FnOnce() -> T,
    {
        // SAFETY: The handle is this function's own, which drops it.
        let _handle = unsafe { self.start(expires) };
        f()
    }
}

/// A pointer that C's callback can be turned into.
pub trait RawHrTimerCallback {
    /// The pointer that the timer's function gets.
    type CallbackTarget<'a>;

    /// The function that C calls.
    ///
    /// # Safety
    ///
    /// For C, with a timer that was started by such a pointer.
    unsafe extern "C" fn run(this: *mut bindings::hrtimer) -> bindings::hrtimer_restart;
}

/// A handle that cancels a timer when it is dropped.
///
/// # Safety
///
/// When it has been dropped, the timer is stopped and its function not running.
pub unsafe trait HrTimerHandle {
    /// Stops the timer, and waits until its function has returned; true if it was active.
    #[doc(alias = "hrtimer_cancel")]
    fn cancel(&mut self) -> bool;
}

/// The object around C's timer, and what its function may do.
///
/// # Safety
///
/// `timer` is that of a `T`, and the caller its function, which drops the result before it returns.
pub(super) unsafe fn in_callback<'a, T: HasHrTimer<T>>(
    timer: *mut bindings::hrtimer,
) -> (*mut T, HrTimerCallbackContext<'a, T>) {
    // CAST: `HrTimer` is `repr(C)` and starts with C's.
    let timer = timer.cast::<HrTimer<T>>();
    // SAFETY: There is an object around.
    let object = unsafe { T::timer_container_of(timer) };
    // SAFETY: The caller says that it is the timer's function, and drops the context.
    (object, unsafe { HrTimerCallbackContext::from_raw(timer) })
}
