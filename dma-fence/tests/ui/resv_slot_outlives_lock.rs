// SPDX-License-Identifier: GPL-2.0-only
//! What was reserved is reserved as long as the lock is held.

use dma_fence::{DmaResv, DmaResvUsage, Fence};
use kernel::error::Result;

fn add(resv: &DmaResv, fence: &Fence) -> Result {
    let mut guard = resv.lock();
    let slot = guard.reserve_one()?;
    drop(guard);
    slot.add(fence, DmaResvUsage::Read);
    Ok(())
}

fn main() {
    let _ = add;
}
