// SPDX-License-Identifier: GPL-2.0-only

//! Timers of nanosecond resolution, inside the object that they are about.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h).
//!
//! An object of a type that has an [`HrTimer`] is handed over to be started
//! ([`HrTimerPointer::start`]), and what comes back is a handle: when that is
//! dropped, the timer is cancelled. When the time has come, the type's
//! [`HrTimerCallback::run`] is called in an interrupt, where nothing sleeps;
//! it says whether the timer starts again.
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     impl_has_hr_timer,
//!     prelude::*,
//!     sync::{Arc, ArcBorrow, Completion},
//!     testing::vcpu,
//!     time::{
//!         hrtimer::{
//!             HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer, HrTimerRestart,
//!             RelativeMode,
//!         },
//!         Delta, Instant, Monotonic,
//!     },
//! };
//!
//! #[pin_data]
//! struct Alarm {
//!     #[pin]
//!     timer: HrTimer<Self>,
//!     #[pin]
//!     rung: Completion,
//! }
//!
//! impl_has_hr_timer! {
//!     impl HasHrTimer<Self> for Alarm { mode: RelativeMode<Monotonic>, field: self.timer }
//! }
//!
//! impl HrTimerCallback for Alarm {
//!     type Pointer<'a> = Arc<Self>;
//!
//!     fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
//!         this.rung.complete_all();
//!         HrTimerRestart::NoRestart
//!     }
//! }
//!
//! let slept = vcpu::fifo(|| -> Result<Delta> {
//!     let alarm = Arc::pin_init(
//!         pin_init!(Alarm { timer <- HrTimer::new(), rung <- Completion::new() }),
//!         GFP_KERNEL,
//!     )?;
//!     let start = Instant::<Monotonic>::now();
//!     let _handle = alarm.clone().start(Delta::from_micros(5));
//!     alarm.rung.wait_for_completion();
//!     Ok(start.elapsed())
//! });
//! assert_eq!(slept, Ok(Ok(Delta::from_micros(5))));
//! ```

use super::{Delta, Instant};
use crate::{bindings, implement::c_synchronises, prelude::*, types::Opaque};
use core::{marker::PhantomData, ptr::NonNull};

mod handle;
mod mode;
mod pointer;

pub use handle::{
    ArcHrTimerHandle, BoxHrTimerHandle, Handle, Keep, PinHrTimerHandle, PinMutHrTimerHandle,
};
pub use mode::{
    AbsoluteHardMode, AbsoluteMode, AbsolutePinnedHardMode, AbsolutePinnedMode,
    AbsolutePinnedSoftMode, AbsoluteSoftMode, HrTimerExpires, HrTimerMode, RelativeHardMode,
    RelativeMode, RelativePinnedHardMode, RelativePinnedMode, RelativePinnedSoftMode,
    RelativeSoftMode,
};
pub use pointer::{
    HrTimerHandle, HrTimerPointer, RawHrTimerCallback, ScopedHrTimerPointer, UnsafeHrTimerPointer,
};

/// A point in time by the clock of `T`'s timer.
pub type HrTimerInstant<T> = Instant<<<T as HasHrTimer<T>>::TimerMode as HrTimerMode>::Clock>;

/// The expiry with which a timer of `T` is started.
type ExpiresOf<T> = <<T as HasHrTimer<T>>::TimerMode as HrTimerMode>::Expires;

/// The timer in an object of type `T`.
///
/// # Invariants
///
/// The C struct is initialised, and its function is that of `T`'s
/// [`HrTimerCallback::Pointer`].
#[doc(alias = "hrtimer")]
#[pin_data]
#[repr(C)]
pub struct HrTimer<T> {
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    _object: PhantomData<T>,
}

c_synchronises!(HrTimer<T>, T);

