// SPDX-License-Identifier: GPL-2.0-only

//! Code that the kernel refuses, and this crate with it: the same in every flavour.
#![cfg(feature = "debug")]

mod compiler;

#[test]
fn refused() {
    compiler::refuses("tests/refused");
}
