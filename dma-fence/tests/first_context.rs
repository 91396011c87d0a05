// SPDX-License-Identifier: GPL-2.0-only
//! A process whose first call makes a timeline, which it leaves behind.
#![cfg(all(feature = "debug", not(any(loom, tsan))))]

use dma_fence::{testing::Plain, FenceContext};
use kernel::{
    prelude::*,
    testing::{console, vcpu::fifo},
};
use std::panic::catch_unwind;

#[test]
fn all_of_its_memory_is_the_drivers() {
    let left = catch_unwind(|| {
        fifo(|| {
            let timeline = FenceContext::new(1, c"driver", c"timeline", Plain);
            core::mem::forget(KBox::pin_init(timeline, GFP_KERNEL));
        })
    });
    assert!(left.is_err());
    // The timeline and its two names.
    let driver = "bytes allocated at dma-fence/tests/first_context.rs:";
    assert_eq!(console::said(driver), 3);
}
