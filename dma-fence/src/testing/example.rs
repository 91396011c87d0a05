// SPDX-License-Identifier: GPL-2.0-only
//! Drivers that break a rule, or do not.

use kernel::{
    error::Result,
    testing::{console, report::reports_of},
};

/// A driver that breaks a rule if it is told to, and keeps it otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The rule's name.
    pub rule: &'static str,
    /// The driver's file, from the top of the repository.
    pub file: &'static str,
    /// The text of that file.
    pub source: &'static str,
    /// Runs the driver, with its mistake or without. May sleep.
    pub run: fn(wrong: bool) -> Result,
}

/// Runs `driver` in a machine of its own, where it must break no rule.
///
/// # Panics
///
/// If anything was reported, or the driver fails.
#[track_caller]
pub fn expect_no_report(driver: impl FnOnce() -> Result + Send + 'static) {
    console::set_loglevel(0);
    let (reports, end) = reports_of(driver);
    assert_eq!((reports.first(), end), (None, Ok(Ok(()))));
}

/// Runs `driver` twice, each time in a machine of its own: without its mistake it must break no
/// rule, and with it `rule`, which is reported once for each of `words`, in the first line.
///
/// A production kernel, which checks nothing, runs it without its mistake only.
///
/// # Panics
///
/// If anything else was reported, or the driver fails.
#[track_caller]
pub fn judge(rule: &str, words: &[&str], driver: impl Fn(bool) -> Result + Copy + Send + 'static) {
    expect_no_report(move || driver(false));
    if cfg!(not(feature = "debug")) {
        return;
    }
    let (reports, end) = reports_of(move || driver(true));
    assert!(!matches!(end, Ok(Err(_))), "{end:?}");
    assert_eq!(reports.len(), words.len(), "{reports:#?}");
    for (report, words) in reports.iter().zip(words) {
        let first = report.text.lines().next().unwrap_or_default();
        assert!(report.rule == rule && first.contains(words), "{report:#?}");
    }
}

/// Declares the module of each rule's driver, the table `EXAMPLES` of them all, and a test of each.
#[macro_export]
macro_rules! examples {
    ($directory:literal: $($module:ident = $rule:literal;)*) => {
        $(mod $module;)*

        /// The drivers that can break these rules.
        pub const EXAMPLES: &[$crate::testing::Example] = &[$($crate::testing::Example {
            rule: $rule,
            file: concat!($directory, "/", stringify!($module), ".rs"),
            source: include_str!(concat!(stringify!($module), ".rs")),
            run: $module::run,
        }),*];

        #[cfg(test)]
        mod examples {
            $(#[test]
            fn $module() {
                $crate::testing::judge($rule, &[""], super::$module::run);
            })*
        }
    };
}
