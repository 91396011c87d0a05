// SPDX-License-Identifier: GPL-2.0-only
//! Names, errors, events and comparisons.

use crate::exporter::{finish, job, job_with, pending_job, timeline_of, Timeline, OPS};
use ::dma_fence::bindings::{
    __tracepoint_dma_fence_emit, __tracepoint_dma_fence_enable_signal, dma_fence,
    dma_fence_driver_name, dma_fence_is_later, dma_fence_is_signaled, dma_fence_later,
    dma_fence_ops, dma_fence_put, dma_fence_seqno, dma_fence_set_error, dma_fence_signal,
    dma_fence_timeline_name, trace_dma_fence_emit, trace_dma_fence_enable_signal,
};
use core::{ffi::CStr, ptr::null_mut, sync::atomic::Ordering::Relaxed};
use kernel::{
    bindings::{rcu_read_lock, rcu_read_unlock, synchronize_rcu, EIO},
    prelude::*,
    testing::{trace, without_checks},
};

/// The error that is none, and one that is.
pub(super) const ERRORS: [(i32, i32); 5] = [
    (0, -1),
    (1, -4095),
    (5, -EIO.cast_signed()),
    (-4096, -4095),
    (i32::MIN, -1),
];

pub(super) fn number_that_is_no_error((none, right): (i32, i32), wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        dma_fence_set_error(fence, if wrong { none } else { right });
        finish(timeline, [fence]);
    }
    Ok(())
}

/// The GPU hangs; the reset writes the number that it did not reach, and the compositor polls.
pub(super) fn error_after_a_poll(wrong: bool) -> Result {
    /// # Safety
    ///
    /// The fence is a job's, whose timeline lives.
    unsafe extern "C" fn signaled(fence: *mut dma_fence) -> bool {
        // SAFETY: The fence is a job's, whose timeline lives.
        unsafe { (*timeline_of(fence)).done.load(Relaxed) >= dma_fence_seqno(fence) }
    }
    static POLLED: dma_fence_ops = dma_fence_ops {
        signaled: Some(signaled),
        ..OPS
    };
    let timeline = Timeline::new()?;
    let fence = job_with(timeline, 1, &POLLED, null_mut())?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        (*timeline).done.store(u64::from(wrong), Relaxed);
        dma_fence_is_signaled(fence);
        dma_fence_set_error(fence, -EIO.cast_signed());
        (*timeline).done.store(1, Relaxed);
        finish(timeline, [fence]);
    }
    Ok(())
}

type Compare = unsafe fn(*mut dma_fence, *mut dma_fence);

pub(super) const COMPARES: [Compare; 2] = [
    // SAFETY: The caller has references to both.
    |a, b| _ = unsafe { dma_fence_is_later(a, b) },
    // SAFETY: The caller has references to both.
    |a, b| _ = unsafe { dma_fence_later(a, b) },
];

pub(super) fn later_of_two_contexts(compare: Compare, wrong: bool) -> Result {
    let (first, other) = (Timeline::new()?, Timeline::new()?);
    let (a, b) = (job(first, 1)?, job(if wrong { other } else { first }, 2)?);
    // SAFETY: The references and the timelines are ours; `b` is gone before either timeline is.
    unsafe {
        compare(a, b);
        dma_fence_signal(b);
        dma_fence_put(b);
        finish(first, [a]);
        finish(other, []);
    }
    Ok(())
}

/// An event for pending fences asks the ops, one for any fence does not.
///
/// Not `dma_fence_signaled`, of the same class: all tests have that one, and some only when the
/// names are gone.
pub(super) fn event_after_the_signal(wrong: bool) -> Result {
    let _recording = [
        trace::record(&__tracepoint_dma_fence_enable_signal)?,
        trace::record(&__tracepoint_dma_fence_emit)?,
    ];
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours. But the first event is for pending fences.
    unsafe {
        dma_fence_signal(fence);
        if wrong {
            trace_dma_fence_enable_signal(fence);
        } else {
            trace_dma_fence_emit(fence);
        }
        finish(timeline, [fence]);
    }
    Ok(())
}

/// The section of the question may be inside of that of the use.
pub(super) fn used_after_its_section(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours. But without the outer section a driver may
    // free the name.
    unsafe {
        for _ in 0..if wrong { 1 } else { 2 } {
            if !wrong {
                rcu_read_lock();
            }
            rcu_read_lock();
            let name = dma_fence_timeline_name(fence);
            rcu_read_unlock();
            assert_eq!(CStr::from_char_ptr(name), c"ring0");
            if !wrong {
                rcu_read_unlock();
            }
        }
        finish(timeline, [fence]);
    }
    Ok(())
}

pub(super) fn copied_with_memory_that_sleeps(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let mut copy = KVec::new();
    let flags = if wrong { GFP_KERNEL } else { GFP_NOWAIT };
    // SAFETY: The reference and the timeline are ours; the name is used inside the section.
    unsafe {
        rcu_read_lock();
        let name = CStr::from_char_ptr(dma_fence_timeline_name(fence));
        copy.extend_from_slice(name.to_bytes(), flags)?;
        rcu_read_unlock();
        finish(timeline, [fence]);
    }
    assert_eq!(&copy[..], b"ring0");
    Ok(())
}

pub(super) fn asked_without_checks() -> Result {
    without_checks(|| {
        let timeline = Timeline::new()?;
        let fence = job(timeline, 1)?;
        // SAFETY: The reference and the timeline are ours.
        unsafe {
            dma_fence_driver_name(fence);
            dma_fence_signal(fence);
            dma_fence_set_error(fence, 7);
            finish(timeline, [fence]);
        }
        Ok(())
    })
}

pub(super) fn memory_of_a_name_that_is_another_string() -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timelines are ours.
    unsafe {
        rcu_read_lock();
        let name = dma_fence_timeline_name(fence);
        rcu_read_unlock();
        dma_fence_signal(fence);
        synchronize_rcu();
        Timeline::free(timeline);
        // This task has been in no section since.
        for _ in 0..100 {
            let other = Timeline::new()?;
            let same = (&raw const (*other).name).cast();
            assert_eq!(CStr::from_char_ptr(same), c"ring0");
            Timeline::free(other);
            if same == name {
                break;
            }
        }
        dma_fence_put(fence);
    }
    Ok(())
}
