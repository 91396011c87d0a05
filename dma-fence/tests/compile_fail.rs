// SPDX-License-Identifier: GPL-2.0-only
//! What the types forbid, and what the compiler says to it: the same in every flavour.
#![cfg(feature = "debug")]

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
