// SPDX-License-Identifier: GPL-2.0-only
//! What the types forbid, and what the compiler says to it: the same in every flavour.
#![cfg(feature = "debug")]

#[path = "../../rust-kernel-shim/tests/compiler/mod.rs"]
mod compiler;

#[test]
fn misuse_does_not_compile() {
    compiler::refuses("tests/ui");
}
