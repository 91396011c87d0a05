// SPDX-License-Identifier: GPL-2.0-only
//! Rule `no-ops-identity`: a fence does not give its ops, which are gone once it has signalled.

use dma_fence::Fence;

fn is_mine(fence: &Fence, mine: &Fence) -> bool {
    fence.ops() == mine.ops()
}

fn main() {
    let _ = is_mine;
}
