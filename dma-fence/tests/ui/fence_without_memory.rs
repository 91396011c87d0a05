// SPDX-License-Identifier: GPL-2.0-only
//! Rule `no-alloc-at-submit`: a fence comes from memory that was taken before, so it cannot fail.

use dma_fence::{DriverFence, FenceContext, FenceContextOps};

fn submit<T: FenceContextOps>(context: &FenceContext<T>) -> DriverFence<'_, T> {
    context.new_fence()
}

fn main() {
    let _ = submit::<Ops>;
}

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}
