// SPDX-License-Identifier: GPL-2.0-only
//! Fences that never signal, since the driver has lost them or does not see that they are done.

use crate::{timeline, Ops};
use dma_fence::{ArcDriverFence, Fence, FenceContext, FenceContextOps, PollOp};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Acquire, Atomic, Relaxed, Release},
        new_spinlock, new_spinlock_irq, Arc, SpinLock, SpinLockIrq,
    },
    testing::memory,
    time::{delay::fsleep, msecs_to_jiffies, Delta},
};

/// Hardware that counts in 32 bits.
struct Counter {
    done: Atomic<u32>,
    /// Numbers are compared as they are, not by their distance.
    wrong: bool,
}

impl FenceContextOps for Counter {
    type FenceDataType = ();
    const SIGNALED: Option<PollOp<Self>> = Some(|fence| {
        let counter = fence.context().data();
        let done = counter.done.load(Acquire);
        let reached = match counter.wrong {
            true => u64::from(done) >= fence.seqno(),
            false => done.wrapping_sub(fence.seqno() as u32) as i32 >= 0,
        };
        reached.then_some(Ok(()))
    });
}

/// A timeline goes on in 64 bits where the hardware wraps around in 32.
pub(crate) fn rollover_never_reached(wrong: bool) -> Result {
    let done = Atomic::new(u32::MAX - 1);
    let first = u64::from(u32::MAX);
    let ring = FenceContext::new(first, c"broken", c"ring0", Counter { done, wrong });
    let ring = Arc::pin_init(ring, GFP_KERNEL)?;
    let mut pending = KVec::with_capacity(3, GFP_KERNEL)?;
    let mut shared = KVec::with_capacity(3, GFP_KERNEL)?;
    for _ in 0..3 {
        let job = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence(); // BUG
        shared.push_within_capacity(ARef::<Fence>::from(job.as_fence()))?;
        pending.push_within_capacity(job)?;
        ring.data().done.add(1, Relaxed);
    }
    let mut left = KVec::with_capacity(3, GFP_KERNEL)?;
    for job in pending {
        match job.as_fence().status() {
            Some(_) => job.signal(Ok(())),
            None => left.push_within_capacity(job)?,
        }
    }
    for fence in shared.iter() {
        fence.wait(); // BUG
    }
    drop(left);
    Ok(())
}

/// Hardware with a register that says how far it is.
struct Register {
    at: Atomic<u64>,
    completed: Atomic<u64>,
}

impl FenceContextOps for Register {
    type FenceDataType = ();
    const SIGNALED: Option<PollOp<Self>> = Some(|fence| {
        let at = fence.context().data().at.load(Acquire);
        (at >= fence.seqno()).then_some(Ok(()))
    });
}

/// A resume writes into the register what the driver knew at suspend, when an interrupt was missed.
pub(crate) fn register_put_back_at_resume(wrong: bool) -> Result {
    let register = Register {
        at: Atomic::new(0),
        completed: Atomic::new(0),
    };
    let ring = FenceContext::new(1, c"broken", c"ring0", register);
    let ring = Arc::pin_init(ring, GFP_KERNEL)?;
    let job = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence(); // BUG
    let fence = ARef::<Fence>::from(job.as_fence());
    ring.data().at.store(1, Release);
    if wrong {
        let known = ring.data().completed.load(Relaxed);
        ring.data().at.store(known, Release);
    }
    for _ in 0..200 {
        if fence.status().is_some() {
            job.signal(Ok(()));
            return Ok(());
        }
        fsleep(Delta::from_secs(1));
    }
    job.signal(Err(ETIMEDOUT));
    Ok(())
}

/// A file that shares a fence with a client.
struct File(ARef<Fence>);

fn submit(
    timeline: &Arc<FenceContext<Ops>>,
    ring: &mut KVec<ArcDriverFence<Ops>>,
    wrong: bool,
) -> Result<KBox<File>> {
    let allocation = FenceContext::new_arc_fence_allocation(timeline, ())?;
    let memory = match wrong {
        true => None,
        false => Some(KBox::new_uninit(GFP_KERNEL)?),
    };
    let job = allocation.new_fence(); // BUG
    let file = File(job.as_fence().into());
    let file = match memory {
        Some(memory) => KBox::write(memory, file),
        None => KBox::new(file, GFP_KERNEL)?, // BUG
    };
    ring.push_within_capacity(job)?;
    Ok(file)
}

