// SPDX-License-Identifier: GPL-2.0-only
//! Test cases of KUnit's, and examples, under whatever schedules the environment asks for.

use super::Explorer;
use core::fmt::Debug;
use machine::explore::variable;

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
