// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's atomic operations, in the terms of Rust's memory model.
//!
//! C header: [`include/linux/atomic/atomic-instrumented.h`](srctree/include/linux/atomic/atomic-instrumented.h).

use super::ordering::OrderingType;
use crate::bindings;
#[cfg(not(loom))]
use core::cell::UnsafeCell;
use core::{ffi::c_void, sync::atomic::Ordering};
use machine::atomic as rust;

mod private {
    pub trait Sealed {}
}

/// An integer or pointer that is atomic itself.
pub trait AtomicImpl: Sized + Copy + private::Sealed {
    /// The type of an addend.
    type Delta;
    /// The machine's atomic in place of it in a model.
    #[cfg(loom)]
    #[doc(hidden)]
    type Model;
    /// Constructs one.
    #[cfg(loom)]
    #[doc(hidden)]
    fn model(v: Self) -> Self::Model;
}

/// The memory of an atomic value: of the value's own layout, but in a model.
#[cfg(not(loom))]
#[repr(transparent)]
pub struct AtomicRepr<T: AtomicImpl>(UnsafeCell<T>);

#[cfg(not(loom))]
impl<T: AtomicImpl> AtomicRepr<T> {
    pub(super) const fn new(v: T) -> Self {
        AtomicRepr(UnsafeCell::new(v))
    }

    pub(super) const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }
}

/// The memory of an atomic value, as the model checker keeps it.
#[cfg(loom)]
#[repr(transparent)]
pub struct AtomicRepr<T: AtomicImpl>(T::Model);

#[cfg(loom)]
impl<T: AtomicImpl> AtomicRepr<T> {
    pub(super) fn new(v: T) -> Self {
        AtomicRepr(T::model(v))
    }
}

/// Reading and writing.
pub trait AtomicBasicOps: AtomicImpl {
    /// C's `atomic_read()`.
    fn read(a: &AtomicRepr<Self>) -> Self;
    /// C's `atomic_read_acquire()`.
    fn read_acquire(a: &AtomicRepr<Self>) -> Self;
    /// C's `atomic_set()`.
    fn set(a: &AtomicRepr<Self>, v: Self);
    /// C's `atomic_set_release()`.
    fn set_release(a: &AtomicRepr<Self>, v: Self);
}

/// Reading and writing in one.
pub trait AtomicExchangeOps: AtomicImpl {
    /// C's `atomic_xchg()` and its variants.
    fn xchg(a: &AtomicRepr<Self>, v: Self, order: OrderingType) -> Self;
    /// C's `atomic_cmpxchg()` and its variants.
    fn cmpxchg(
        a: &AtomicRepr<Self>,
        old: Self,
        new: Self,
        order: OrderingType,
    ) -> Result<Self, Self>;
}

/// Adding, subtracting and setting bits.
pub trait AtomicArithmeticOps: AtomicImpl {
    /// C's `atomic_fetch_add()` and its variants.
    fn fetch_add(a: &AtomicRepr<Self>, v: Self::Delta, order: OrderingType) -> Self;
    /// C's `atomic_fetch_sub()` and its variants.
    fn fetch_sub(a: &AtomicRepr<Self>, v: Self::Delta, order: OrderingType) -> Self;
    /// C's `atomic_fetch_or()` and its variants.
    fn fetch_or(a: &AtomicRepr<Self>, v: Self, order: OrderingType) -> Self;
}

/// Runs `operation` with Rust's order for the kernel's.
#[inline(always)]
fn ordered<R>(order: OrderingType, operation: impl FnOnce(Ordering) -> R) -> R {
    match order {
        OrderingType::Relaxed => operation(Ordering::Relaxed),
        OrderingType::Acquire => operation(Ordering::Acquire),
        OrderingType::Release => operation(Ordering::Release),
        OrderingType::Full => bindings::fully_ordered(operation),
    }
}

