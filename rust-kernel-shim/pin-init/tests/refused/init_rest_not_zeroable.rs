// SPDX-License-Identifier: GPL-2.0-only

//! Zeroes are for what may be zero.

use pin_init::{init, Zeroable};

struct S {
    a: u32,
    b: Box<u32>,
}

fn main() {
    let _ = init!(S { a: 1, ..Zeroable::init_zeroed() });
}
