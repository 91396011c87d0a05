// SPDX-License-Identifier: GPL-2.0-only
//! A driver that is unloaded while somebody has the fence of a job.

use dma_fence::{ArcDriverFence, FenceContext, FenceContextOps};
use kernel::{prelude::*, sync::Arc, testing::insmod};

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

struct Driver {
    context: Arc<FenceContext<Ops>>,
}

impl kernel::Module for Driver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let context = FenceContext::new(1, c"broken", c"ring0", Ops);
        let context = Arc::pin_init(context, GFP_KERNEL)?;
        Ok(Self { context })
    }
}

impl Driver {
    fn submit(&self) -> Result<ArcDriverFence<Ops>> {
        Ok(FenceContext::new_arc_fence_allocation(&self.context, ())?.new_fence())
    }
}

module! {
    type: Driver,
    name: "broken",
    license: "GPL",
}

pub(crate) fn run() -> Result {
    let driver = insmod::<Driver>()?;
    let job = driver.submit()?;
    let fence: kernel::sync::aref::ARef<dma_fence::Fence> = job.as_fence().into();
    job.signal(Err(ENODEV));
    drop(driver);
    fence.wait();
    Ok(())
}
