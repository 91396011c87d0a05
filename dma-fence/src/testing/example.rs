// SPDX-License-Identifier: GPL-2.0-only
//! Drivers that break a rule, each beside one that keeps it.

use kernel::{
    error::Result,
    testing::{console, report::reports_of},
};

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

/// Runs `driver` in a machine of its own, where it must break no rule.
///
/// # Panics
///
/// If anything was reported, or the driver fails.
#[track_caller]
pub fn expect_no_report(driver: impl FnOnce() -> Result + Send) {
    console::set_loglevel(0);
    let mut result = Ok(());
    let (reports, end) = reports_of(|| result = driver());
    assert_eq!((reports.first(), result, end), (None, Ok(()), Ok(())));
}

/// Runs `driver` twice, each in a machine of its own: without its mistake it must break no rule, and
/// with it `rule`, as one report says for each of `words`, which are in its first line.
///
/// A production kernel, which checks nothing, runs it without its mistake only.
///
/// # Panics
///
/// If anything else was reported, or the driver fails.
#[track_caller]
pub fn judge(rule: &str, words: &[&str], driver: impl Fn(bool) -> Result + Sync) {
    expect_no_report(|| driver(false));
    if cfg!(not(feature = "debug")) {
        return;
    }
    let mut result = Ok(());
    let (reports, _) = reports_of(|| result = driver(true));
    assert_eq!(result, Ok(()));
    assert_eq!(reports.len(), words.len(), "{reports:#?}");
    for (report, words) in reports.iter().zip(words) {
        let first = report.text.lines().next().unwrap_or_default();
        assert!(report.rule == rule && first.contains(words), "{report:#?}");
    }
}

/// Declares a module for each rule, with `broken.rs` and `kept.rs` in a directory of its name, the
/// table `EXAMPLES` of them all, and a test of each.
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

        #[cfg(test)]
        mod examples {
            $(#[test]
            fn $module() {
                let (broken, kept) = (super::$module::broken::run, super::$module::kept::run);
                $crate::testing::judge($rule, &[""], |wrong| if wrong { broken() } else { kept() });
            })*
        }
    };
    (@driver $directory:literal, $module:ident, $side:ident, $file:literal) => {
        $crate::testing::Driver {
            file: concat!($directory, "/", stringify!($module), "/", $file, ".rs"),
            source: include_str!(concat!(stringify!($module), "/", $file, ".rs")),
            run: $module::$side::run,
        }
    };
}