/// A submission makes its fence, and then fails for want of memory.
pub(crate) fn failure_after_the_point_of_no_return(wrong: bool) -> Result {
    let timeline = timeline()?;
    let mut ring = KVec::with_capacity(4, GFP_KERNEL)?;
    for nth in 1.. {
        let (file, reached) = memory::fail_nth(nth, || submit(&timeline, &mut ring, wrong));
        for job in ring.drain_all() {
            job.signal(Ok(()));
        }
        if let Ok(file) = file {
            file.0.wait();
        }
        if !reached {
            break;
        }
    }
    Ok(())
}

#[pin_data]
struct Armed {
    #[pin]
    job: SpinLock<Option<ArcDriverFence<Ops>>>,
    #[pin]
    me: SpinLock<Option<KBox<Arc<Armed>>>>,
}

/// A job that was never pushed is in a cycle of references, and so not dropped either.
pub(crate) fn armed_job_in_a_cycle(wrong: bool) -> Result {
    let timeline = timeline()?;
    let job = FenceContext::new_arc_fence_allocation(&timeline, ())?.new_fence(); // BUG
    let armed = pin_init!(Armed { job <- new_spinlock!(Some(job)), me <- new_spinlock!(None) });
    let armed = Arc::pin_init(armed, GFP_KERNEL)?;
    *armed.me.lock() = Some(KBox::new(armed.clone(), GFP_KERNEL)?);
    if !wrong {
        let job = armed.job.lock().take();
        if let Some(job) = job {
            job.signal(Err(ECANCELED));
        }
        let me = armed.me.lock().take();
        drop(me);
    }
    Ok(())
}

#[pin_data]
struct Producer {
    #[pin]
    pending: SpinLockIrq<KVec<ArcDriverFence<Ops>>>,
}

/// A producer drops the last completion of a batch; a display waits for that frame in slices.
pub(crate) fn frame_that_never_comes(wrong: bool) -> Result {
    let timeline = timeline()?;
    let mut jobs = KVec::with_capacity(3, GFP_KERNEL)?;
    for _ in 0..3 {
        let job = FenceContext::new_arc_fence_allocation(&timeline, ())?.new_fence(); // BUG
        jobs.push_within_capacity(job)?;
    }
    let frame = ARef::<Fence>::from(jobs[2].as_fence());
    let producer = pin_init!(Producer { pending <- new_spinlock_irq!(jobs) });
    let producer = Arc::pin_init(producer, GFP_KERNEL)?;
    for _ in 0..if wrong { 2 } else { 3 } {
        let oldest = producer.pending.lock().remove(0);
        if let Ok(job) = oldest {
            job.signal(Ok(()));
        }
    }
    for _ in 0..100 {
        if frame.wait_timeout(msecs_to_jiffies(2000)).is_some() {
            break;
        }
    }
    Ok(())
}

/// A reset throws away what the guilty client has in the ring; others wait for it.
pub(crate) fn reset_that_drops_the_guilty(wrong: bool) -> Result {
    let timeline = timeline()?;
    let mut ring = KVec::with_capacity(3, GFP_KERNEL)?;
    let mut waited = KVec::with_capacity(3, GFP_KERNEL)?;
    for client in [7, 8, 7] {
        let job = FenceContext::new_arc_fence_allocation(&timeline, ())?.new_fence(); // BUG
        waited.push_within_capacity(ARef::<Fence>::from(job.as_fence()))?;
        ring.push_within_capacity((client, job))?;
    }
    for (client, job) in ring {
        match client {
            7 if wrong => drop(job), // BUG
            7 => job.signal(Err(ECANCELED)),
            _ => job.signal(Ok(())),
        }
    }
    for fence in waited.iter() {
        fence.wait();
    }
    Ok(())
}

/// A watchdog takes the job out of the list, finds that the hardware goes on, and returns.
pub(crate) fn watchdog_that_loses_the_job(wrong: bool) -> Result {
    let timeline = timeline()?;
    let job = FenceContext::new_arc_fence_allocation(&timeline, ())?.new_fence(); // BUG
    let fence = ARef::<Fence>::from(job.as_fence());
    let mut pending = KVec::with_capacity(1, GFP_KERNEL)?;
    pending.push_within_capacity(job)?;
    let producer = pin_init!(Producer { pending <- new_spinlock_irq!(pending) });
    let producer = Arc::pin_init(producer, GFP_KERNEL)?;
    let watched = producer.pending.lock().remove(0);
    if wrong {
        drop(watched); // BUG
    } else if let Ok(job) = watched {
        producer.pending.lock().push_within_capacity(job)?;
    }
    let done = producer.pending.lock().remove(0);
    if let Ok(job) = done {
        job.signal(Ok(()));
    }
    fence.wait();
    Ok(())
}
