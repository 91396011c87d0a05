// SPDX-License-Identifier: GPL-2.0-only

//! A field that is initialised is lent to the initialisers after it, and no longer.

use pin_init::init;

struct S<'a> {
    a: u32,
    b: Option<&'a mut u32>,
}

fn main() {
    let _ = init!(S { a: 1, b: Some(a) });
}
