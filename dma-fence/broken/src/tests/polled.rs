// SPDX-License-Identifier: GPL-2.0-only
//! What is asked and said of a fence.

use super::{broken, finish, reported, silent, with_job};
use crate::exporter::{job, job_with, Timeline, OPS};
use ::dma_fence::bindings::{
    __tracepoint_dma_fence_enable_signal, dma_fence, dma_fence_driver_name, dma_fence_is_later,
    dma_fence_later, dma_fence_ops, dma_fence_put, dma_fence_set_error, dma_fence_signal,
    dma_fence_timeline_name, trace_dma_fence_enable_signal,
};
use core::ffi::CStr;
use kernel::{
    bindings::{rcu_read_lock, rcu_read_unlock, synchronize_rcu, EIO},
    str::CStrExt as _,
    testing::{trace, without_checks},
};

#[test]
fn errors_that_are_none() {
    for error in [0, 1, 5, -4096, i32::MIN] {
        broken("error-before-signal", "expected one of -4095..-1", || {
            with_job(|timeline, fence| {
                // SAFETY: The reference is ours.
                unsafe { dma_fence_set_error(fence, error) };
                finish(timeline, fence);
            });
        });
    }
    for error in [-1, -EIO.cast_signed(), -4095] {
        silent(|| {
            with_job(|timeline, fence| {
                // SAFETY: The reference is ours.
                unsafe { dma_fence_set_error(fence, error) };
                finish(timeline, fence);
            });
        });
    }
}

#[test]
fn the_later_of_two_contexts() {
    type Compare = unsafe fn(*mut dma_fence, *mut dma_fence);
    let compares: [Compare; 2] = [
        // SAFETY: The caller has references to both.
        |a, b| _ = unsafe { dma_fence_is_later(a, b) },
        // SAFETY: As above.
        |a, b| _ = unsafe { dma_fence_later(a, b) },
    ];
    for compare in compares {
        broken("compare-same-context", "of another context", || {
            let timelines = [(); 2].map(|()| Timeline::new().unwrap());
            let [a, b] = timelines.map(|timeline| job(timeline, 1).unwrap());
            // SAFETY: The references are ours.
            unsafe { compare(a, b) };
            finish(timelines[0], a);
            finish(timelines[1], b);
        });
        silent(|| {
            let timeline = Timeline::new().unwrap();
            let fences = [1, 2].map(|seqno| job(timeline, seqno).unwrap());
            // SAFETY: The references are ours.
            unsafe {
                compare(fences[0], fences[1]);
                dma_fence_signal(fences[1]);
                ::dma_fence::bindings::dma_fence_put(fences[1]);
            }
            finish(timeline, fences[0]);
        });
    }
}

#[test]
fn an_event_after_the_signal_that_asks_the_ops() {
    broken("no-driver-data-after-signal", "the table of ops", || {
        let _recording = trace::record(&__tracepoint_dma_fence_enable_signal).unwrap();
        with_job(|timeline, fence| {
            // SAFETY: The reference is ours. But the event is for fences that are pending.
            unsafe {
                dma_fence_signal(fence);
                trace_dma_fence_enable_signal(fence);
            }
            finish(timeline, fence);
        });
    });
}

/// # Safety
///
/// None.
unsafe extern "C" fn done(_fence: *mut dma_fence) -> bool {
    true
}

static DONE: dma_fence_ops = dma_fence_ops {
    signaled: Some(done),
    ..OPS
};

#[test]
fn an_op_that_keeps_to_it() {
    silent(|| {
        let timeline = Timeline::new().unwrap();
        let fence = job_with(timeline, 1, &DONE, core::ptr::null_mut()).unwrap();
        for _ in 0..3 {
            // SAFETY: The reference is ours.
            assert!(unsafe { ::dma_fence::bindings::dma_fence_is_signaled(fence) });
        }
        finish(timeline, fence);
    });
}

#[test]
fn a_name_in_a_section_and_one_without() {
    with_name(true, 0);
    with_name(false, 1);
}

fn with_name(section: bool, reports: usize) {
    let said = reported(|| {
        with_job(|timeline, fence| {
            // SAFETY: The reference is ours.
            unsafe {
                if section {
                    rcu_read_lock();
                }
                dma_fence_driver_name(fence);
                if section {
                    rcu_read_unlock();
                }
            }
            finish(timeline, fence);
        });
    });
    assert_eq!(said.len(), reports, "{said:?}");
}

#[test]
fn nothing_is_said_while_nothing_is_checked() {
    silent(|| {
        without_checks(|| {
            with_job(|timeline, fence| {
                // SAFETY: The reference is ours.
                unsafe {
                    dma_fence_driver_name(fence);
                    dma_fence_signal(fence);
                    dma_fence_set_error(fence, 7);
                }
                finish(timeline, fence);
            });
        });
    });
}

#[test]
fn a_name_that_is_used_when_its_section_is_over() {
    broken("names-in-one-rcu-section", "a name used after its", || {
        with_job(|timeline, fence| {
            // SAFETY: The reference is ours, and so is the timeline. But nothing keeps it.
            unsafe {
                rcu_read_lock();
                let name = dma_fence_timeline_name(fence);
                rcu_read_unlock();
                assert_eq!(CStr::from_char_ptr(name), c"ring0");
            }
            finish(timeline, fence);
        });
    });
}

#[test]
fn a_name_that_is_used_in_its_section() {
    silent(|| {
        with_job(|timeline, fence| {
            // SAFETY: The reference is ours, and so is the timeline.
            unsafe {
                for _ in 0..2 {
                    rcu_read_lock();
                    let name = dma_fence_timeline_name(fence);
                    assert_eq!(CStr::from_char_ptr(name), c"ring0");
                    rcu_read_unlock();
                }
            }
            finish(timeline, fence);
        });
    });
}

#[test]
fn memory_that_was_a_name_may_be_another_string() {
    silent(|| {
        with_job(|timeline, fence| {
            // SAFETY: The reference is ours, and so is the timeline.
            unsafe {
                rcu_read_lock();
                let name = dma_fence_timeline_name(fence);
                rcu_read_unlock();
                dma_fence_signal(fence);
                synchronize_rcu();
                Timeline::free(timeline);
                // Nobody has been in a section since.
                for _ in 0..100 {
                    let other = Timeline::new().unwrap();
                    let same = (&raw const (*other).name).cast();
                    assert_eq!(CStr::from_char_ptr(same), c"ring0");
                    Timeline::free(other);
                    if same == name {
                        break;
                    }
                }
                dma_fence_put(fence);
            }
        });
    });
}
