// SPDX-License-Identifier: GPL-2.0-only
//! Warnings and bugs.
//!
//! C header: [`include/asm-generic/bug.h`](srctree/include/asm-generic/bug.h)

use crate::{
    debug::splat::splat,
    ffi::{c_char, c_int, c_uint},
    BUG_ON, KERN_WARNING,
};
use core::{fmt, panic::Location};
use machine::location;

#[doc(hidden)]
pub use machine::end as __bug;

/// Warns of what holds and should not; for [`WARN!`](crate::WARN).
#[doc(hidden)]
#[cold]
#[track_caller]
pub fn __warn(message: fmt::Arguments<'_>) {
    let at = Location::caller();
    let what = format_args!("WARNING: {}: {message}", location::culprit(at));
    splat(KERN_WARNING, &location::entry(at), what, format_args!(""));
}

/// The taint of a kernel that has warned.
pub const TAINT_WARN: u32 = 9;

/// Warns of what holds at a place and should not, without a message: `fmt` is null, since Rust cannot define
/// functions with variable arguments.
#[track_caller]
pub unsafe fn warn_slowpath_fmt(
    file: *const c_char,
    line: c_int,
    _taint: c_uint,
    fmt: *const c_char,
) {
    BUG_ON!(!fmt.is_null());
    // SAFETY: The caller passes a string.
    let file = unsafe { crate::from_char_ptr(file) }.to_bytes();
    __warn(format_args!("[{}:{line}]", file.escape_ascii()));
}

/// Warns in the kernel log if `$cond` holds, and says whether it does.
///
/// C: `WARN()`.
#[doc(hidden)]
#[macro_export]
macro_rules! WARN {
    ($cond:expr, $($message:tt)+) => {{
        let cond: bool = $cond;
        if cond {
            $crate::__warn(::core::format_args!($($message)+));
        }
        cond
    }};
}

/// Warns in the kernel log, with the condition, if `$cond` holds; says whether it does.
///
/// C: `WARN_ON()`.
#[doc(hidden)]
#[macro_export]
macro_rules! WARN_ON {
    ($cond:expr) => {{
        let cond: bool = $cond;
        if cond {
            $crate::__warn(::core::format_args!("[{}]", ::core::stringify!($cond)));
        }
        cond
    }};
}

/// Ends the machine at an invariant that is broken beyond repair, with a message; nothing unwinds.
///
/// C: `BUG()`.
#[doc(hidden)]
#[macro_export]
macro_rules! BUG {
    ($($message:tt)+) => {
        $crate::__bug(::core::format_args!($($message)+))
    };
}

/// [`BUG!`] if `$cond` holds.
///
/// C: `BUG_ON()`.
#[doc(hidden)]
#[macro_export]
macro_rules! BUG_ON {
    ($cond:expr) => {
        if $cond {
            $crate::BUG!("{}", ::core::stringify!($cond));
        }
    };
}
