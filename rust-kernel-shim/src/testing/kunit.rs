// SPDX-License-Identifier: GPL-2.0-only
//! Test cases of KUnit's, and examples, under whatever schedules the environment asks for.

use super::Explorer;
use crate::types::ScopeGuard;
use core::fmt::Debug;
use machine::{explore::variable, ktap};

/// What a test case returns.
pub trait CaseResult {
    /// Panics if the case has failed.
    fn expect_passed(self);
}

impl CaseResult for () {
    fn expect_passed(self) {}
}

impl<T, E: Debug> CaseResult for Result<T, E> {
    fn expect_passed(self) {
        if let Err(error) = self {
            panic!("the case returns {error:?}");
        }
    }
}

/// Runs a test case: once, on this thread, or if the environment has `FENCE_CASE_SCHEDULES` under as
/// many schedules, as [`explore`](super::explore()) does.
///
/// # Panics
///
/// If the case does, or fails, or one of its schedules does.
#[track_caller]
pub fn kunit_case<R: CaseResult>(case: impl Fn() -> R + Send + Sync + 'static) {
    let body = move || case().expect_passed();
    match variable("FENCE_CASE_SCHEDULES") {
        None | Some(0) => body(),
        Some(schedules) => {
            let schedules = usize::try_from(schedules).unwrap_or(usize::MAX);
            let explorer = Explorer::new().schedules(schedules).from_environment();
            if let Err(failure) = explorer.run(body) {
                panic!("{failure}");
            }
        }
    }
}

/// As [`kunit_case`], for a case of a suite. If the environment has `FENCE_KTAP`, what came out of a
/// suite is printed as KTAP once all of its cases have ended.
#[doc(hidden)]
#[track_caller]
pub fn case_of_suite<R: CaseResult>(
    suite: &'static str,
    cases: &'static [&'static str],
    name: &'static str,
    case: impl Fn() -> R + Send + Sync + 'static,
) {
    if variable("FENCE_KTAP").is_none() {
        return kunit_case(case);
    }
    // A case that fails panics.
    let ended = |passed| ktap::ended(suite, cases, name, passed);
    let mut passed = ScopeGuard::new_with_data(false, ended);
    kunit_case(case);
    *passed = true;
}
