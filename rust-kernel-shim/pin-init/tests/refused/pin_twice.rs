// SPDX-License-Identifier: GPL-2.0-only

//! A field has one `#[pin]`, and is one of a structure with names.

use pin_init::pin_data;

#[pin_data]
struct Twice {
    #[pin]
    #[pin]
    a: u32,
}

#[pin_data]
struct Tuple(#[pin] u32);

#[pin_data]
enum Enum {
    A { a: u32 },
}

fn main() {}
