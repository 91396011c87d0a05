// SPDX-License-Identifier: GPL-2.0-only

//! Assertions about the code itself.
//!
//! C header: [`include/linux/build_bug.h`](srctree/include/linux/build_bug.h).
//!
//! - [`static_assert!`] stands where an item stands, and knows nothing of its
//!   surroundings.
//! - [`const_assert!`] stands in a function, and may use its generics.
//! - [`build_assert!`] may use anything the optimiser can work out.
//!
//! In the kernel a `build_assert!` that the optimiser cannot prove fails to
//! link. Cargo also builds without optimisation, where nothing can be proven;
//! so here it panics when it is reached. In a constant it fails the build in
//! both worlds.

#[doc(inline)]
pub use crate::{build_assert_macro as build_assert, build_error, const_assert, static_assert};

/// Fails the build if evaluated in a constant, and panics otherwise.
///
/// # Panics
///
/// Always.
#[doc(hidden)]
#[inline(never)]
#[cold]
#[track_caller]
pub const fn build_error_fn(msg: &'static str) -> ! {
    panic!("{}", msg);
}

/// Fails the build unless the condition holds.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
///
/// static_assert!(size_of::<c_char>() == 1);
/// ```
///
/// ```compile_fail
/// use kernel::prelude::*;
///
/// static_assert!(size_of::<c_char>() == 2, "chars are bytes");
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! static_assert {
    ($condition:expr $(, $arg:literal)?) => {
        const _: () = ::core::assert!($condition $(, $arg)?);
    };
}

/// Fails the build of a function unless the condition holds.
#[macro_export]
#[doc(hidden)]
macro_rules! const_assert {
    ($condition:expr $(, $arg:literal)?) => {
        const { ::core::assert!($condition $(, $arg)?) };
    };
}

/// Fails the build if it is not optimised away.
#[macro_export]
#[doc(hidden)]
macro_rules! build_error {
    () => {
        $crate::build_assert::build_error_fn("")
    };
    ($msg:expr) => {
        $crate::build_assert::build_error_fn($msg)
    };
}

/// Fails the build unless the optimiser can prove the condition.
#[macro_export]
#[doc(hidden)]
macro_rules! build_assert_macro {
    ($cond:expr $(,)?) => {{
        if !$cond {
            $crate::build_assert::build_error_fn(::core::concat!(
                "assertion failed: ",
                ::core::stringify!($cond)
            ));
        }
    }};
    ($cond:expr, $msg:expr) => {{
        if !$cond {
            $crate::build_assert::build_error_fn($msg);
        }
    }};
}
