// SPDX-License-Identifier: GPL-2.0-only

//! What is initialised to stay cannot be initialised to be moved.

use kernel::{new_mutex, prelude::*, sync::Mutex};

#[pin_data]
struct S {
    #[pin]
    a: Mutex<u32>,
}

fn main() {
    let _ = init!(S { a <- new_mutex!(1) });
    let _ = KBox::init(pin_init!(S { a <- new_mutex!(1) }), GFP_KERNEL);
}
