// SPDX-License-Identifier: GPL-2.0-only
//! Locks inside locks, and waits under them, as drivers nest them, beside what looks like it and is
//! wrong.

use crate::{timeline, Ops};
use dma_fence::{
    ArcDriverFence, Fence, FenceCallback, FenceCallbackRegistration, FenceContext, Signalling,
};
use kernel::{
    alloc::flags::{GFP_ATOMIC, GFP_NOWAIT},
    new_mutex, new_spinlock_irq, new_srcu,
    prelude::*,
    sync::{aref::ARef, Arc, Completion, Mutex, SpinLockIrq, Srcu},
    workqueue,
};

#[pin_data]
struct Ring {
    /// The jobs, in whose order they are signalled.
    #[pin]
    jobs: SpinLockIrq<u32>,
    /// What the hardware is told.
    #[pin]
    told: Mutex<u32>,
    /// Held by a task that may wait.
    #[pin]
    clients: Mutex<u32>,
    /// What is left to do at the end.
    #[pin]
    stopped: Mutex<u32>,
    #[pin]
    idle: Completion,
    #[pin]
    users: Srcu,
    wrong: bool,
}

fn ring(wrong: bool) -> Result<Arc<Ring>> {
    let ring = try_pin_init!(Ring {
        jobs <- new_spinlock_irq!(0, "Ring::jobs"),
        told <- new_mutex!(0, "Ring::told"),
        clients <- new_mutex!(0, "Ring::clients"),
        stopped <- new_mutex!(0, "Ring::stopped"),
        idle <- Completion::new(),
        users <- new_srcu!("Ring::users"),
        wrong,
    });
    Arc::pin_init(ring, GFP_KERNEL)
}

fn issue() -> Result<ArcDriverFence<Ops>> {
    issue_of(&timeline()?)
}

fn issue_of(timeline: &Arc<FenceContext<Ops>>) -> Result<ArcDriverFence<Ops>> {
    Ok(FenceContext::new_arc_fence_allocation(timeline, ())?.new_fence())
}

/// The next job is told to the hardware when the one before it has signalled.
struct Next(Arc<Ring>, Option<ArcDriverFence<Ops>>);

impl FenceCallback for Next {
    fn on_signal(&mut self) {
        let (ring, next) = (self.0.clone(), self.1.take());
        let tell = move || {
            *ring.told.lock() += 1; // BUG: work_that_a_callback_queues
            if let Some(next) = next {
                next.signal(Ok(()));
            }
        };
        match self.0.wrong {
            true => tell(),
            false => drop(workqueue::system().try_spawn(GFP_ATOMIC, tell)),
        }
    }
}

/// What sleeps, and what signals a fence of another timeline, is left to an item of work.
pub(super) fn work_that_a_callback_queues(wrong: bool) -> Result {
    let ring = ring(wrong)?;
    let (first, second) = (issue()?, issue()?);
    let last = ARef::<Fence>::from(second.as_fence());
    let next = FenceCallbackRegistration::new(first.as_fence(), Next(ring, Some(second)));
    let registration = KBox::try_pin_init(next, GFP_KERNEL).map_err(Error::from)?;
    first.signal(Ok(()));
    last.wait();
    drop(registration);
    Ok(())
}

/// One more job is done.
struct Done(Arc<Ring>);

impl FenceCallback for Done {
    fn on_signal(&mut self) {
        if self.0.wrong {
            *self.0.jobs.lock() += 1; // BUG: signal_under_the_lock_of_the_ring
        } else if let Some(mut jobs) = self.0.jobs.try_lock() {
            *jobs += 1;
        }
    }
}

/// Jobs are signalled under the lock of the ring, which keeps their order. So a callback may take that
/// lock only if it is free.
pub(super) fn signal_under_the_lock_of_the_ring(wrong: bool) -> Result {
    let ring = ring(wrong)?;
    // Dropping it waits, so the last job that has it does not.
    let timeline = timeline()?;
    let (job, other) = (issue_of(&timeline)?, issue_of(&timeline)?);
    let done = FenceCallbackRegistration::new(other.as_fence(), Done(ring.clone()));
    let registration = KBox::try_pin_init(done, GFP_KERNEL).map_err(Error::from)?;
    other.signal(Ok(()));
    let mut jobs = ring.jobs.lock();
    *jobs += 1;
    job.signal(Ok(())); // BUG: signal_under_the_lock_of_the_ring
    drop(jobs);
    drop(registration);
    Ok(())
}

