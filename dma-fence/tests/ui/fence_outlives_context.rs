// SPDX-License-Identifier: GPL-2.0-only
//! The issuer's side does not outlive its timeline, whose names it shows.

use dma_fence::{DriverFence, FenceContext, FenceContextOps};
use kernel::prelude::*;

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

fn fence<'a>() -> Result<DriverFence<'a, Ops>> {
    let context = KBox::pin_init(FenceContext::new(1, c"driver", c"ring", Ops), GFP_KERNEL)?;
    Ok(context.new_fence_allocation(())?.new_fence())
}

fn main() {
    let _ = fence;
}
