// SPDX-License-Identifier: GPL-2.0-only
//! Drivers that break a rule, each beside one that keeps it.

use kernel::error::Result;

/// A driver and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// Its file, from the top of the repository.
    pub file: &'static str,
    /// Its text.
    pub source: &'static str,
    /// Has it do something. Sleeps.
    pub run: fn() -> Result,
}

/// A rule, a driver that breaks it, and one that keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The rule's name.
    pub rule: &'static str,
    /// Breaks it.
    pub broken: Driver,
    /// Keeps it.
    pub kept: Driver,
}

/// Declares a module for each rule, with `broken.rs` and `kept.rs` in a directory of its name, and
/// the table `EXAMPLES` of them all.
#[macro_export]
macro_rules! examples {
    ($directory:literal: $($module:ident = $rule:literal;)*) => {
        $(mod $module {
            pub(super) mod broken;
            pub(super) mod kept;
        })*

        /// A driver that breaks it and one that keeps it, for each of these rules.
        pub const EXAMPLES: &[$crate::testing::Example] = &[$($crate::testing::Example {
            rule: $rule,
            broken: $crate::examples!(@driver $directory, $module, broken, "broken"),
            kept: $crate::examples!(@driver $directory, $module, kept, "kept"),
        }),*];
    };
    (@driver $directory:literal, $module:ident, $side:ident, $file:literal) => {
        $crate::testing::Driver {
            file: concat!($directory, "/", stringify!($module), "/", $file, ".rs"),
            source: include_str!(concat!(stringify!($module), "/", $file, ".rs")),
            run: $module::$side::run,
        }
    };
}
