// SPDX-License-Identifier: GPL-2.0-only
//! A driver that is unloaded while an importer has the fence of a job.

use crate::{timeline, Ops};
use dma_fence::{ArcDriverFence, Fence, FenceContext};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc},
    testing::insmod,
};

struct Driver {
    timeline: Arc<FenceContext<Ops>>,
    /// What an ioctl would call.
    submit: fn(&Self) -> Result<ArcDriverFence<Ops>>,
}

impl kernel::Module for Driver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            timeline: timeline()?,
            submit: Self::submit,
        })
    }
}

impl Driver {
    fn submit(&self) -> Result<ArcDriverFence<Ops>> {
        Ok(FenceContext::new_arc_fence_allocation(&self.timeline, ())?.new_fence())
    }
}

module! {
    type: Driver,
    name: "broken",
    license: "GPL",
}

pub(crate) fn run(wrong: bool) -> Result {
    let driver = insmod::<Driver>()?;
    let job = (driver.submit)(&driver)?;
    let fence: ARef<Fence> = job.as_fence().into();
    if wrong {
        drop(driver);
        job.signal(Err(ENODEV)); // Too late: the ops have been unloaded.
    } else {
        job.signal(Err(ENODEV));
        drop(driver);
    }
    fence.wait();
    Ok(())
}
