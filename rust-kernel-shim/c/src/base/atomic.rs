// SPDX-License-Identifier: GPL-2.0-only
//! Atomic operations on plain memory.
//!
//! C header: [`include/linux/atomic/atomic-instrumented.h`](srctree/include/linux/atomic/atomic-instrumented.h)
//!
//! A suffix names the order of an operation that reads and writes. Without one it is fully ordered,
//! if it returns something.

use crate::{
    ffi::{c_int, c_void},
    fully_ordered,
};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use machine::atomic::{AtomicI16, AtomicI32, AtomicI64, AtomicI8, AtomicPtr};
use macros::paste;

/// C: `atomic_t`.
#[repr(C)]
pub struct atomic_t {
    /// Its value.
    pub counter: c_int,
}

/// C: `atomic64_t`.
#[repr(C, align(8))]
pub struct atomic64_t {
    /// Its value.
    pub counter: i64,
}

/// Declares the operations `$c_..` on a `$memory`, of which the value is a `$value`.
macro_rules! operations {
    ($c:ident, $memory:ty, $value:ty, $atomic:ident$(<$pointee:ty>)?, $into:expr, $from:expr) => { paste! {
        /// # Safety
        ///
        /// `v` is valid, and all access to it is atomic.
        #[inline(always)]
        unsafe fn [<$c _of>]<'a>(v: *const $memory) -> &'a $atomic$(<$pointee>)? {
            // SAFETY: The caller says that it is valid. It is laid out like the atomic.
            unsafe { &*v.cast() }
        }

        /// Reads.
        #[inline(always)]
        pub unsafe fn [<$c _read>](v: *const $memory) -> $value {
            // SAFETY: `v` is valid: the caller's guarantee.
            let old = unsafe { [<$c _of>](v) }.load(Relaxed);
            $from(old)
        }

        /// Reads, before all that comes after it.
        #[inline(always)]
        pub unsafe fn [<$c _read_acquire>](v: *const $memory) -> $value {
            // SAFETY: `v` is valid: the caller's guarantee.
            let old = unsafe { [<$c _of>](v) }.load(Acquire);
            $from(old)
        }

        /// Writes.
        #[inline(always)]
        pub unsafe fn [<$c _set>](v: *mut $memory, i: $value) {
            // SAFETY: `v` is valid: the caller's guarantee.
            unsafe { [<$c _of>](v) }.store($into(i), Relaxed);
        }

        /// Writes, after all that comes before it.
        #[inline(always)]
        pub unsafe fn [<$c _set_release>](v: *mut $memory, i: $value) {
            // SAFETY: `v` is valid: the caller's guarantee.
            unsafe { [<$c _of>](v) }.store($into(i), Release);
        }

        operations! { @orders
            /// Writes `new`; returns the old value.
            [<$c _xchg>](v: *mut $memory, new: $value) -> $value = |order| {
                // SAFETY: `v` is valid: the caller's guarantee.
                let old = unsafe { [<$c _of>](v) }.swap($into(new), order);
                $from(old)
            }
            /// Writes `new` if the value is `*old`, and says whether it was; else reads it to `*old`, with
            /// no order.
            [<$c _try_cmpxchg>](v: *mut $memory, old: *mut $value, new: $value) -> bool = |order| {
                // SAFETY: Both are valid: the caller's guarantee.
                let (v, old) = unsafe { ([<$c _of>](v), &mut *old) };
                match v.compare_exchange($into(*old), $into(new), order, Relaxed) {
                    Ok(_) => true,
                    Err(now) => {
                        *old = $from(now);
                        false
                    }
                }
            }
        }
    }};
    (@orders $($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty = |$order:ident| $run:block)*) => { paste! {$(
        $(#[$doc])*
        #[inline(always)]
        pub unsafe fn $name($($arg: $ty),*) -> $ret {
            fully_ordered(|$order| $run)
        }
        operations!(@order [<$name _acquire>]($($arg: $ty),*) -> $ret = |$order| $run, Acquire);
        operations!(@order [<$name _release>]($($arg: $ty),*) -> $ret = |$order| $run, Release);
        operations!(@order [<$name _relaxed>]($($arg: $ty),*) -> $ret = |$order| $run, Relaxed);
    )*}};
    (@order $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty = |$ordering:ident| $run:block, $order:ident) => {
        #[doc = concat!("With the order `", stringify!($order), "`.")]
        #[inline(always)]
        pub unsafe fn $name($($arg: $ty),*) -> $ret {
            let $ordering = $order;
            $run
        }
    };
}

/// Declares those that calculate.
macro_rules! arithmetic {
    ($c:ident, $memory:ty, $value:ty) => {
        paste! {
            /// Adds, with no order.
            #[inline(always)]
            pub unsafe fn [<$c _add>](i: $value, v: *mut $memory) {
                // SAFETY: `v` is valid: the caller's guarantee.
                unsafe { [<$c _of>](v) }.fetch_add(i, Relaxed);
            }

            operations! { @orders
                /// Adds; returns the old value.
                [<$c _fetch_add>](i: $value, v: *mut $memory) -> $value = |order| {
                    // SAFETY: `v` is valid: the caller's guarantee.
                    unsafe { [<$c _of>](v) }.fetch_add(i, order)
                }
                /// Subtracts; returns the old value.
                [<$c _fetch_sub>](i: $value, v: *mut $memory) -> $value = |order| {
                    // SAFETY: `v` is valid: the caller's guarantee.
                    unsafe { [<$c _of>](v) }.fetch_sub(i, order)
                }
            }
        }
    };
}

/// A value that is what the atomic has.
#[inline(always)]
fn same<T>(value: T) -> T {
    value
}

operations!(atomic, atomic_t, c_int, AtomicI32, same, same);
operations!(atomic64, atomic64_t, i64, AtomicI64, same, same);
operations!(atomic_i8, i8, i8, AtomicI8, same, same);
operations!(atomic_i16, i16, i16, AtomicI16, same, same);
operations!(
    atomic_ptr,
    *const c_void,
    *const c_void,
    AtomicPtr<c_void>,
    <*const c_void>::cast_mut,
    <*mut c_void>::cast_const
);
arithmetic!(atomic, atomic_t, c_int);
arithmetic!(atomic64, atomic64_t, i64);
