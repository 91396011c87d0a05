// SPDX-License-Identifier: GPL-2.0-only

//! A name that means a field in one world and a variable in the other.

use kernel::prelude::*;

struct S {
    a: u32,
    b: bool,
}

fn main() {
    let a = 1u32;
    let _ = init!(S {
        a: a + 1,
        b: a.is_power_of_two(),
    });
}
