// SPDX-License-Identifier: GPL-2.0-only

//! What must not move wants `#[pin]` at its field, and is told so.

use kernel::{new_spinlock, prelude::*, sync::SpinLock};

#[pin_data]
struct Ring {
    jobs: SpinLock<u32>,
}

fn main() {
    let _ = KBox::pin_init(pin_init!(Ring { jobs <- new_spinlock!(0) }), GFP_KERNEL);
}
