// SPDX-License-Identifier: GPL-2.0-only
//! Fences know their timeline by its address, so it does not move.

use dma_fence::{FenceContext, FenceContextOps};
use kernel::prelude::*;

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

fn main() -> Result {
    let context = KBox::pin_init(FenceContext::new(1, c"driver", c"ring", Ops), GFP_KERNEL)?;
    let _moved = KBox::into_inner(Pin::into_inner(context));
    Ok(())
}
