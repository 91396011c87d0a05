// SPDX-License-Identifier: GPL-2.0-only
//! An importer that keeps the name of a timeline for later.

use crate::timeline;
use dma_fence::Fence;
use kernel::{prelude::*, sync::rcu};

/// As much of the name as is worth keeping.
const LENGTH: usize = 32;

fn name_of(fence: &Fence, wrong: bool) -> Result<KVec<u8>> {
    let (guard, mut name);
    if wrong {
        guard = rcu::read_lock();
        name = KVec::with_capacity(LENGTH, GFP_KERNEL)?; // May sleep.
    } else {
        name = KVec::with_capacity(LENGTH, GFP_KERNEL)?;
        guard = rcu::read_lock();
    }
    for &byte in fence.timeline_name(&guard).to_bytes().iter().take(LENGTH) {
        name.push_within_capacity(byte)?;
    }
    Ok(name)
}

pub(crate) fn run(wrong: bool) -> Result {
    let timeline = timeline()?;
    let job = timeline.new_fence_allocation(())?.new_fence();
    name_of(job.as_fence(), wrong)?;
    job.signal(Ok(()));
    Ok(())
}
