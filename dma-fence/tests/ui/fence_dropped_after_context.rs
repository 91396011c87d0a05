// SPDX-License-Identifier: GPL-2.0-only
//! A borrowed fence is finished, at the latest when it is dropped, while its timeline is alive.

use dma_fence::{FenceContext, FenceContextOps};
use kernel::prelude::*;

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

fn main() -> Result {
    let fence;
    let context = KBox::pin_init(FenceContext::new(1, c"driver", c"ring", Ops), GFP_KERNEL)?;
    fence = context.new_fence_allocation(())?.new_fence();
    let _ = fence.as_fence();
    Ok(())
}
