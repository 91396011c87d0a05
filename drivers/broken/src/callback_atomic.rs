// SPDX-License-Identifier: GPL-2.0-only
//! An importer that counts the jobs that are done.

use crate::timeline;
use dma_fence::{FenceCallback, FenceCallbackRegistration};
use kernel::{
    prelude::*,
    sync::{new_mutex, new_spinlock_irq, Arc, Mutex, SpinLockIrq},
};

#[pin_data]
struct Jobs {
    wrong: bool,
    #[pin]
    by_mutex: Mutex<u32>,
    #[pin]
    by_spinlock: SpinLockIrq<u32>,
}

struct Count(Arc<Jobs>);

impl FenceCallback for Count {
    fn on_signal(&mut self) {
        if self.0.wrong {
            *self.0.by_mutex.lock() += 1; // A callback is atomic, and a mutex sleeps.
        } else {
            *self.0.by_spinlock.lock() += 1;
        }
    }
}

pub(crate) fn run(wrong: bool) -> Result {
    let timeline = timeline()?;
    let job = timeline.new_fence_allocation(())?.new_fence();
    let jobs = pin_init!(Jobs {
        wrong,
        by_mutex <- new_mutex!(0, "Jobs::by_mutex"),
        by_spinlock <- new_spinlock_irq!(0, "Jobs::by_spinlock"),
    });
    let jobs = Arc::pin_init(jobs, GFP_KERNEL)?;
    let count = FenceCallbackRegistration::new(job.as_fence(), Count(jobs.clone()));
    let _registration = KBox::try_pin_init(count, GFP_KERNEL).map_err(Error::from)?;
    job.signal(Ok(()));
    assert_eq!(*jobs.by_spinlock.lock(), u32::from(!wrong));
    Ok(())
}
