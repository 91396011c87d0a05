// SPDX-License-Identifier: GPL-2.0-only
//! A worker that allocates between the end of a job and its signal.

use crate::timeline;
use dma_fence::Signalling;
use kernel::prelude::*;

pub(crate) fn run(wrong: bool) -> Result {
    let timeline = timeline()?;
    let job = timeline.new_fence_allocation(())?.new_fence();
    let mut note = KVec::new();
    if !wrong {
        note.reserve(1, GFP_KERNEL)?;
    }
    let signalling = Signalling::begin();
    if wrong {
        note.reserve(1, GFP_KERNEL)?;
    }
    note.push_within_capacity(0)?;
    job.signal(Ok(()));
    drop(signalling);
    note.reserve(8, GFP_KERNEL)?;
    Ok(())
}
