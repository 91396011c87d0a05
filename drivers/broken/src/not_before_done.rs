// SPDX-License-Identifier: GPL-2.0-only
//! A reset that signals what is left in the ring as if it were done.

use crate::ring;
use dma_fence::FenceContext;
use kernel::{prelude::*, sync::atomic::Release};

pub(crate) fn run(wrong: bool) -> Result {
    let ring = ring()?;
    let done = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    let hangs = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    ring.data().0.store(u32::MAX, Release);
    done.signal(Ok(()));
    if wrong {
        hangs.signal(Ok(()));
    } else {
        hangs.signal(Err(EIO));
    }
    Ok(())
}
