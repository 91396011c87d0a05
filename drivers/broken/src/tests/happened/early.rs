// SPDX-License-Identifier: GPL-2.0-only
//! Waits that end too early: what a driver's own lists and numbers mean, no check can know.

use crate::{timeline, Ops};
use dma_fence::{ArcDriverFence, Fence, FenceContext, FenceContextOps, PollOp};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Acquire, Atomic, Release},
        Arc,
    },
    time::{delay::fsleep, Delta},
    workqueue,
};

/// A job, and its fence as others have it.
type Job = (ArcDriverFence<Ops>, ARef<Fence>);

fn jobs() -> Result<(Job, Job)> {
    let timeline = timeline()?;
    let new = || {
        let job = FenceContext::new_arc_fence_allocation(&timeline, ())?.new_fence();
        let fence = ARef::<Fence>::from(job.as_fence());
        Ok::<_, Error>((job, fence))
    };
    Ok((new()?, new()?))
}

/// Signals `job` after 10 ms.
fn signal_later(job: ArcDriverFence<Ops>) -> Result {
    let later = move || {
        fsleep(Delta::from_millis(10));
        job.signal(Ok(()));
    };
    workqueue::system()
        .try_spawn(GFP_KERNEL, later)
        .map_err(Error::from)
}

/// Hardware with a register that says how far it is.
struct Register(Atomic<u64>);

impl FenceContextOps for Register {
    type FenceDataType = ();
    const SIGNALED: Option<PollOp<Self>> = Some(|fence| {
        let at = fence.context().data().0.load(Acquire);
        (at >= fence.seqno()).then_some(Ok(()))
    });
}

/// A recovery writes what was submitted last into the register, not what was completed last.
pub(crate) fn reset_that_completes_what_was_submitted(wrong: bool) -> Result {
    let ring = FenceContext::new(1, c"broken", c"ring0", Register(Atomic::new(0)));
    let ring = Arc::pin_init(ring, GFP_KERNEL)?;
    let guilty = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    let innocent = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
    guilty.signal(Err(EIO));
    ring.data().0.store(if wrong { 2 } else { 1 }, Release);
    let early = innocent.as_fence().status().is_some();
    ring.data().0.store(2, Release);
    innocent.signal(Ok(()));
    assert_eq!(early, wrong);
    Ok(())
}

/// A merge takes memory for what is pending, and then leaves out the last instead of what is done.
pub(crate) fn merge_that_counts_too_few(wrong: bool) -> Result {
    let ((first, done), (second, pending)) = jobs()?;
    first.signal(Ok(()));
    let mut merged = KVec::with_capacity(1, GFP_KERNEL)?;
    for fence in [done, pending.clone()] {
        if !wrong && fence.is_signaled() {
            continue;
        }
        let _ = merged.push_within_capacity(fence);
    }
    signal_later(second)?;
    for fence in merged.iter() {
        fence.wait();
    }
    assert_eq!(pending.is_signaled(), !wrong);
    pending.wait();
    Ok(())
}

/// A killed queue does not wait for the dependency that its job was just waiting for.
pub(crate) fn kill_that_forgets_a_dependency(wrong: bool) -> Result {
    let ((first, dependency), (job, finished)) = jobs()?;
    signal_later(first)?;
    if !wrong {
        dependency.wait();
    }
    job.signal(Err(ECANCELED));
    finished.wait();
    assert_eq!(dependency.is_signaled(), !wrong);
    dependency.wait();
    Ok(())
}

/// A buffer keeps the last fence that it was given, and not the latest.
pub(crate) fn earlier_fence_that_replaces_a_later(wrong: bool) -> Result {
    let ((first, earlier), (second, later)) = jobs()?;
    let mut last = later.clone();
    if wrong || earlier.is_later_than(&last) == Some(true) {
        last = earlier;
    }
    first.signal(Ok(()));
    signal_later(second)?;
    last.wait();
    assert_eq!(later.is_signaled(), !wrong);
    later.wait();
    Ok(())
}
