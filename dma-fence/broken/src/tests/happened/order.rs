// SPDX-License-Identifier: GPL-2.0-only
//! What is done in the wrong order, or to a fence that has signalled already.

use crate::exporter::{finish, job, job_with, pending_job, timeline_of, zeroed, Timeline, OPS};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_get, dma_fence_is_signaled,
    dma_fence_lock_irqsave, dma_fence_ops, dma_fence_put, dma_fence_seqno, dma_fence_set_error,
    dma_fence_signal, dma_fence_signal_locked, dma_fence_test_signaled_flag,
    dma_fence_unlock_irqrestore, dma_fence_wait, dma_fence_wait_timeout,
};
use core::{
    ptr::null_mut,
    sync::atomic::Ordering::{Acquire, Release},
};
use kernel::{
    bindings::{init_irq_work, irq_work, irq_work_queue, irq_work_sync, kfree, synchronize_rcu},
    ffi::c_int,
    prelude::*,
};

/// What an engine runs now, and what feeds it when that has signalled.
#[repr(C)]
struct Feeder {
    cb: dma_fence_cb,
    slot: *mut dma_fence,
    next: *mut dma_fence,
}

/// # Safety
///
/// The callback is that of a [`Feeder`].
unsafe extern "C" fn feed(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    let feeder: *mut Feeder = cb.cast();
    // SAFETY: It is the first member of a `Feeder`: the caller's guarantee.
    unsafe { (*feeder).slot = (*feeder).next };
}

/// An interrupt handler empties its slot after the signal, by which the next job was put into it.
pub(super) fn slot_emptied_after_the_signal(wrong: bool) -> Result {
    let (timeline, first) = pending_job()?;
    let second = job(timeline, 2)?; // BUG
    let feeder = zeroed::<Feeder>()?;
    // SAFETY: All of this is ours. The mistake loses the second job.
    unsafe {
        let client = dma_fence_get(second);
        (*feeder).next = second;
        (*feeder).slot = first;
        dma_fence_add_callback(first, &raw mut (*feeder).cb, Some(feed));
        for _interrupt in 0..2 {
            let fence = (*feeder).slot;
            if fence.is_null() {
                continue;
            }
            if !wrong {
                (*feeder).slot = null_mut();
            }
            dma_fence_signal(fence);
            dma_fence_put(fence);
            if wrong {
                (*feeder).slot = null_mut();
            }
        }
        dma_fence_wait(client, false); // BUG
        dma_fence_put(client);
        kfree(feeder.cast());
        finish(timeline, []);
    }
    Ok(())
}

/// # Safety
///
/// The fence is a job's, whose timeline lives.
unsafe extern "C" fn reached(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller's guarantee is that of `timeline_of()`.
    unsafe { (*timeline_of(fence)).done.load(Acquire) >= dma_fence_seqno(fence) }
}

static POLLED: dma_fence_ops = dma_fence_ops {
    signaled: Some(reached),
    ..OPS
};

/// A channel is killed: each fence in its list of pending ones fails, and so does one that a poll
/// has signalled meanwhile.
pub(super) fn error_for_what_a_poll_has_signalled(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    let pending = [
        job_with(timeline, 1, &POLLED, null_mut())?,
        job_with(timeline, 2, &POLLED, null_mut())?,
    ];
    // SAFETY: The references and the timeline are ours. The mistake is an error too late.
    unsafe {
        (*timeline).done.store(1, Release);
        assert!(dma_fence_is_signaled(pending[0])); // BUG
        for fence in pending {
            let flags = dma_fence_lock_irqsave(fence);
            if wrong || !dma_fence_test_signaled_flag(fence) {
                dma_fence_set_error(fence, -19); // BUG
                dma_fence_signal_locked(fence);
            }
            dma_fence_unlock_irqrestore(fence, flags);
            dma_fence_put(fence);
        }
        finish(timeline, []);
    }
    Ok(())
}

