// SPDX-License-Identifier: GPL-2.0-only
//! Memory for one node makes one node.

use dma_fence::{FenceChainAllocation, Unchained};

fn twice(memory: FenceChainAllocation, fence: &Unchained) {
    let first = memory.new_node(None, fence, 1);
    let _ = memory.new_node(Some(&first), fence, 2);
}

fn main() {}
