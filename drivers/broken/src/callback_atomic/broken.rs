// SPDX-License-Identifier: GPL-2.0-only
//! An importer that counts the jobs that are done.

use crate::timeline;
use dma_fence::{FenceCallback, FenceCallbackRegistration};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

#[pin_data]
struct Jobs {
    #[pin]
    done: Mutex<u32>, // A callback is atomic, and a mutex sleeps.
}

struct Count(Arc<Jobs>);

impl FenceCallback for Count {
    fn on_signal(&mut self) {
        *self.0.done.lock() += 1;
    }
}

pub(crate) fn run() -> Result {
    let timeline = timeline()?;
    let job = timeline.new_fence_allocation(())?.new_fence();
    let done = pin_init!(Jobs { done <- new_mutex!(0, "Jobs::done") });
    let jobs = Arc::pin_init(done, GFP_KERNEL)?;
    let count = FenceCallbackRegistration::new(job.as_fence(), Count(jobs.clone()));
    let _registration = KBox::try_pin_init(count, GFP_KERNEL).map_err(Error::from)?;
    job.signal(Ok(()));
    Ok(())
}