macro_rules! implement {
    ($ty:ty, $delta:ty, $atomic:ident $(<$pointee:ty>)?, $into:expr, $from:expr) => {
        impl private::Sealed for $ty {}

        impl AtomicImpl for $ty {
            type Delta = $delta;
            #[cfg(loom)]
            type Model = rust::$atomic $(<$pointee>)?;

            #[cfg(loom)]
            fn model(v: Self) -> Self::Model {
                rust::$atomic::new($into(v))
            }
        }

        #[cfg(not(loom))]
        const _: () = assert!(size_of::<$ty>() == size_of::<rust::$atomic $(<$pointee>)?>());
        #[cfg(not(loom))]
        const _: () = assert!(align_of::<$ty>() == align_of::<rust::$atomic $(<$pointee>)?>());

        impl AtomicRepr<$ty> {
            #[cfg(not(loom))]
            #[inline(always)]
            fn as_rust(&self) -> &rust::$atomic $(<$pointee>)? {
                let value = self.as_ptr().cast();
                // SAFETY: Of the same layout, as asserted above; all access is atomic.
                unsafe { &*value }
            }

            #[cfg(loom)]
            fn as_rust(&self) -> &rust::$atomic $(<$pointee>)? {
                &self.0
            }
        }

        impl AtomicBasicOps for $ty {
            #[inline(always)]
            fn read(a: &AtomicRepr<Self>) -> Self {
                $from(a.as_rust().load(Ordering::Relaxed))
            }

            #[inline(always)]
            fn read_acquire(a: &AtomicRepr<Self>) -> Self {
                $from(a.as_rust().load(Ordering::Acquire))
            }

            #[inline(always)]
            fn set(a: &AtomicRepr<Self>, v: Self) {
                a.as_rust().store($into(v), Ordering::Relaxed);
            }

            #[inline(always)]
            fn set_release(a: &AtomicRepr<Self>, v: Self) {
                a.as_rust().store($into(v), Ordering::Release);
            }
        }

        impl AtomicExchangeOps for $ty {
            #[inline(always)]
            fn xchg(a: &AtomicRepr<Self>, v: Self, order: OrderingType) -> Self {
                $from(ordered(order, |order| a.as_rust().swap($into(v), order)))
            }

            #[inline(always)]
            fn cmpxchg(
                a: &AtomicRepr<Self>,
                old: Self,
                new: Self,
                order: OrderingType,
            ) -> Result<Self, Self> {
                // A comparison that fails orders nothing, in the kernel too.
                ordered(order, |order| {
                    a.as_rust()
                        .compare_exchange($into(old), $into(new), order, Ordering::Relaxed)
                })
                .map($from)
                .map_err($from)
            }
        }
    };
}

macro_rules! implement_integer {
    ($ty:ty, $atomic:ident) => {
        implement!(
            $ty,
            Self,
            $atomic,
            core::convert::identity,
            core::convert::identity
        );
    };
}

implement_integer!(i8, AtomicI8);
implement_integer!(i16, AtomicI16);
implement_integer!(i32, AtomicI32);
implement_integer!(i64, AtomicI64);
implement!(
    *const c_void,
    isize,
    AtomicPtr<c_void>,
    <*const c_void>::cast_mut,
    <*mut c_void>::cast_const
);

macro_rules! implement_arithmetic {
    ($ty:ty) => {
        impl AtomicArithmeticOps for $ty {
            #[inline(always)]
            fn fetch_add(a: &AtomicRepr<Self>, v: Self, order: OrderingType) -> Self {
                ordered(order, |order| a.as_rust().fetch_add(v, order))
            }

            #[inline(always)]
            fn fetch_sub(a: &AtomicRepr<Self>, v: Self, order: OrderingType) -> Self {
                ordered(order, |order| a.as_rust().fetch_sub(v, order))
            }

            #[inline(always)]
            fn fetch_or(a: &AtomicRepr<Self>, v: Self, order: OrderingType) -> Self {
                ordered(order, |order| a.as_rust().fetch_or(v, order))
            }
        }
    };
}

implement_arithmetic!(i32);
implement_arithmetic!(i64);
