// SPDX-License-Identifier: GPL-2.0-only
//! What may not be done where it is done: locks, allocations and drops in the wrong context.

use crate::{timeline, Ops};
use dma_fence::{
    Fence, FenceCallback, FenceCallbackRegistration, FenceContext, FenceContextOps, Signalling,
};
use kernel::{
    alloc::flags::GFP_NOWAIT,
    prelude::*,
    sync::{aref::ARef, new_spinlock, new_spinlock_irq, Arc, SpinLock, SpinLockIrq},
    workqueue,
};

#[pin_data]
struct Queue {
    #[pin]
    plain: SpinLock<u32>,
    #[pin]
    irq: SpinLockIrq<u32>,
    wrong: bool,
}

impl Queue {
    fn add(&self, n: u32) {
        match self.wrong {
            true => *self.plain.lock() += n, // BUG
            false => *self.irq.lock() += n,
        }
    }
}

struct Process(Arc<Queue>);

impl FenceCallback for Process {
    fn on_signal(&mut self) {
        self.0.add(1);
    }
}

/// Callbacks take the lock of a list, and so does an ioctl, with interrupts on.
pub(crate) fn lock_of_callbacks_with_interrupts_on(wrong: bool) -> Result {
    let timeline = timeline()?;
    let job = FenceContext::new_arc_fence_allocation(&timeline, ())?.new_fence();
    let fence = ARef::<Fence>::from(job.as_fence());
    let queue = pin_init!(Queue {
        plain <- new_spinlock!(0, "Queue::plain"),
        irq <- new_spinlock_irq!(0, "Queue::irq"),
        wrong,
    });
    let queue = Arc::pin_init(queue, GFP_KERNEL)?;
    queue.add(1);
    let registration = FenceCallbackRegistration::new(&fence, Process(queue.clone()));
    let registration = KBox::try_pin_init(registration, GFP_KERNEL).map_err(Error::from)?;
    let signal = move || job.signal(Ok(()));
    workqueue::system()
        .try_spawn(GFP_KERNEL, signal)
        .map_err(Error::from)?;
    fence.wait();
    queue.add(1);
    drop(registration);
    Ok(())
}

/// A job whose fence carries it, and which keeps the timeline of that fence.
struct Cycle;

impl FenceContextOps for Cycle {
    type FenceDataType = Option<Arc<FenceContext<Cycle>>>;
}

/// The last reference to a timeline is that of a fence's data, which an RCU callback drops.
pub(crate) fn timeline_dropped_in_a_callback(wrong: bool) -> Result {
    let timeline = FenceContext::new(1, c"broken", c"ring0", Cycle);
    let timeline = Arc::pin_init(timeline, GFP_KERNEL)?;
    let data = wrong.then(|| timeline.clone());
    let job = FenceContext::new_arc_fence_allocation(&timeline, data)?.new_fence(); // BUG
    let fence = ARef::<Fence>::from(job.as_fence());
    if wrong {
        drop(timeline);
        job.signal(Ok(())); // BUG
        drop(fence); // BUG
    } else {
        job.signal(Ok(()));
        drop(fence);
        drop(timeline);
    }
    Ok(())
}

/// An allocation that may wait for memory, which may wait for the very fence that is to signal.
pub(crate) fn allocation_in_the_signalling_section(wrong: bool) -> Result {
    let timeline = timeline()?;
    let job = FenceContext::<Ops>::new_arc_fence_allocation(&timeline, ())?.new_fence();
    let flags = if wrong { GFP_KERNEL } else { GFP_NOWAIT };
    let signalling = Signalling::begin(); // BUG
    let note = KBox::new(1, flags); // BUG
    job.signal(Ok(()));
    drop(signalling);
    drop(note);
    Ok(())
}
