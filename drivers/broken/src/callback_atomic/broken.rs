// SPDX-License-Identifier: GPL-2.0-only
//! An importer that counts the jobs that are done.

use dma_fence::{FenceCallback, FenceCallbackRegistration, FenceContext, FenceContextOps};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

#[pin_data]
struct Jobs {
    #[pin]
    done: Mutex<u32>,
}

struct Count(Arc<Jobs>);

impl FenceCallback for Count {
    fn on_signal(&mut self) {
        *self.0.done.lock() += 1;
    }
}

pub(crate) fn run() -> Result {
    let context = FenceContext::new(1, c"broken", c"ring0", Ops);
    let context = KBox::pin_init(context, GFP_KERNEL)?;
    let job = context.new_fence_allocation(())?.new_fence();
    let done = pin_init!(Jobs { done <- new_mutex!(0, "Jobs::done") });
    let jobs = Arc::pin_init(done, GFP_KERNEL)?;
    let count = FenceCallbackRegistration::new(job.as_fence(), Count(jobs.clone()));
    let _registration = KBox::try_pin_init(count, GFP_KERNEL).map_err(Error::from)?;
    job.signal(Ok(()));
    Ok(())
}
