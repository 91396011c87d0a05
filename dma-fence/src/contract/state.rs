// SPDX-License-Identifier: GPL-2.0-only
//! Checks of the functions that read and set the state of a fence.

use super::{
    super::bindings::{Live, SIGNALED},
    named::Fence,
    record::{self, report_on},
    rules::{
        COMPARE_SAME_CONTEXT, ERROR_BEFORE_SIGNAL, NO_NESTED_CONTAINERS, RESV_RESERVE_FIRST,
        SIGNALED_MONOTONIC,
    },
};
use core::panic::Location;
use kernel::{
    bindings::{
        debug_innermost_call,
        rule::{checking, Place, Rule},
    },
    ffi::c_int,
};

/// An error is about to be set.
#[track_caller]
pub(super) fn error_before_signal(fence: &Live, error: c_int) {
    if !ERROR_BEFORE_SIGNAL.look() {
        return;
    }
    let here = ("error set", Place::Here(Location::caller()));
    if fence.test(SIGNALED) {
        let signalled = record::of(fence).map(|record| record.signal_step());
        report_on(
            fence,
            &ERROR_BEFORE_SIGNAL,
            format_args!("error {error} set after the signal"),
            [
                signalled.unwrap_or(("fence signalled", Place::Unknown)),
                here,
            ],
        );
    } else if !(-4095..0).contains(&error) {
        report_on(
            fence,
            &ERROR_BEFORE_SIGNAL,
            format_args!("{error} set as an error, expected one of -4095..-1"),
            [here],
        );
    }
}

/// Two fences are about to be compared.
#[track_caller]
pub(super) fn compare_same_context(f1: &Live, f2: &Live) {
    Rule::count([&COMPARE_SAME_CONTEXT]);
    if f1.context == f2.context || !checking() {
        return;
    }
    let other = Fence((f2.context, f2.seqno));
    report_on(
        f1,
        &COMPARE_SAME_CONTEXT,
        format_args!("compared with {other} of another context"),
        [
            ("the other one created", record::created(f2)),
            ("compared", Place::Here(Location::caller())),
        ],
    );
}

/// A container is made of a fence that it cannot contain if that is `nested`.
#[track_caller]
pub(super) fn no_nested_containers(container: &Live, fence: &Live, nested: bool) {
    Rule::count([&NO_NESTED_CONTAINERS]);
    if !nested || !checking() {
        return;
    }
    let inside = Fence((fence.context, fence.seqno));
    report_on(
        container,
        &NO_NESTED_CONTAINERS,
        format_args!("made of {inside}, which is a container"),
        [
            ("the other one created", record::created(fence)),
            ("put into this one", Place::Here(Location::caller())),
        ],
    );
}

/// A fence is about to be added to a reservation object, in which a slot is `free` or not; false if that
/// is reported.
#[track_caller]
pub(super) fn resv_reserve_first(fence: *const Live, free: bool) -> bool {
    Rule::count([&RESV_RESERVE_FIRST]);
    if free || !checking() || record::find(fence).is_none() {
        return true;
    }
    // SAFETY: It has a record, so it was initialised, and not freed.
    let fence = unsafe { &*fence };
    report_on(
        fence,
        &RESV_RESERVE_FIRST,
        format_args!("added to a reservation object in which no slot is reserved"),
        [("added", Place::Here(Location::caller()))],
    );
    false
}

/// The `signaled` op has answered; its call is still the innermost one.
#[track_caller]
pub(super) fn signaled_monotonic(fence: &Live, answer: bool) {
    Rule::count([&SIGNALED_MONOTONIC]);
    let at = Location::caller();
    if answer {
        if let Some(known) = record::find(fence) {
            known.said_true().set_first(at);
        }
        return;
    }
    // Only an op that began after another had returned true takes that back.
    let taken_back = debug_innermost_call().is_some_and(|call| call.said_true);
    if !taken_back || fence.test(SIGNALED) || !checking() {
        return;
    }
    let said = record::of(fence).and_then(|record| record.said_true);
    report_on(
        fence,
        &SIGNALED_MONOTONIC,
        format_args!("the signaled op has said yes, and now says no"),
        [
            ("it said yes, asked", said.map_or(Place::Unknown, Place::At)),
            ("it said no, asked", Place::Here(at)),
        ],
    );
}
