// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's log.
//!
//! C header: [`include/linux/printk.h`](srctree/include/linux/printk.h).
//!
//! A message goes to the log with its module's name in front, taken from
//! `__LOG_PREFIX` at the root of the crate that prints, where
//! [`module!`](crate::prelude::module) defines it. Messages end with `\n`.

use crate::sync::atomic::{Atomic, Relaxed};

/// Prints a message of a level, with the prefix of the crate that prints.
#[doc(hidden)]
#[macro_export]
#[expect(clippy::crate_in_macro_def)]
macro_rules! print_macro {
    ($level:ident, $($arg:tt)+) => {
        $crate::bindings::printk(
            $crate::bindings::$level,
            crate::__LOG_PREFIX,
            $crate::prelude::fmt!($($arg)+),
        )
    };
}

/// Prints a message of level 0: the system is unusable.
///
/// All of these macros work in any context and format as
/// [`fmt!`](crate::prelude::fmt) does.
#[macro_export]
macro_rules! pr_emerg {
    ($($arg:tt)*) => {
        $crate::print_macro!(KERN_EMERG, $($arg)*)
    };
}

/// Prints a message of level 1: act at once.
#[macro_export]
macro_rules! pr_alert {
    ($($arg:tt)*) => {
        $crate::print_macro!(KERN_ALERT, $($arg)*)
    };
}

/// Prints a message of level 2: critical.
#[macro_export]
macro_rules! pr_crit {
    ($($arg:tt)*) => {
        $crate::print_macro!(KERN_CRIT, $($arg)*)
    };
}

/// Prints a message of level 3: an error.
#[macro_export]
macro_rules! pr_err {
    ($($arg:tt)*) => {
        $crate::print_macro!(KERN_ERR, $($arg)*)
    };
}

/// Prints a message of level 4: a warning.
#[macro_export]
macro_rules! pr_warn {
    ($($arg:tt)*) => {
        $crate::print_macro!(KERN_WARNING, $($arg)*)
    };
}

/// Prints a message of level 5: normal, but worth noticing.
#[macro_export]
macro_rules! pr_notice {
    ($($arg:tt)*) => {
        $crate::print_macro!(KERN_NOTICE, $($arg)*)
    };
}

/// Prints a message of level 6: information.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
///
/// struct Example;
///
/// impl kernel::Module for Example {
///     fn init(_module: &'static ThisModule) -> Result<Self> {
///         pr_info!("{} loaded\n", 1 + 1);
///         Ok(Example)
///     }
/// }
///
/// module! {
///     type: Example,
///     name: "example",
///     license: "GPL",
/// }
///
/// fn main() -> Result {
///     <Example as kernel::Module>::init(kernel::module::this_module::<Example>())?;
///     Ok(())
/// }
/// ```
#[macro_export]
#[doc(alias = "print")]
macro_rules! pr_info {
    ($($arg:tt)*) => {
        $crate::print_macro!(KERN_INFO, $($arg)*)
    };
}

/// Prints a message of level 7, if built with debug assertions.
#[macro_export]
#[doc(alias = "print")]
macro_rules! pr_debug {
    ($($arg:tt)*) => {
        if ::core::cfg!(debug_assertions) {
            $crate::print_macro!(KERN_DEBUG, $($arg)*)
        }
    };
}

/// Continues the line of the last message, which did not end with a newline.
#[macro_export]
macro_rules! pr_cont {
    ($($arg:tt)*) => {
        $crate::bindings::printk_cont($crate::prelude::fmt!($($arg)*))
    };
}

/// Runs a closure the first time only. Other threads do not wait for the one that runs it.
pub struct OnceLite(Atomic<bool>);

impl OnceLite {
    machine::const_fn! {
        /// Has not run.
        #[inline(always)]
        #[allow(clippy::new_without_default)]
        pub fn new() -> Self {
            OnceLite(Atomic::new(false))
        }
    }

    /// Runs `f` the first time; returns whether it did.
    pub fn call_once<F>(&self, f: F) -> bool
    where
        F: FnOnce(),
    {
        // Relaxed: it orders nothing else. The load avoids a write in the usual case.
        if self.0.load(Relaxed) || self.0.xchg(true, Relaxed) {
            return false;
        }
        f();
        true
    }
}

/// Does something the first time only.
#[macro_export]
macro_rules! do_once_lite {
    { $($e:tt)* } => {{
        static ONCE: $crate::print::OnceLite = $crate::print::OnceLite::new();
        ONCE.call_once(|| { $($e)* });
    }};
}

/// As [`pr_emerg!`](crate::pr_emerg), the first time only.
#[macro_export]
macro_rules! pr_emerg_once {
    ($($arg:tt)*) => { $crate::do_once_lite! { $crate::pr_emerg!($($arg)*) } };
}

/// As [`pr_alert!`](crate::pr_alert), the first time only.
#[macro_export]
macro_rules! pr_alert_once {
    ($($arg:tt)*) => { $crate::do_once_lite! { $crate::pr_alert!($($arg)*) } };
}

/// As [`pr_crit!`](crate::pr_crit), the first time only.
#[macro_export]
macro_rules! pr_crit_once {
    ($($arg:tt)*) => { $crate::do_once_lite! { $crate::pr_crit!($($arg)*) } };
}

/// As [`pr_err!`](crate::pr_err), the first time only.
#[macro_export]
macro_rules! pr_err_once {
    ($($arg:tt)*) => { $crate::do_once_lite! { $crate::pr_err!($($arg)*) } };
}

/// As [`pr_warn!`](crate::pr_warn), the first time only.
#[macro_export]
macro_rules! pr_warn_once {
    ($($arg:tt)*) => { $crate::do_once_lite! { $crate::pr_warn!($($arg)*) } };
}

/// As [`pr_notice!`](crate::pr_notice), the first time only.
#[macro_export]
macro_rules! pr_notice_once {
    ($($arg:tt)*) => { $crate::do_once_lite! { $crate::pr_notice!($($arg)*) } };
}

/// As [`pr_info!`](crate::pr_info), the first time only.
#[macro_export]
macro_rules! pr_info_once {
    ($($arg:tt)*) => { $crate::do_once_lite! { $crate::pr_info!($($arg)*) } };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_is_once() {
        let once = OnceLite::new();
        let mut ran = 0;
        assert!(once.call_once(|| ran += 1));
        assert!(!once.call_once(|| ran += 1));
        assert_eq!(ran, 1);
    }
}