/// A mutex and memory that is not reclaimed, in the section; a wait under another lock outside of it.
pub(super) fn mutex_in_the_signalling_section(wrong: bool) -> Result {
    let ring = ring(wrong)?;
    let job = issue()?;
    let fence = ARef::<Fence>::from(job.as_fence());
    let signalling = Signalling::begin();
    *ring.told.lock() += 1; // BUG: mutex_in_the_signalling_section
    drop(KBox::new(0, GFP_NOWAIT));
    job.signal(Ok(()));
    drop(signalling);
    let told = ring.told.lock();
    let told = wrong.then_some(told);
    fence.wait(); // BUG: mutex_in_the_signalling_section
    drop(told);
    Ok(())
}

/// A worker that has told the hardware to stop completes what another task waits for, which holds
/// nothing meanwhile.
pub(super) fn completion_that_is_waited_for(wrong: bool) -> Result {
    let ring = ring(wrong)?;
    let other = ring.clone();
    let clients = ring.clients.lock(); // BUG: completion_that_is_waited_for
    let stop = move || {
        *other.clients.lock() += 1;
        other.idle.complete_all();
    };
    workqueue::system().try_spawn(GFP_KERNEL, stop)?;
    let clients = wrong.then_some(clients);
    ring.idle.wait_for_completion(); // BUG: completion_that_is_waited_for
    drop(clients);
    Ok(())
}

/// A worker waits for one fence, and completes what the task waits for that signals another: before its
/// section, but not inside.
pub(super) fn completion_in_the_signalling_section(wrong: bool) -> Result {
    let ring = ring(wrong)?;
    let (first, job) = (issue()?, issue()?);
    let fence = ARef::<Fence>::from(first.as_fence());
    let other = ring.clone();
    let stop = move || {
        fence.wait(); // BUG: completion_in_the_signalling_section
        other.idle.complete_all();
    };
    workqueue::system().try_spawn(GFP_KERNEL, stop)?;
    first.signal(Ok(()));
    ring.idle.wait_for_completion();
    let signalling = Signalling::begin();
    if wrong {
        // It is done already, but another time it may not be.
        ring.idle.wait_for_completion(); // BUG: completion_in_the_signalling_section
    }
    job.signal(Ok(()));
    drop(signalling);
    Ok(())
}

/// A worker signals a job when it has stopped the ring, and completes what it does last. Who has waited
/// for the job may hold the mutex while he waits for the end.
pub(super) fn completion_after_the_fence(wrong: bool) -> Result {
    let ring = ring(wrong)?;
    let job = issue()?;
    let fence = ARef::<Fence>::from(job.as_fence());
    let other = ring.clone();
    let tell = move || {
        if !other.wrong {
            *other.stopped.lock() += 1;
        }
        job.signal(Ok(()));
        if other.wrong {
            *other.stopped.lock() += 1; // BUG: completion_after_the_fence
        }
        other.idle.complete_all();
    };
    workqueue::system().try_spawn(GFP_KERNEL, tell)?;
    fence.wait();
    ring.idle.wait_for_completion();
    let stopped = ring.stopped.lock();
    ring.idle.wait_for_completion(); // BUG: completion_after_the_fence
    drop(stopped);
    Ok(())
}

/// A reader of SRCU sleeps, with a mutex and for a fence; who waits for readers is none.
pub(super) fn reader_that_sleeps(wrong: bool) -> Result {
    let ring = ring(wrong)?;
    let job = issue()?;
    let fence = ARef::<Fence>::from(job.as_fence());
    workqueue::system().try_spawn(GFP_KERNEL, move || job.signal(Ok(())))?;
    let user = ring.users.read_lock(); // BUG: reader_that_sleeps
    let mut clients = ring.clients.lock();
    fence.wait();
    *clients += 1;
    drop(clients);
    let user = wrong.then_some(user);
    ring.users.synchronize(); // BUG: reader_that_sleeps
    drop(user);
    Ok(())
}
