// SPDX-License-Identifier: GPL-2.0-only
//! Slots of which each thread has its own.

/// Declares slots of which each thread has its own, as C's `DEFINE_PER_CPU()`: they begin with a
/// constant and have nothing to drop, so that they cost no more than a static does.
///
/// # Examples
///
/// ```
/// use core::cell::Cell;
///
/// machine::per_thread! {
///     static DEPTH: Cell<u32> = Cell::new(0);
/// }
///
/// DEPTH.set(DEPTH.get() + 1);
/// assert_eq!(DEPTH.get(), 1);
/// ```
#[macro_export]
macro_rules! per_thread {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $init:expr;)*) => {
        $(const _: () = ::core::assert!(!::core::mem::needs_drop::<$type>());)*
        $crate::__thread_local! {
            $($(#[$attr])* $vis static $name: $type = const { $init };)*
        }
    };
}

#[doc(hidden)]
pub use std::thread_local as __thread_local;
