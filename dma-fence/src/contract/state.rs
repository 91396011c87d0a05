// SPDX-License-Identifier: GPL-2.0-only
//! What is asked and said of the state of a fence.

use super::{
    super::bindings::{dma_fence, dma_fence_test_signaled_flag},
    record::{self, report},
    rules::{COMPARE_SAME_CONTEXT, ERROR_BEFORE_SIGNAL, SIGNALED_MONOTONIC},
};
use core::panic::Location;
use kernel::{
    bindings::{debug_innermost_frame, report::Place},
    ffi::c_int,
};

/// What identifies a fence.
fn whom(fence: *mut dma_fence) -> (u64, u64) {
    // SAFETY: The caller's fence is valid; these never change.
    unsafe { ((*fence).context, (*fence).seqno) }
}

/// An error is about to be set.
#[track_caller]
pub(crate) fn error_before_signal(fence: *mut dma_fence, error: c_int) {
    if !ERROR_BEFORE_SIGNAL.look() {
        return;
    }
    let here = ("error set", Place::Here(Location::caller()));
    // SAFETY: The caller's fence is valid.
    if unsafe { dma_fence_test_signaled_flag(fence) } {
        let signalled = record::of(fence).map(|record| record.signalled());
        report(
            &ERROR_BEFORE_SIGNAL,
            format_args!("error {error} set after the signal"),
            whom(fence),
            &[
                record::created(fence),
                signalled.unwrap_or(("fence signalled", Place::Unknown)),
                here,
            ],
        );
    } else if !(-4095..0).contains(&error) {
        report(
            &ERROR_BEFORE_SIGNAL,
            format_args!("{error} set as an error, expected one of -4095..-1"),
            whom(fence),
            &[record::created(fence), here],
        );
    }
}

/// Two fences are about to be compared.
#[track_caller]
pub(crate) fn compare_same_context(f1: *mut dma_fence, f2: *mut dma_fence) {
    if !COMPARE_SAME_CONTEXT.look() || whom(f1).0 == whom(f2).0 {
        return;
    }
    let (context, seqno) = whom(f2);
    report(
        &COMPARE_SAME_CONTEXT,
        format_args!("compared with fence {context}:{seqno} of another context"),
        whom(f1),
        &[
            record::created(f1),
            ("the other one created", record::created(f2).1),
            ("compared", Place::Here(Location::caller())),
        ],
    );
}

/// The `signaled` op has answered; its frame is still open.
#[track_caller]
pub(crate) fn signaled_monotonic(fence: *mut dma_fence, answer: bool) {
    let checking = SIGNALED_MONOTONIC.look();
    let at = Location::caller();
    if answer {
        record::with(fence, |record| {
            record.said_true.get_or_insert(at);
        });
        return;
    }
    // Only an op that began after another had said yes takes that back.
    let taken_back = debug_innermost_frame().is_some_and(|frame| frame.note);
    // SAFETY: The caller's fence is valid.
    let signalled = unsafe { dma_fence_test_signaled_flag(fence) };
    if !checking || !taken_back || signalled {
        return;
    }
    let said = record::of(fence).and_then(|record| record.said_true);
    report(
        &SIGNALED_MONOTONIC,
        format_args!("the signaled op has said yes, and now says no"),
        whom(fence),
        &[
            record::created(fence),
            ("it said yes, asked", said.map_or(Place::Unknown, Place::At)),
            ("it said no, asked", Place::Here(at)),
        ],
    );
}