/// A scheduler that takes null, which is "done already", for an error.
pub(super) fn null_for_an_error(wrong: bool) -> Result {
    let (timeline, finished) = pending_job()?;
    let hardware_fence: *mut dma_fence = null_mut();
    let value = hardware_fence as isize;
    let least = if wrong { 0 } else { -1 };
    // SAFETY: The reference and the timeline are ours. The mistake is an error of 0.
    unsafe {
        if (-4095..=least).contains(&value) {
            dma_fence_set_error(finished, value as c_int); // BUG
        }
        finish(timeline, [finished]);
    }
    Ok(())
}

/// A job is retired while the worker that recovers from its hang waits for a lock, which then
/// signals it again. C allows that: the second signal has no effect.
pub(super) fn recovered_after_it_was_retired(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        dma_fence_signal(fence);
        if wrong {
            dma_fence_signal(fence);
        }
        dma_fence_put(fence);
        finish(timeline, []);
    }
    Ok(())
}

/// A function that promises 0 or an error returns the jiffies that a wait has left.
pub(super) fn time_left_for_an_error(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        dma_fence_signal(fence);
        let left = dma_fence_wait_timeout(fence, false, 100);
        let result = if wrong { left } else { left.min(0) };
        assert_eq!(result != 0, wrong);
        dma_fence_put(fence);
        finish(timeline, []);
    }
    Ok(())
}

/// A client's timeout in nanoseconds is converted in a type that has a sign.
pub(super) fn timeout_that_turns_negative(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let ns = u64::MAX / 6;
    let jiffies = if wrong {
        (ns * 4) as isize
    } else {
        isize::try_from(ns / 4_000_000).unwrap_or(isize::MAX)
    };
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        dma_fence_signal(fence);
        dma_fence_wait_timeout(fence, false, jiffies); // BUG
        dma_fence_put(fence);
        finish(timeline, []);
    }
    Ok(())
}

/// A job of one ring that signals the next job, of another.
#[repr(C)]
struct Link {
    cb: dma_fence_cb,
    later: irq_work,
    next: *mut dma_fence,
}

/// # Safety
///
/// The work is that of a [`Link`] whose fence lives.
unsafe extern "C" fn pass_on_later(work: *mut irq_work) {
    // SAFETY: It is a member of a `Link`: the caller's guarantee.
    unsafe {
        let link: *mut Link = work.byte_sub(core::mem::offset_of!(Link, later)).cast();
        dma_fence_signal((*link).next);
    }
}

/// # Safety
///
/// The callback is that of a [`Link`] whose fence lives.
unsafe extern "C" fn pass_on(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: It is the first member of a `Link`: the caller's guarantee.
    unsafe { dma_fence_signal((*cb.cast::<Link>()).next) }; // BUG
}

/// # Safety
///
/// As [`pass_on`].
unsafe extern "C" fn queue(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: It is the first member of a `Link`: the caller's guarantee.
    unsafe { irq_work_queue(&raw mut (*cb.cast::<Link>()).later) };
}

/// Two rings, each with one lock for its fences, signal each other's from callbacks: one way round
/// here, the other way there.
pub(super) fn two_orders_of_fence_locks(wrong: bool) -> Result {
    let rings = [Timeline::new()?, Timeline::new()?];
    // SAFETY: All of this is ours. The mistake is that the two locks are nested.
    unsafe {
        for [from, to] in [[0, 1], [1, 0]] {
            let [from, to] = [rings[from], rings[to]];
            let seqno = (*from).done.load(Acquire) + 1;
            (*from).done.store(seqno + 2, Release);
            let first = job_with(from, seqno + 1, &OPS, &raw mut (*from).lock)?;
            let second = job_with(to, seqno, &OPS, &raw mut (*to).lock)?;
            let link = zeroed::<Link>()?;
            (*link).next = second;
            init_irq_work(&raw mut (*link).later, Some(pass_on_later));
            let func = if wrong { pass_on } else { queue };
            dma_fence_add_callback(first, &raw mut (*link).cb, Some(func));
            dma_fence_signal(first); // BUG
            irq_work_sync(&raw mut (*link).later);
            dma_fence_put(first);
            dma_fence_put(second);
            kfree(link.cast());
        }
        synchronize_rcu();
        for ring in rings {
            Timeline::free(ring);
        }
    }
    Ok(())
}
