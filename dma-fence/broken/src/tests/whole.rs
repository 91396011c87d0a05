// SPDX-License-Identifier: GPL-2.0-only
//! The memory of fences, of their locks and timelines.

use crate::exporter::{finish, job, job_with, notify, zeroed, Timeline, Waiter, OPS, WITH_RELEASE};
use ::dma_fence::{
    bindings::{
        dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_get, dma_fence_init,
        dma_fence_ops, dma_fence_put, dma_fence_remove_callback, dma_fence_signal, spinlock_t,
    },
    testing::known_fences,
};
use core::ptr::{null, null_mut};
use kernel::{
    bindings::{
        kfree, krealloc_node_align, synchronize_rcu, GFP_KERNEL as MAY_SLEEP, NUMA_NO_NODE,
    },
    error::Result,
};

/// Readers may have found the fence.
pub(super) fn fence_itself(wrong: bool) -> Result {
    /// # Safety
    ///
    /// The last reference was dropped.
    unsafe extern "C" fn free_now(fence: *mut dma_fence) {
        // SAFETY: The last reference was dropped.
        unsafe { kfree(fence.cast()) };
    }
    const FREES_NOW: dma_fence_ops = dma_fence_ops {
        release: Some(free_now),
        ..OPS
    };
    let timeline = Timeline::new()?;
    let ops = if wrong { &FREES_NOW } else { &WITH_RELEASE };
    let fence = job_with(timeline, 1, ops, null_mut())?;
    // SAFETY: The reference and the timeline are ours.
    unsafe { finish(timeline, [fence]) };
    Ok(())
}

/// One report.
pub(super) fn data_of_three_fences(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    let fences = [job(timeline, 1)?, job(timeline, 2)?, job(timeline, 3)?];
    // SAFETY: The references and the timeline are ours.
    unsafe {
        for fence in fences {
            dma_fence_signal(fence);
        }
        if !wrong {
            synchronize_rcu();
        }
        Timeline::free(timeline);
        for fence in fences {
            dma_fence_put(fence);
        }
    }
    Ok(())
}

/// Commands that are still being written may come and go, if the fence does not point to them when
/// it signals.
pub(super) fn data_of_before_the_first_reference(wrong: bool) -> Result {
    #[repr(C)]
    struct Job {
        base: dma_fence,
        commands: *mut u64,
    }
    let job = zeroed::<Job>()?;
    // SAFETY: All of this is ours.
    unsafe {
        let fence = &raw mut (*job).base;
        (*job).commands = zeroed::<u64>()?;
        dma_fence_init(fence, &OPS, null_mut(), 1, 1);
        kfree((*job).commands.cast());
        if !wrong {
            (*job).commands = null_mut();
        }
        dma_fence_signal(fence);
        dma_fence_put(fence);
    }
    Ok(())
}

pub(super) fn lock_that_goes_with_its_fence() -> Result {
    #[repr(C)]
    struct Both {
        base: dma_fence,
        lock: spinlock_t,
    }
    let timeline = Timeline::new()?;
    let both = zeroed::<Both>()?;
    // SAFETY: The memory is fresh, and a lock that is all zeroes is open.
    unsafe {
        let fence = &raw mut (*both).base;
        dma_fence_init(fence, &OPS, &raw mut (*both).lock, 1, 1);
        finish(timeline, [fence]);
    }
    Ok(())
}

/// No grace period is needed: readers do not take the lock.
pub(super) fn lock_that_goes_after_the_last_reference() -> Result {
    let timeline = Timeline::new()?;
    let lock = zeroed::<spinlock_t>()?;
    let fence = job_with(timeline, 1, &OPS, lock)?;
    // SAFETY: All of this is ours, and a lock that is all zeroes is open.
    unsafe {
        dma_fence_signal(fence);
        dma_fence_put(fence);
        kfree(lock.cast());
        synchronize_rcu();
        Timeline::free(timeline);
    }
    Ok(())
}

