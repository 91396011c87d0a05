// SPDX-License-Identifier: GPL-2.0-only
//! What suites of KUnit are rewritten to where the kernel has no KUnit: functions that C can ask for.

use kernel::ffi::c_int;

unsafe extern "C" {
    /// The case that runs has failed: does not return to it.
    fn kunit_failed(file: *const u8, file_len: c_int, line: c_int, text: *const u8, text_len: c_int);
}

/// What a case returns.
pub(crate) trait Outcome {
    fn passed(&self) -> bool;
}

impl Outcome for () {
    fn passed(&self) -> bool {
        true
    }
}

impl<T, E> Outcome for Result<T, E> {
    fn passed(&self) -> bool {
        self.is_ok()
    }
}

pub(crate) fn failed(file: &str, line: u32, text: &str) {
    let (file_len, text_len) = (file.len() as c_int, text.len() as c_int);
    // SAFETY: Both texts have these lengths, and are not kept.
    unsafe { kunit_failed(file.as_ptr(), file_len, line as c_int, text.as_ptr(), text_len) };
}

macro_rules! check {
    ($condition:expr $(,)?) => {
        if !$condition {
            crate::kunit_runner::failed(file!(), line!(), stringify!($condition));
        }
    };
}

macro_rules! check_eq {
    ($left:expr, $right:expr $(,)?) => {
        crate::kunit_runner::assert!($left == $right)
    };
}

/// The function that returns the `n`th case of a suite, and its name.
macro_rules! suite {
    ($symbol:ident: $($name:literal $case:ident)*) => {
        #[no_mangle]
        extern "C" fn $symbol(
            n: usize,
            name: &mut *const kernel::ffi::c_char,
        ) -> Option<extern "C" fn() -> bool> {
            let cases: &[(&core::ffi::CStr, extern "C" fn() -> bool)] = &[$(($name, {
                extern "C" fn run() -> bool {
                    crate::kunit_runner::outcome($case())
                }
                run
            })),*];
            let (text, case) = cases.get(n)?;
            *name = text.as_ptr().cast();
            Some(*case)
        }
    };
}

pub(crate) fn outcome(outcome: impl Outcome) -> bool {
    outcome.passed()
}

pub(crate) use {
    check as assert,
    check_eq as assert_eq,
    suite, //
};
