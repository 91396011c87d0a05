// SPDX-License-Identifier: GPL-2.0-only

//! Pointers by which timers are started, and the handles that hold the object meanwhile.
//!
//! C header: none.

use super::{
    pointer, ExpiresOf, HasHrTimer, HrTimerCallback, HrTimerHandle, HrTimerPointer, HrTimerRestart,
    RawHrTimerCallback, UnsafeHrTimerPointer,
};
use crate::{
    alloc::Allocator,
    bindings::{driver_code, hrtimer, hrtimer_cancel, hrtimer_restart},
    prelude::*,
    sync::{Arc, ArcBorrow},
};
use core::{marker::PhantomData, ptr::NonNull};

/// A pointer that holds an object while the timer in it may run.
///
/// # Safety
///
/// The object of [`Self::keep`] is valid and not moved until [`Self::release`] or the end of
/// `Self`.
pub unsafe trait Keep {
    /// The type of the object.
    type Object: HasHrTimer<Self::Object>;

    /// Turns the pointer into the object that it holds.
    fn keep(self) -> NonNull<Self::Object>;

    /// Drops the hold on the object.
    ///
    /// # Safety
    ///
    /// `object` is from [`Self::keep`], and this is its last use.
    unsafe fn release(_object: NonNull<Self::Object>) {}
}

/// Holds an object whose timer was started by a `P`, and cancels the timer when it is dropped.
///
/// # Invariants
///
/// `object` is from [`Keep::keep`], and not released.
pub struct Handle<P: Keep> {
    object: NonNull<P::Object>,
    _pointer: PhantomData<P>,
}

/// The owner for which the timer of an [`Arc`] was started.
pub type ArcHrTimerHandle<T> = Handle<Arc<T>>;

/// The owner of a pinned [`Box`] whose timer was started.
pub type BoxHrTimerHandle<T, A> = Handle<Pin<Box<T, A>>>;

/// The borrow for which a timer was started.
pub type PinHrTimerHandle<'a, T> = Handle<Pin<&'a T>>;

/// The borrow for which a timer was started; what is borrowed is the function's to change.
pub type PinMutHrTimerHandle<'a, T> = Handle<Pin<&'a mut T>>;

// SAFETY: It is an `Arc<T>`, which may go to other threads then.
unsafe impl<T: HasHrTimer<T> + Send + Sync> Send for ArcHrTimerHandle<T> {}

// SAFETY: All that a shared handle leads to is shared already.
unsafe impl<T: HasHrTimer<T> + Send + Sync> Sync for ArcHrTimerHandle<T> {}

// SAFETY: It is a `&T`, which may go to other threads then.
unsafe impl<T: HasHrTimer<T> + Sync> Send for PinHrTimerHandle<'_, T> {}

// SAFETY: All that a shared handle leads to is shared already.
unsafe impl<T: HasHrTimer<T> + Sync> Sync for PinHrTimerHandle<'_, T> {}

impl<P: Keep> Handle<P> {
    /// # Safety
    ///
    /// The handle is dropped before the lifetime of `pointer` ends.
    unsafe fn start(pointer: P, expires: ExpiresOf<P::Object>) -> Self {
        // INVARIANT: From `keep()`.
        let (object, _pointer) = (pointer.keep(), PhantomData);
        // SAFETY: The object is valid until the handle has cancelled the timer.
        unsafe { P::Object::start(object.as_ptr(), expires) };
        Self { object, _pointer }
    }
}

// SAFETY: `drop()` cancels the timer, and waits while its function is running.
unsafe impl<P: Keep> HrTimerHandle for Handle<P> {
    fn cancel(&mut self) -> bool {
        // SAFETY: The object is not released, by the invariant.
        let timer = unsafe { P::Object::c_timer_ptr(self.object.as_ptr()) };
        // SAFETY: It is initialised, by the timer's invariant.
        unsafe { hrtimer_cancel(timer.cast_mut()) != 0 }
    }
}

impl<P: Keep> Drop for Handle<P> {
    fn drop(&mut self) {
        self.cancel();
        // SAFETY: From `keep()`, by the invariant; the timer's function is not running.
        unsafe { P::release(self.object) };
    }
}

