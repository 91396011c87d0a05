// SPDX-License-Identifier: GPL-2.0-only
//! Fences that do not signal.

use crate::exporter::{finish, pending_job, Timeline};
use ::dma_fence::bindings::{
    dma_fence_get, dma_fence_put, dma_fence_signal, dma_fence_wait, dma_fence_wait_timeout,
};
use kernel::{
    bindings::synchronize_rcu,
    error::Result,
    time::{delay::fsleep, Delta},
};

pub(super) fn for_two_minutes(wrong: bool) -> Result {
    pending_for(true, if wrong { 121 } else { 119 })
}

/// If no reference was ever taken, no task but the driver's can wait for it.
pub(super) fn for_long_and_shared(wrong: bool) -> Result {
    pending_for(wrong, 1000)
}

fn pending_for(shared: bool, seconds: i64) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The references and the timeline are ours.
    unsafe {
        if shared {
            dma_fence_put(dma_fence_get(fence));
        }
        fsleep(Delta::from_secs(seconds));
        finish(timeline, [fence]);
    }
    Ok(())
}

/// A fence counts from when others could find it, whichever was there before.
pub(super) fn beside_one_that_is_shared_later(wrong: bool) -> Result {
    let all = [pending_job()?, pending_job()?];
    let [(_, older), (_, younger)] = all;
    // SAFETY: The references and the timelines are ours.
    unsafe {
        dma_fence_put(dma_fence_get(younger));
        fsleep(Delta::from_secs(60));
        dma_fence_put(dma_fence_get(older));
        fsleep(Delta::from_secs(if wrong { 61 } else { 59 }));
        for (timeline, fence) in all {
            finish(timeline, [fence]);
        }
    }
    Ok(())
}

pub(super) fn at_a_timeout(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let jiffies = if wrong { 250_000 } else { 25_000 };
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        dma_fence_wait_timeout(fence, false, jiffies);
        finish(timeline, [fence]);
    }
    Ok(())
}

/// A fence that was never shared was given up, and reaches nothing: its timeline goes at once.
pub(super) fn dropped_by_all(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The references and the timeline are ours.
    unsafe {
        if wrong {
            dma_fence_put(dma_fence_get(fence));
        }
        dma_fence_put(fence);
        if wrong {
            synchronize_rcu();
        }
        Timeline::free(timeline);
    }
    Ok(())
}

pub(super) fn at_the_end(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The references and the timeline are ours.
    unsafe {
        dma_fence_get(fence);
        if !wrong {
            dma_fence_put(fence);
            finish(timeline, [fence]);
        }
    }
    Ok(())
}

pub(super) fn for_a_waiter(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        if !wrong {
            dma_fence_signal(fence);
        }
        dma_fence_wait(fence, false);
        finish(timeline, [fence]);
    }
    Ok(())
}
