// SPDX-License-Identifier: GPL-2.0-only
//! The data of a fence is dropped when a grace period has passed, wherever its driver is then.

use dma_fence::FenceContextOps;

struct Ops<'a>(&'a u32);

impl<'a> FenceContextOps for Ops<'a> {
    type FenceDataType = &'a u32;
}

fn main() {
    let _ = Ops(&1);
}
