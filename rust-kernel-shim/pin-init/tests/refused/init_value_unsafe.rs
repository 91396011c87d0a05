// SPDX-License-Identifier: GPL-2.0-only

//! What stands in an initialiser is in no unsafe block of the macro.

use pin_init::init;

struct S {
    a: u32,
    b: u32,
}

fn main() {
    let number = &raw const NUMBER;
    let _ = init!(S { a: *number, b <- *number, _: { let _ = *number; } });
}

static NUMBER: u32 = 1;
