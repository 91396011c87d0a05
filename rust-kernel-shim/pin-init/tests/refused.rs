// SPDX-License-Identifier: GPL-2.0-only

//! What must not compile: the macros and the types together see to it.

#[path = "../../tests/compiler/mod.rs"]
mod compiler;

#[test]
fn refused() {
    compiler::refuses("tests/refused");
}
