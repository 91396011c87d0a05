// SPDX-License-Identifier: GPL-2.0-only

//! A structure is `Unpin` if its pinned fields are, and not because it says so.

use core::marker::PhantomPinned;
use pin_init::pin_data;

#[pin_data]
struct Stays {
    #[pin]
    pin: PhantomPinned,
}

#[pin_data]
struct Says {
    #[pin]
    pin: PhantomPinned,
}

impl Unpin for Says {}

fn moves<T: Unpin>() {}

fn main() {
    moves::<Stays>();
}
