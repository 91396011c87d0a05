// SPDX-License-Identifier: GPL-2.0-only

//! A field is initialised with what is of its type.

use kernel::{new_mutex, prelude::*, sync::SpinLock};

#[pin_data]
struct Ring {
    #[pin]
    jobs: SpinLock<u32>,
}

fn main() {
    let _ = KBox::pin_init(pin_init!(Ring { jobs <- new_mutex!(0) }), GFP_KERNEL);
}
