// SPDX-License-Identifier: GPL-2.0-only
//! Rule `signal-once`: a fence is signalled once, and then its issuer has nothing left to use.

use dma_fence::{DriverFence, FenceContextOps};

fn finish<T: FenceContextOps>(fence: DriverFence<'_, T>) -> u64 {
    fence.signal(Ok(()));
    fence.as_fence().seqno()
}

fn main() {
    let _ = finish::<Ops>;
}

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}
