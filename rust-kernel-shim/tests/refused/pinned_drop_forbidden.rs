// SPDX-License-Identifier: GPL-2.0-only

//! `#[pinned_drop]` is unsafe code.

#![forbid(unsafe_code)]

use kernel::prelude::*;

#[pin_data(PinnedDrop)]
struct S {
    a: u32,
}

#[pinned_drop]
impl PinnedDrop for S {
    fn drop(self: Pin<&mut Self>) {}
}

fn main() {}
