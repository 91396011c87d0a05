// SPDX-License-Identifier: GPL-2.0-only
//! The mistakes against which the patterns are. A line that is to be named ends with the word BUG.

use dma_fence::{
    testing::{context, issue_arc, Plain},
    Fence, FenceCallback, FenceCallbackRegistration, FenceContext, FenceContextOps, Signalling,
};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{aref::ARef, Arc, SpinLockIrq},
    testing::{memory::fail_nth, spawn},
};

struct Pairs;

impl FenceContextOps for Pairs {
    type FenceDataType = Option<ARef<Fence>>;
}

/// The fence of a draw has that of its copy as its data, and so was allocated after that was made.
pub(crate) fn memory_of_the_second_after_the_first(wrong: bool) -> Result {
    let timeline = context(Pairs)?;
    let allocate = |after| FenceContext::new_arc_fence_allocation(&timeline, after);
    let submit = || -> Result {
        let copy = allocate(None)?;
        let draw = match wrong {
            true => None,
            false => Some(allocate(None)?),
        };
        let copy = copy.new_fence(); // BUG
        let draw = match draw {
            Some(draw) => draw,
            None => allocate(Some(copy.as_fence().into()))?,
        };
        draw.new_fence().signal(Ok(()));
        copy.signal(Ok(()));
        Ok(())
    };
    let _ = fail_nth(2, submit);
    Ok(())
}

/// A callback on a fence of the same submission takes memory when the fence is there.
pub(crate) fn memory_of_the_callback_after_the_fence(wrong: bool) -> Result {
    let timeline = context(Plain)?;
    let memory = FenceContext::new_arc_fence_allocation(&timeline, ())?;
    let before = match wrong {
        true => None,
        false => Some(KBox::new_uninit(GFP_KERNEL)?),
    };
    let signalling = Signalling::begin(); // BUG
    let copy = memory.new_fence();
    let memory = match before {
        Some(memory) => memory,
        None => KBox::new_uninit(GFP_KERNEL)?, // BUG
    };
    let nothing = FenceCallbackRegistration::new(copy.as_fence(), Nothing);
    let registration = memory.write_pin_init(nothing);
    copy.signal(Ok(()));
    drop((registration, signalling));
    Ok(())
}

struct Nothing;

impl FenceCallback for Nothing {
    fn on_signal(&mut self) {}
}

/// An interrupt signals a fence that is the last user of its timeline.
pub(crate) fn last_user_of_a_timeline_in_an_interrupt(wrong: bool) -> Result {
    let timeline = context(Plain)?;
    let (job, _fence) = issue_arc(&timeline)?;
    let lock = KBox::pin_init(new_spinlock_irq!((), "lock"), GFP_KERNEL)?;
    let job_keeps = (!wrong).then(|| timeline.clone());
    drop(timeline);
    let interrupts_off = lock.lock();
    job.signal(Ok(())); // BUG
    drop(interrupts_off);
    drop(job_keeps);
    Ok(())
}

#[pin_data]
struct Queue {
    #[pin]
    jobs: SpinLockIrq<u32>,
}

struct Count(Arc<Queue>);

impl FenceCallback for Count {
    fn on_signal(&mut self) {
        *self.0.jobs.lock() += 1;
    }
}

/// A registration is dropped under the lock that its callback takes.
pub(crate) fn registration_dropped_under_the_lock(wrong: bool) {
    let queue = pin_init!(Queue { jobs <- new_spinlock_irq!(0, "Queue::jobs") });
    let queue = Arc::pin_init(queue, GFP_KERNEL).unwrap();
    let timeline = context(Plain).unwrap();
    let (job, fence) = issue_arc(&timeline).unwrap();
    let init = FenceCallbackRegistration::new(&fence, Count(queue.clone()));
    let registration = KBox::try_pin_init(init, GFP_KERNEL);
    spawn(move || job.signal(Ok(())));
    let jobs = queue.jobs.lock();
    if wrong {
        drop(registration);
        drop(jobs);
    } else {
        drop(jobs);
        drop(registration);
    }
    fence.wait();
}
