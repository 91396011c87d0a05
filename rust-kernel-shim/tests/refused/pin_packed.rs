// SPDX-License-Identifier: GPL-2.0-only

//! A field of a packed structure cannot be pinned: the destructor moves it to where it is aligned.

use kernel::{new_mutex, prelude::*, sync::Mutex};

#[pin_data]
#[cfg_attr(all(), repr(packed))]
struct Packed {
    #[pin]
    a: Mutex<u64>,
}

fn main() {
    let _ = pin_init!(Packed { a <- new_mutex!(7) });
}
