// SPDX-License-Identifier: GPL-2.0-only
//! References too many and too few, and calls with what is no fence.

use crate::exporter::{finish, job, notify, pending_job, zeroed, Timeline, Waiter, OPS};
#[cfg(feature = "debug")]
use crate::exporter::{job_with, WITH_RELEASE};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_add_callback, dma_fence_get, dma_fence_get_rcu, dma_fence_get_status,
    dma_fence_get_stub, dma_fence_init, dma_fence_is_container, dma_fence_is_signaled,
    dma_fence_put, dma_fence_signal, dma_fence_wait,
};
use core::ptr::null_mut;
use kernel::{
    bindings::{kfree, rcu_read_lock, rcu_read_unlock, synchronize_rcu},
    error::Result,
    testing::without_checks,
};

/// What is done to a fence that was freed.
type Call = unsafe fn(*mut dma_fence);

pub(super) const CALLS: [Call; 7] = [
    get_and_put,
    dma_fence_put,
    dma_fence_signal,
    |fence| {
        // SAFETY: It does nothing if the fence was freed.
        assert!(unsafe { dma_fence_is_signaled(fence) });
    },
    |fence| {
        // SAFETY: It does nothing if the fence was freed.
        assert!(unsafe { dma_fence_get_status(fence) } < 0);
    },
    |fence| {
        // SAFETY: It does nothing if the fence was freed.
        assert!(unsafe { dma_fence_wait(fence, false) } < 0);
    },
    |fence| {
        let waiter = zeroed::<Waiter>().unwrap();
        // SAFETY: It does nothing if the fence was freed, and the callback is not used then.
        unsafe {
            assert!(dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(notify)) < 0);
            kfree(waiter.cast());
        }
    },
];

/// The reference that was refused may be dropped.
///
/// # Safety
///
/// The fence has no reference, or was freed.
unsafe fn get_and_put(fence: *mut dma_fence) {
    // SAFETY: Neither does anything if the fence has no reference.
    unsafe { dma_fence_put(dma_fence_get(fence)) };
}

/// Frees a fence and then does something to it, or the other way round.
pub(super) fn freed(call: Call, wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours; what is called does nothing then.
    unsafe {
        dma_fence_signal(fence);
        dma_fence_put(fence);
        synchronize_rcu();
        if wrong {
            call(fence);
        }
        Timeline::free(timeline);
    }
    Ok(())
}

/// The op `release` frees the fence, which is dropped once more.
#[cfg(feature = "debug")]
pub(super) fn freed_by_its_driver() -> Result {
    let timeline = Timeline::new()?;
    let fence = job_with(timeline, 1, &WITH_RELEASE, null_mut())?;
    // SAFETY: The reference and the timeline are ours; the second put does nothing.
    unsafe {
        dma_fence_signal(fence);
        dma_fence_put(fence);
        synchronize_rcu();
        dma_fence_put(fence);
        Timeline::free(timeline);
    }
    Ok(())
}

/// What is done to a fence that has no reference and was not signalled either.
pub(super) const OF_RELEASED: [Call; 3] = [get_and_put, dma_fence_put, dma_fence_signal];

/// The last reference was dropped, and the memory is still there.
pub(super) fn released(call: Call, wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours; the section keeps the memory.
    unsafe {
        rcu_read_lock();
        dma_fence_put(fence);
        assert!(dma_fence_get_rcu(fence).is_null());
        if wrong {
            call(fence);
        }
        rcu_read_unlock();
        synchronize_rcu();
        Timeline::free(timeline);
    }
    Ok(())
}

pub(super) fn never_initialised(wrong: bool) -> Result {
    let fence = zeroed::<dma_fence>()?;
    // SAFETY: The memory is fresh; what is called does nothing then.
    unsafe {
        if wrong {
            dma_fence_put(fence);
        }
        kfree(fence.cast());
    }
    Ok(())
}

pub(super) fn none(wrong: bool) -> Result {
    if wrong {
        // SAFETY: It does nothing then.
        assert!(!unsafe { dma_fence_is_container(null_mut()) });
    }
    Ok(())
}

/// A fence that only its issuer knows of.
pub(super) fn left_by_its_issuer(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        if !wrong {
            dma_fence_put(fence);
        }
        synchronize_rcu();
        Timeline::free(timeline);
    }
    Ok(())
}

/// Many at the same place are one report.
pub(super) fn left_in_a_loop(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    for seqno in 1..20 {
        let fence = job(timeline, seqno)?;
        // SAFETY: The references are ours.
        unsafe {
            dma_fence_signal(fence);
            let shared = dma_fence_get(fence);
            dma_fence_put(fence);
            if !wrong {
                dma_fence_put(shared);
            }
        }
    }
    // SAFETY: The timeline is ours.
    unsafe { finish(timeline, []) };
    Ok(())
}

/// Fences that are there without a record, or have the address of one that was.
pub(super) fn fences_that_are_there() -> Result {
    let blocks = [(); 8].map(|()| zeroed::<dma_fence>().unwrap());
    // SAFETY: All of this is ours.
    unsafe {
        let init = |fence: *mut dma_fence| dma_fence_init(fence, &OPS, null_mut(), 1, 1);
        without_checks(|| blocks.into_iter().for_each(init));
        for fence in blocks {
            dma_fence_put(dma_fence_get(fence));
            dma_fence_signal(fence);
            dma_fence_put(fence);
        }
        synchronize_rcu();
        // The same memory, most likely.
        for fence in [(); 8].map(|()| zeroed::<dma_fence>().unwrap()) {
            init(fence);
            dma_fence_signal(fence);
            dma_fence_put(dma_fence_get(fence));
            dma_fence_put(fence);
        }
        dma_fence_put(dma_fence_get_stub());
    }
    Ok(())
}
