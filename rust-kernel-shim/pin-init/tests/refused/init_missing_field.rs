// SPDX-License-Identifier: GPL-2.0-only

//! Every field is initialised.

use pin_init::init;

struct S {
    a: u32,
    b: u32,
}

fn main() {
    let _ = init!(S { a: 1 });
}
