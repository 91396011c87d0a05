// SPDX-License-Identifier: GPL-2.0-only
//! A fence that is borrowed from a reservation object is not used when another may have taken its place.

use dma_fence::{DmaResv, DmaResvUsage, Fence};
use kernel::error::Result;

fn add(resv: &DmaResv, fence: &Fence) -> Result<u64> {
    let mut guard = resv.lock();
    let slot = guard.reserve_one()?;
    let found = slot.fences(DmaResvUsage::Read).next();
    slot.add(fence, DmaResvUsage::Read);
    Ok(found.map_or(0, |(fence, _)| fence.seqno()))
}

fn main() {
    let _ = add;
}
