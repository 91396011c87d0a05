// SPDX-License-Identifier: GPL-2.0-only
//! What threads that run freely leave behind is printed at the exit of their process.

#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use kernel::{prelude::*, testing::test_alone};

#[test]
#[ignore = "leaves memory behind: run by what_is_left_is_printed_and_fails_nothing()"]
fn leaves_memory_behind() {
    core::mem::forget(KBox::new(1, GFP_KERNEL));
    drop(KBox::new(1, GFP_KERNEL));
}

#[test]
fn what_is_left_is_printed_and_fails_nothing() {
    let (passed, said) = test_alone("leaves_memory_behind", &[]);
    assert!(passed);
    let at = "\n  1 of 8 bytes allocated at rust-kernel-shim/tests/left_at_exit.rs:12\n";
    let words = format!("memory left behind at exit:{at}");
    assert!(said.ends_with(&words), "{said}");
}
