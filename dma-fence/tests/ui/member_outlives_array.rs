// SPDX-License-Identifier: GPL-2.0-only
//! A member of an array that is borrowed from it is not used when it is gone.

use dma_fence::{Fence, FenceArray};
use kernel::sync::aref::ARef;

fn first(array: ARef<FenceArray>) -> u64 {
    let member: Option<&Fence> = array.members().next();
    drop(array);
    member.map_or(0, |member| member.seqno())
}

fn main() {
    let _ = first;
}
