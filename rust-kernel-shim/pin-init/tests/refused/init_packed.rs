// SPDX-License-Identifier: GPL-2.0-only

//! A field of a packed structure is not aligned: it could be written only byte by byte.

use pin_init::init;

#[repr(C, packed)]
struct Packed {
    a: u8,
    b: u64,
}

fn main() {
    let _ = init!(Packed { a: 1, b: 7 });
}
