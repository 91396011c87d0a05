// SPDX-License-Identifier: GPL-2.0-only
//! Fences signal no sooner than their hardware is done, and in order.

use super::{
    super::{bindings::dma_fence, ops::Progress},
    record::{self, At, Subject, RECORDS},
    rules::{CONTEXT_ORDER, NOT_BEFORE_DONE},
};
use core::panic::Location;
use kernel::bindings::{debugobjects::SideTable, rule::Place};

/// How far the hardware of a context was last, and where that was asked for.
static PROGRESS: SideTable<u64, (Progress, At)> = SideTable::new();

/// The records of fences that have not signalled, of contexts whose fences signal in order; by
/// context and number.
static ORDERED: SideTable<(u64, u64), u64> = SideTable::new();

/// The fences of this one's context signal in order.
pub(super) fn in_order(fence: *const dma_fence) {
    if let (Some(number), Some(record)) = (record::number(fence), record::of(fence)) {
        ORDERED.insert(record.subject(), number);
    }
}

/// The driver is about to signal the fence without an error, with its hardware so far.
#[track_caller]
pub(super) fn signals(fence: *const dma_fence, progress: Option<Progress>) {
    let here = Location::caller();
    let (Some(number), Some(record)) = (record::number(fence), record::of(fence)) else {
        return;
    };
    let signalled = ("fence signalled", Place::Here(here));
    if let Some(progress) = progress {
        let before = PROGRESS.insert(record.context, (progress, here));
        let checking = NOT_BEFORE_DONE.look();
        if checking && progress.ahead() < 0 {
            record.report(
                &NOT_BEFORE_DONE,
                format_args!(
                    "signalled {} before its hardware is done",
                    -progress.ahead()
                ),
                [signalled],
            );
        } else if let Some((before, at)) = before.filter(|_| checking) {
            if progress.since(before) < 0 {
                record.report(
                    &NOT_BEFORE_DONE,
                    format_args!("signalled by hardware that went back"),
                    [("hardware was further", Place::Here(at)), signalled],
                );
            }
        }
    }
    let (context, seqno) = record.subject();
    let checking = CONTEXT_ORDER.look();
    let before = |subject: Subject, other: u64| {
        let Some(other) = RECORDS.with(other, |record| *record) else {
            ORDERED.remove(subject);
            return None;
        };
        let ahead = Progress::of_32_bits(seqno as u32, other.seqno as u32).ahead();
        let lower = if record.wraps {
            ahead > 0
        } else {
            other.seqno < seqno
        };
        // Another task may be about to signal it, and have set the bit.
        let pending = other.is_pending() && other.signals.is_none();
        (lower && pending).then_some(other)
    };
    let all = ORDERED.range((context, 0), (context + 1, 0), usize::MAX);
    // Numbers of records go up: what was created later is not earlier, whatever its own number.
    let mut all = all.filter(|&(_, other)| other < number);
    let earlier = all.find_map(|(subject, other)| before(subject, other));
    if let Some(earlier) = earlier.filter(|_| checking) {
        let seqno = earlier.seqno;
        record.report(
            &CONTEXT_ORDER,
            format_args!("signalled before fence {context}:{seqno}, which is pending"),
            [("the other created", Place::At(earlier.created)), signalled],
        );
    }
}

/// The fence has signalled.
pub(super) fn ends(subject: Subject) {
    ORDERED.remove(subject);
}
