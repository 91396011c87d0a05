// SPDX-License-Identifier: GPL-2.0-only

//! No initialiser says that it is done before it is.

use pin_init::init;

struct S {
    a: u32,
    b: u32,
}

fn main() {
    let _ = init!(S { a: return Ok(()), b: 1 });
}