impl<T> HrTimer<T> {
    /// A timer that is stopped.
    #[doc(alias = "hrtimer_setup")]
    pub fn new() -> impl PinInit<Self>
    where
        T: HrTimerCallback,
        T: HasHrTimer<T>,
    {
        // INVARIANT: The function is that of `T`.
        pin_init!(Self {
            timer <- Opaque::ffi_init(|slot| {
                let clock = <<T::TimerMode as HrTimerMode>::Clock as super::ClockSource>::ID;
                // SAFETY: The memory is valid.
                unsafe {
                    bindings::hrtimer_setup(slot, Some(T::Pointer::run), clock, T::TimerMode::C_MODE)
                }
            }),
            _object: PhantomData,
        })
    }

    /// C's pointer.
    ///
    /// # Safety
    ///
    /// `this` points to valid memory, initialised or not.
    unsafe fn raw_get(this: *const Self) -> *mut bindings::hrtimer {
        // SAFETY: The memory is valid.
        Opaque::cast_into(unsafe { &raw const (*this).timer })
    }

    /// # Safety
    ///
    /// `this` points to a timer that is stopped and the caller's, or whose function calls this.
    unsafe fn raw_forward(this: *mut Self, now: HrTimerInstant<T>, interval: Delta) -> u64
    where
        T: HasHrTimer<T>,
    {
        // SAFETY: There is a timer.
        let timer = unsafe { Self::raw_get(this) };
        // SAFETY: Initialised by the invariant; no other thread moves it: the caller's guarantee.
        unsafe { bindings::hrtimer_forward(timer, now.as_nanos(), interval.as_nanos()) }
    }

    /// Moves the expiry past `now` by whole intervals; returns their number, 0 if it is past
    /// already.
    ///
    /// A timer's own function does this by [`HrTimerCallbackContext::forward`].
    #[doc(alias = "hrtimer_forward")]
    pub fn forward(self: Pin<&mut Self>, now: HrTimerInstant<T>, interval: Delta) -> u64
    where
        T: HasHrTimer<T>,
    {
        // SAFETY: Nothing is moved.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: The reference is exclusive.
        unsafe { Self::raw_forward(this, now, interval) }
    }

    /// As [`Self::forward`], past the present time.
    #[doc(alias = "hrtimer_forward_now")]
    pub fn forward_now(self: Pin<&mut Self>, interval: Delta) -> u64
    where
        T: HasHrTimer<T>,
    {
        self.forward(HrTimerInstant::<T>::now(), interval)
    }

    /// Returns the expiry, which another thread may be changing.
    #[doc(alias = "hrtimer_get_expires")]
    pub fn expires(&self) -> HrTimerInstant<T>
    where
        T: HasHrTimer<T>,
    {
        // SAFETY: There is a timer.
        let timer = unsafe { Self::raw_get(self) };
        // SAFETY: Initialised by the invariant.
        let expires = unsafe { bindings::hrtimer_get_expires(timer) };
        // SAFETY: C expects of a caller that starts a timer that it is not negative.
        unsafe { Instant::from_ktime(expires) }
    }
}

/// A type with a timer, which says what happens when the time has come.
pub trait HrTimerCallback {
    /// The pointers by which objects are started.
    type Pointer<'a>: RawHrTimerCallback;

    /// The timer's function; in an interrupt: does not sleep.
    fn run(
        this: <Self::Pointer<'_> as RawHrTimerCallback>::CallbackTarget<'_>,
        ctx: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart
    where
        Self: Sized,
        Self: HasHrTimer<Self>;
}

/// A type that has an [`HrTimer`] in it; see [`impl_has_hr_timer!`].
///
/// [`impl_has_hr_timer!`]: crate::impl_has_hr_timer
///
/// # Safety
///
/// All functions are about the same field.
pub unsafe trait HasHrTimer<T> {
    /// The mode of the timer.
    type TimerMode: HrTimerMode;

    /// From the object to its timer.
    ///
    /// # Safety
    ///
    /// `this` points to an object.
    unsafe fn raw_get_timer(this: *const Self) -> *const HrTimer<T>;

    /// From the timer to the object around it.
    ///
    /// # Safety
    ///
    /// `ptr` points to the timer of an object.
    unsafe fn timer_container_of(ptr: *mut HrTimer<T>) -> *mut Self
    where
        Self: Sized;

