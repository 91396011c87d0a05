// SPDX-License-Identifier: GPL-2.0-only
//! Warnings and bugs.
//!
//! C header: [`include/asm-generic/bug.h`](srctree/include/asm-generic/bug.h)

use crate::{log, KERN_WARNING};
use core::fmt;
use machine::task;

#[doc(hidden)]
pub use machine::end as __bug;

/// Writes a warning with the place that it comes from; for [`WARN!`](crate::WARN).
#[doc(hidden)]
#[cold]
pub fn __warn(file: &str, line: u32, message: Option<fmt::Arguments<'_>>) {
    let t = task::current();
    let (comm, pid) = (t.comm(), t.pid);
    log!(KERN_WARNING, "------------[ cut here ]------------\n");
    if let Some(message) = message {
        log!(KERN_WARNING, "{message}\n");
    }
    log!(KERN_WARNING, "WARNING: {file}:{line}, task {comm}/{pid}\n");
    log!(KERN_WARNING, "---[ end trace ]---\n");
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
            $crate::__warn(
                ::core::file!(),
                ::core::line!(),
                Some(::core::format_args!($($message)+)),
            );
        }
        cond
    }};
}

/// Warns in the kernel log, with the place alone, if `$cond` holds; says whether it does.
///
/// C: `WARN_ON()`.
#[doc(hidden)]
#[macro_export]
macro_rules! WARN_ON {
    ($cond:expr) => {{
        let cond: bool = $cond;
        if cond {
            $crate::__warn(::core::file!(), ::core::line!(), None);
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
