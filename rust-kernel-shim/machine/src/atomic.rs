// SPDX-License-Identifier: GPL-2.0-only
//! The atomics of the userspace kernel, with a preemption point before each access.
//!
//! Every access is a point at which a virtual processor may go on with another task. Under
//! `--cfg loom` the accesses are those of the model checker, which explores their orders itself.
//! What the machine keeps for its own ends, and statics, which a model cannot build anew for each
//! run, use those of `core`.

#[cfg(not(loom))]
use core::sync::atomic as native;
use core::sync::atomic::Ordering;
#[cfg(loom)]
use loom::sync::atomic as native;

pub use native::fence;

/// Keeps the compiler from moving accesses; a fence of that order under loom.
#[inline(always)]
pub fn compiler_fence(order: Ordering) {
    #[cfg(not(loom))]
    native::compiler_fence(order);
    #[cfg(loom)]
    fence(order);
}

/// Declares a `const fn`; in a model, whose atomics no constant can hold, a `fn`.
#[cfg(not(loom))]
#[macro_export]
macro_rules! const_fn {
    ($(#[$attr:meta])* $vis:vis fn $($rest:tt)*) => { $(#[$attr])* $vis const fn $($rest)* };
}

/// Declares a `const fn`; in a model, whose atomics no constant can hold, a `fn`.
#[cfg(loom)]
#[macro_export]
macro_rules! const_fn {
    ($($function:tt)*) => { $($function)* };
}

macro_rules! atomic {
    ($name:ident $(<$pointee:ident>)?, $value:ty) => {
        /// As the type of the same name in `core`, with a preemption point before each access.
        #[repr(transparent)]
        pub struct $name $(<$pointee>)? (native::$name $(<$pointee>)?);

        impl $(<$pointee>)? $name $(<$pointee>)? {
            $crate::const_fn! {
                /// Holds `v`.
                pub fn new(v: $value) -> Self {
                    Self(native::$name::new(v))
                }
            }

            #[inline(always)]
            fn at_a_point(&self) -> &native::$name $(<$pointee>)? {
                crate::task::point();
                &self.0
            }

            /// Reads.
            #[inline(always)]
            #[cfg_attr(loom, track_caller)]
            pub fn load(&self, order: Ordering) -> $value {
                self.at_a_point().load(order)
            }

            /// Writes.
            #[inline(always)]
            #[cfg_attr(loom, track_caller)]
            pub fn store(&self, v: $value, order: Ordering) {
                self.at_a_point().store(v, order);
            }

            /// Writes `v` and returns the old value.
            #[inline(always)]
            #[cfg_attr(loom, track_caller)]
            pub fn swap(&self, v: $value, order: Ordering) -> $value {
                self.at_a_point().swap(v, order)
            }

            /// Writes `new` if the value is `old`; returns the old value.
            #[inline(always)]
            #[cfg_attr(loom, track_caller)]
            pub fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.at_a_point().compare_exchange(old, new, success, failure)
            }
        }
    };
}

macro_rules! arithmetic {
    ($($name:ident, $value:ty, [$($fetch:ident)*];)*) => {$(
        atomic!($name, $value);

        impl $name {
            $(
                #[doc = concat!("As `core`'s `", stringify!($fetch), "`; returns the old value.")]
                #[inline(always)]
                #[cfg_attr(loom, track_caller)]
                pub fn $fetch(&self, v: $value, order: Ordering) -> $value {
                    self.at_a_point().$fetch(v, order)
                }
            )*
        }
    )*};
}

atomic!(AtomicPtr<T>, *mut T);
arithmetic! {
    AtomicBool, bool, [];
    AtomicI8, i8, [];
    AtomicI16, i16, [];
    AtomicI32, i32, [fetch_add fetch_sub fetch_or fetch_and];
    AtomicI64, i64, [fetch_add fetch_sub fetch_or fetch_and];
    AtomicUsize, usize, [fetch_add fetch_sub fetch_or fetch_and];
}

/// Atomics without preemption points; the model checker's in a model.
pub mod quiet {
    pub use super::native::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
}

/// True in a model in which a fault of this name is planted, which it must find: by `PLANTED` in its
/// environment.
#[inline(always)]
pub fn planted(_name: &str) -> bool {
    #[cfg(loom)]
    {
        use std::{env, string::String, sync::OnceLock};

        static PLANTED: OnceLock<Option<String>> = OnceLock::new();
        let planted = PLANTED.get_or_init(|| env::var("PLANTED").ok());
        planted.as_deref() == Some(_name)
    }
    #[cfg(not(loom))]
    false
}
