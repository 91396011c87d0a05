// SPDX-License-Identifier: GPL-2.0-only

//! No field is initialised twice.

use pin_init::init;

struct S {
    a: Vec<u8>,
}

fn main() {
    let _ = init!(S { a: Vec::new(), a: Vec::new() });
}
