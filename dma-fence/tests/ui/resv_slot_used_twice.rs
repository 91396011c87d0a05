// SPDX-License-Identifier: GPL-2.0-only
//! A slot that was reserved takes one fence.

use dma_fence::{DmaResv, DmaResvUsage, Fence};
use kernel::error::Result;

fn add(resv: &DmaResv, fence: &Fence) -> Result {
    let mut guard = resv.lock();
    let slot = guard.reserve_one()?;
    slot.add(fence, DmaResvUsage::Read);
    slot.add(fence, DmaResvUsage::Write);
    Ok(())
}

fn main() {
    let _ = add;
}
