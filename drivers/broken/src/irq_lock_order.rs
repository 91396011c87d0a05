// SPDX-License-Identifier: GPL-2.0-only
//! An importer whose callbacks take a lock that it also takes elsewhere.

use crate::timeline;
use dma_fence::{FenceCallback, FenceCallbackRegistration};
use kernel::{
    prelude::*,
    sync::{new_spinlock, new_spinlock_irq, Arc, SpinLock, SpinLockIrq},
};

#[pin_data]
struct Jobs {
    wrong: bool,
    #[pin]
    plain: SpinLock<u32>,
    #[pin]
    irq: SpinLockIrq<u32>,
}

impl Jobs {
    fn count(&self) {
        if self.wrong {
            *self.plain.lock() += 1; // An interrupt may come, and signal.
        } else {
            *self.irq.lock() += 1;
        }
    }
}

struct Count(Arc<Jobs>);

impl FenceCallback for Count {
    fn on_signal(&mut self) {
        self.0.count();
    }
}

pub(crate) fn run(wrong: bool) -> Result {
    let timeline = timeline()?;
    let job = timeline.new_fence_allocation(())?.new_fence();
    let jobs = pin_init!(Jobs {
        wrong,
        plain <- new_spinlock!(0, "Jobs::plain"),
        irq <- new_spinlock_irq!(0, "Jobs::irq"),
    });
    let jobs = Arc::pin_init(jobs, GFP_KERNEL)?;
    let count = FenceCallbackRegistration::new(job.as_fence(), Count(jobs.clone()));
    let _registration = KBox::try_pin_init(count, GFP_KERNEL).map_err(Error::from)?;
    jobs.count();
    job.signal(Ok(()));
    Ok(())
}
