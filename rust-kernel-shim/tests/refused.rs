// SPDX-License-Identifier: GPL-2.0-only

//! Code that the kernel refuses, and this crate with it.

#[test]
fn refused() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