    /// C's pointer.
    ///
    /// # Safety
    ///
    /// `this` points to an object.
    unsafe fn c_timer_ptr(this: *const Self) -> *const bindings::hrtimer {
        // SAFETY: There is an object.
        let timer = unsafe { Self::raw_get_timer(this) };
        // SAFETY: Its timer is valid as well.
        unsafe { HrTimer::raw_get(timer) }
    }

    /// Starts the timer, or changes when it is due.
    ///
    /// # Safety
    ///
    /// `this` points to an object that lives until the timer has run for the last time or is
    /// cancelled.
    unsafe fn start(this: *const Self, expires: <Self::TimerMode as HrTimerMode>::Expires) {
        // SAFETY: There is an object.
        let timer = unsafe { Self::c_timer_ptr(this) }.cast_mut();
        let nanos = expires.as_nanos();
        // SAFETY: Initialised by the invariant; the caller says how long it lives.
        unsafe {
            bindings::hrtimer_start_range_ns(timer, nanos, 0, Self::TimerMode::C_MODE);
        }
    }
}

/// The result of a timer's function.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum HrTimerRestart {
    /// The timer stays stopped.
    NoRestart = bindings::hrtimer_restart_HRTIMER_NORESTART,
    /// The timer starts again, with the expiry to which the function has moved it.
    Restart = bindings::hrtimer_restart_HRTIMER_RESTART,
}

impl HrTimerRestart {
    fn into_c(self) -> bindings::hrtimer_restart {
        self as bindings::hrtimer_restart
    }
}

/// The access of a timer's function to the timer.
///
/// # Invariants
///
/// The pointer is to a timer, whose function the holder is.
pub struct HrTimerCallbackContext<'a, T: HasHrTimer<T>>(NonNull<HrTimer<T>>, PhantomData<&'a ()>);

impl<T: HasHrTimer<T>> HrTimerCallbackContext<'_, T> {
    /// # Safety
    ///
    /// `timer` points to a timer whose function is the caller, which drops the result before it
    /// returns.
    pub(crate) unsafe fn from_raw(timer: *mut HrTimer<T>) -> Self {
        // INVARIANT: The caller is the timer's function: its guarantee.
        // SAFETY: There is a timer.
        Self(unsafe { NonNull::new_unchecked(timer) }, PhantomData)
    }

    /// As [`HrTimer::forward`].
    pub fn forward(&mut self, now: HrTimerInstant<T>, interval: Delta) -> u64 {
        // SAFETY: By the invariant, the timer is valid, and the holder its function.
        unsafe { HrTimer::raw_forward(self.0.as_ptr(), now, interval) }
    }

    /// As [`HrTimer::forward_now`].
    pub fn forward_now(&mut self, duration: Delta) -> u64 {
        self.forward(HrTimerInstant::<T>::now(), duration)
    }
}

/// Says which field of a type is its [`HrTimer`], and of what mode it is.
#[macro_export]
macro_rules! impl_has_hr_timer {
    (
        impl$({$($generics:tt)*})?
            HasHrTimer<$timer_type:ty>
            for $self:ty
        {
            mode: $mode:ty,
            field: self.$field:ident $(,)?
        }
    ) => {
        // SAFETY: All functions use the same field, whose type the compiler checks.
        unsafe impl$(<$($generics)*>)? $crate::time::hrtimer::HasHrTimer<$timer_type> for $self {
            type TimerMode = $mode;

            #[inline]
            unsafe fn raw_get_timer(
                object: *const Self,
            ) -> *const $crate::time::hrtimer::HrTimer<$timer_type> {
                $crate::__own_field!(const object.$field)
            }

            #[inline]
            unsafe fn timer_container_of(
                timer: *mut $crate::time::hrtimer::HrTimer<$timer_type>,
            ) -> *mut Self {
                // SAFETY: The caller says that there is an object around.
                unsafe { $crate::container_of!(timer, $timer_type, $field) }
            }
        }
    };
}
