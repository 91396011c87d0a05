// SPDX-License-Identifier: GPL-2.0-only
//! A node of a chain follows others, and contains none.

use dma_fence::{Fence, FenceChain, FenceChainAllocation};
use kernel::{error::Result, sync::aref::ARef};

fn contains(node: &FenceChain, fence: &ARef<Fence>) -> Result {
    let _ = FenceChainAllocation::new()?.new_node(None, node, 2);
    // Which this may be.
    let _ = FenceChainAllocation::new()?.new_node(None, fence, 3);
    Ok(())
}

fn main() {}