pub(super) fn fences_of_before() -> Result {
    for _ in 0..1000 {
        let timeline = Timeline::new()?;
        let (a, b) = (job(timeline, 1)?, job(timeline, 2)?);
        // SAFETY: The references and the timeline are ours.
        unsafe { finish(timeline, [a, b]) };
    }
    assert!(known_fences() < 50);
    Ok(())
}

/// They are forgotten when their memory goes.
pub(super) fn fences_that_are_freed_without_a_last_put() -> Result {
    let timeline = Timeline::new()?;
    // At once, so that each has an address of its own.
    let fences = [(); 200].map(|()| job(timeline, 1).unwrap());
    assert!(known_fences() >= 200 || cfg!(not(feature = "debug")));
    // SAFETY: Only we know of the fences, and the timeline is ours.
    unsafe {
        fences.iter().for_each(|fence| kfree(fence.cast()));
        assert!(known_fences() < 50);
        for seqno in 2..200 {
            let fence = job(timeline, seqno)?;
            dma_fence_signal(fence);
            synchronize_rcu();
            kfree(fence.cast());
        }
        assert!(known_fences() < 50);
        Timeline::free(timeline);
    }
    Ok(())
}

/// The waiters of the fence that another one follows are not that one's.
pub(super) fn memory_that_a_callback_is_linked_to() -> Result {
    #[repr(C)]
    struct Proxy {
        base: dma_fence,
        cb: dma_fence_cb,
    }
    extern "C" fn nothing(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {}

    let timeline = Timeline::new()?;
    let parent = job(timeline, 1)?;
    let (proxy, other) = (zeroed::<Proxy>()?, zeroed::<Waiter>()?);
    // SAFETY: All of this is ours.
    unsafe {
        let fence = &raw mut (*proxy).base;
        dma_fence_init(fence, &OPS, null_mut(), 1, 1);
        dma_fence_add_callback(parent, &raw mut (*proxy).cb, Some(nothing));
        dma_fence_add_callback(parent, &raw mut (*other).cb, Some(notify));
        // It has waited for long enough.
        dma_fence_signal(fence);
        dma_fence_remove_callback(parent, &raw mut (*proxy).cb);
        dma_fence_remove_callback(parent, &raw mut (*other).cb);
        kfree(other.cast());
        dma_fence_put(fence);
        finish(timeline, [parent]);
    }
    Ok(())
}

/// What was in the memory of a fence before leads nowhere.
pub(super) fn memory_that_was_never_written() -> Result {
    type Job = [*mut Timeline; 16];
    let gone = Timeline::new()?;
    // SAFETY: A fresh block.
    let uninit = || unsafe { krealloc_node_align(null(), 128, 8, MAY_SLEEP, NUMA_NO_NODE) };
    let before = [(); 8].map(|()| uninit().cast::<Job>());
    // SAFETY: All of this is ours, and of that size.
    unsafe {
        before.iter().for_each(|block| block.write([gone; 16]));
        before.iter().for_each(|block| kfree(block.cast()));
        let fences = [(); 8].map(|()| uninit().cast::<dma_fence>());
        for fence in fences {
            dma_fence_init(fence, &OPS, null_mut(), 1, 1);
            dma_fence_signal(fence);
        }
        Timeline::free(gone);
        fences.iter().for_each(|fence| dma_fence_put(*fence));
    }
    Ok(())
}

/// Nothing happens any more to the first fence, only to others.
pub(super) fn data_of_the_first_of_many(wrong: bool) -> Result {
    let (first, others) = (Timeline::new()?, Timeline::new()?);
    let fence = job(first, 1)?;
    // SAFETY: The references and the timelines are ours.
    unsafe {
        let shared = dma_fence_get(fence);
        let jobs = [(); 100].map(|()| job(others, 1).unwrap());
        if !wrong {
            dma_fence_signal(fence);
            synchronize_rcu();
        }
        Timeline::free(first);
        dma_fence_signal(fence);
        dma_fence_put(shared);
        dma_fence_put(fence);
        finish(others, jobs);
    }
    Ok(())
}
