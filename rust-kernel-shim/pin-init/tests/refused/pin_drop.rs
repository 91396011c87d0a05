// SPDX-License-Identifier: GPL-2.0-only

//! A pinned structure has no `Drop`, which could move it, and no `PinnedDrop` that is not called.

use pin_init::{pin_data, pinned_drop};
use std::pin::Pin;

#[pin_data]
struct Dropped {
    a: u32,
}

impl Drop for Dropped {
    fn drop(&mut self) {}
}

#[pin_data]
struct Forgotten {
    a: u32,
}

#[pinned_drop]
impl PinnedDrop for Forgotten {
    fn drop(self: Pin<&mut Self>) {}
}

#[pin_data(PinnedDrop)]
struct Missing {
    a: u32,
}

fn main() {}
