// SPDX-License-Identifier: GPL-2.0-only

//! What stays where it is says which of its fields stay with it.

use pin_init::pin_init;

struct S {
    a: u32,
}

fn main() {
    let _ = pin_init!(S { a: 1 });
}
