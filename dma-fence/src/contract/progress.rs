// SPDX-License-Identifier: GPL-2.0-only
//! Fences signal no sooner than their hardware is done, and in order.

use super::{
    super::bindings::Live,
    record::{self, At, Id, Record, WRAPS},
    rules::{CONTEXT_ORDER, NOT_BEFORE_DONE},
};
use core::{ops::Range, panic::Location};
use kernel::bindings::{
    debugobjects::SideTable,
    rule::{this_machine, Evidence, Place},
};

/// How far the hardware of a context was last, and where that was asked for; by machine and context.
static PROGRESS: SideTable<(u64, u64), (u64, At)> = SideTable::new();

/// The records of fences that have not signalled, of contexts whose fences signal in order; by
/// machine, context and number.
static ORDERED: SideTable<(u64, u64, u64), Id> = SideTable::new();

fn key(record: &Record) -> (u64, u64, u64) {
    // The bits that are compared.
    let mask = if record.has(WRAPS) {
        u32::MAX.into()
    } else {
        u64::MAX
    };
    (record.machine, record.context, record.seqno & mask)
}

/// The fences of this one's context signal in order.
pub(super) fn in_order(fence: *const Live) {
    let Some(mut known) = record::known_of(fence) else {
        return;
    };
    known.is_in_order();
    if let Some(record) = known.record() {
        ORDERED.insert(key(&record), known.id());
    }
}

/// From `from` to `to`, for numbers of so many bits that wrap around.
const fn distance(to: u64, from: u64, bits: u32) -> i64 {
    let unused = u64::BITS - bits;
    (to.wrapping_sub(from) << unused) as i64 >> unused
}

/// The driver is about to signal the fence without an error. Its hardware is at the first number of
/// `progress`, and has to get to the second; both have so many bits.
#[track_caller]
pub(super) fn signals(fence: *const Live, progress: Option<(u64, u64, u32)>) {
    let here = Location::caller();
    let signalled = ("fence signalled", Place::Here(here));
    let known = record::known_of(fence).and_then(|known| Some((known.id(), known.record()?)));
    let Some((id, record)) = known else {
        return;
    };
    if let Some((completed, wanted, bits)) = progress {
        let before = PROGRESS.insert((record.machine, record.context), (completed, here));
        let missing = distance(wanted, completed, bits);
        let back = before.filter(|(before, _)| distance(completed, *before, bits) < 0);
        match back {
            _ if !NOT_BEFORE_DONE.look() => {}
            _ if missing > 0 => record.report(
                &NOT_BEFORE_DONE,
                format_args!("signalled {missing} before its hardware is done"),
                [signalled],
            ),
            Some((_, at)) => record.report(
                &NOT_BEFORE_DONE,
                format_args!("signalled by hardware that went back"),
                [("hardware was further", Place::Here(at)), signalled],
            ),
            None => {}
        }
    }
    if CONTEXT_ORDER.look() {
        in_turn(id, &record, signalled);
    }
}

/// The numbers that come before one: of those of 32 bits, which wrap around, half of all.
fn before(seqno: u64, wraps: bool) -> [Range<u64>; 2] {
    const HALF: u64 = 1 << 31;
    match seqno.checked_sub(HALF) {
        _ if !wraps => [0..seqno, 0..0],
        Some(least) => [least + 1..seqno, 0..0],
        None => [0..seqno, seqno + HALF + 1..2 * HALF],
    }
}

/// No fence that was created before this one, of its context and of a lower number, is pending.
fn in_turn(id: Id, record: &Record, signalled: Evidence<'_>) {
    let (machine, context, seqno) = key(record);
    let earlier = before(seqno, record.has(WRAPS))
        .into_iter()
        .flat_map(|Range { start, end }| {
            let key = |seqno| (machine, context, seqno);
            ORDERED.range(key(start), key(end), usize::MAX)
        })
        // Numbers of records go up: what was created later is not earlier, whatever its own.
        .filter(|(_, other)| other.number() < id.number())
        .filter_map(|(_, other)| other.record())
        .find(Record::is_unsignalled);
    if let Some(earlier) = earlier {
        let seqno = earlier.seqno;
        record.report(
            &CONTEXT_ORDER,
            format_args!("signalled before fence {context}:{seqno}, which is pending"),
            [("the other created", Place::At(earlier.created)), signalled],
        );
    }
}

/// The fence has signalled.
pub(super) fn ends(id: Id) {
    if let Some(record) = id.record() {
        ORDERED.remove(key(&record));
    }
}

/// The machine ends.
pub(super) fn ended() {
    let machine = this_machine();
    PROGRESS.remove_range((machine, 0), (machine + 1, 0));
    ORDERED.remove_range((machine, 0, 0), (machine + 1, 0, 0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_numbers_that_wrap_around_come_before() {
        let edges = [0, 1 << 31, 1 << 32];
        let edges = edges.map(|edge: u64| edge.saturating_sub(2)..(edge + 3).min(1 << 32));
        for seqno in edges.iter().cloned().flatten() {
            for other in edges.iter().cloned().flatten() {
                let mut ranges = before(seqno, true).into_iter();
                let before = ranges.any(|range| range.contains(&other));
                assert_eq!(before, distance(seqno, other, 32) > 0, "{other} {seqno}");
            }
        }
    }
}