/// Implements [`Keep`] (`keep`, `release`), and the call of the timer's function with its `target`.
macro_rules! keeps {
    (
        [$($generics:tt)*] $pointer:ty where [$($bounds:tt)*];
        keep($this:ident): $keep:expr;
        $(release($kept:ident): $release:expr;)?
        target($object:ident): $target:ty = $make:expr;
    ) => {
        // SAFETY: `keep` holds the owner or the borrow, and with it the object.
        unsafe impl<$($generics)*> Keep for $pointer
        where
            T: HasHrTimer<T>,
        {
            type Object = T;

            fn keep(self) -> NonNull<T> {
                let $this = self;
                // SAFETY: The object is not moved, and not at null.
                unsafe { NonNull::new_unchecked($keep) }
            }

            $(unsafe fn release(kept: NonNull<T>) {
                let $kept = kept.as_ptr();
                // SAFETY: The caller says that it is from `keep()`, and released once.
                drop(unsafe { $release });
            })?
        }

        impl<$($generics)*> RawHrTimerCallback for $pointer
        where
            T: HasHrTimer<T> + $($bounds)*,
        {
            type CallbackTarget<'target> = $target;

            unsafe extern "C" fn run(timer: *mut hrtimer) -> hrtimer_restart {
                // SAFETY: C calls this with the timer of a `T`.
                let ($object, context) = unsafe { pointer::in_callback::<T>(timer) };
                // SAFETY: The handle holds the object, pinned, and waits for this function. It uses
                // only raw pointers itself, and was given the owner or the `&mut`: if this is a
                // mutable reference, there is no other.
                let target = unsafe { $make };
                driver_code("a timer", || T::run(target, context))
                    .unwrap_or(HrTimerRestart::NoRestart)
                    .into_c()
            }
        }
    };
}

keeps! {
    [T] Arc<T> where ['static + for<'a> HrTimerCallback<Pointer<'a> = Self>];
    keep(this): Arc::into_raw(this).cast_mut();
    release(object): Arc::from_raw(object);
    target(object): ArcBorrow<'target, T> = ArcBorrow::from_raw(object);
}

keeps! {
    [T, A: Allocator] Pin<Box<T, A>> where ['static + for<'a> HrTimerCallback<Pointer<'a> = Self>];
    keep(this): Box::into_raw(Pin::into_inner_unchecked(this));
    release(object): Box::<T, A>::from_raw(object);
    target(object): Pin<&'target mut T> = Pin::new_unchecked(&mut *object);
}

keeps! {
    ['a, T] Pin<&'a T> where [HrTimerCallback<Pointer<'a> = Self>];
    keep(this): core::ptr::from_ref(this.get_ref()).cast_mut();
    target(object): Self = Pin::new_unchecked(&*object);
}

keeps! {
    ['a, T] Pin<&'a mut T> where [HrTimerCallback<Pointer<'a> = Self>];
    keep(this): core::ptr::from_mut(this.get_unchecked_mut());
    target(object): Self = Pin::new_unchecked(&mut *object);
}

/// An owner, of an object without a lifetime that ends.
macro_rules! owner {
    ([$($generics:tt)*] $pointer:ty) => {
        impl<$($generics)*> HrTimerPointer for $pointer
        where
            T: 'static + Send + Sync + HasHrTimer<T>,
            T: for<'a> HrTimerCallback<Pointer<'a> = Self>,
        {
            type TimerMode = <T as HasHrTimer<T>>::TimerMode;
            type TimerHandle = Handle<Self>;

            fn start(self, expires: ExpiresOf<T>) -> Handle<Self> {
                // SAFETY: The object lives as long as its owner, which the handle holds.
                unsafe { Handle::start(self, expires) }
            }
        }
    };
}

owner!([T] Arc<T>);
owner!([T, A: Allocator] Pin<Box<T, A>>);

/// A borrow, which ends even if the handle is never dropped.
macro_rules! borrow {
    ($pointer:ty) => {
        // SAFETY: The handle has the lifetime of the borrow.
        unsafe impl<'a, T> UnsafeHrTimerPointer for $pointer
        where
            T: Send + Sync + HasHrTimer<T> + HrTimerCallback<Pointer<'a> = Self>,
        {
            type TimerMode = <T as HasHrTimer<T>>::TimerMode;
            type TimerHandle = Handle<Self>;

            unsafe fn start(self, expires: ExpiresOf<T>) -> Handle<Self> {
                // SAFETY: The caller says that the handle is dropped.
                unsafe { Handle::start(self, expires) }
            }
        }
    };
}

borrow!(Pin<&'a T>);
borrow!(Pin<&'a mut T>);
