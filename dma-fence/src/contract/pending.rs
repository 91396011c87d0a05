// SPDX-License-Identifier: GPL-2.0-only
//! Every published fence is signalled, in bounded time.

use super::{
    super::bindings::dma_fence,
    callback::CALLBACKS,
    freed, life, ops,
    record::{self, report, Record, RECORDS},
    rules::{RELEASE_SIGNALLED, SIGNAL_EVENTUALLY},
};
use core::{
    panic::Location,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};
use kernel::bindings::{
    debugobjects::debug_watch,
    ktime_get,
    report::{checking, this_machine, Place},
};

/// How long a fence may be pending (ns): as long as a task may hang, by default, in Linux.
const LIMIT: i64 = 120 * SECOND;
const SECOND: i64 = 1_000_000_000;

pub(super) static WATCH: debug_watch = debug_watch {
    time_passed,
    module_gone: ops::module_gone,
    freeing: freed::freeing,
    ended,
};

/// When somebody looked last, of those who run freely.
static LOOKED: AtomicI64 = AtomicI64::new(0);

/// In a machine that runs freely nobody says that time has gone on.
pub(super) fn look_at_the_clock() {
    if this_machine() != 0 {
        return;
    }
    // SAFETY: Nothing is asked for.
    let now = unsafe { ktime_get() };
    let before = LOOKED.load(Relaxed);
    if now - before >= SECOND
        && LOOKED
            .compare_exchange(before, now, Relaxed, Relaxed)
            .is_ok()
    {
        time_passed();
    }
}

/// Looks for fences that are pending for too long.
fn time_passed() {
    let machine = this_machine();
    // SAFETY: Nothing is asked for.
    let now = unsafe { ktime_get() };
    let overdue = RECORDS.filter_map(|_, record| {
        let overdue = record.machine == machine
            && record.is_pending()
            && !record.overdue
            && now - record.created_ns > LIMIT;
        record.overdue |= overdue;
        overdue.then_some(*record)
    });
    for record in overdue {
        let seconds = (now - record.created_ns) / SECOND;
        never(&record, format_args!("pending for {seconds} seconds"), None);
    }
}

/// The machine is about to end: whoever has not signalled never will.
fn ended() {
    let machine = this_machine();
    let own = RECORDS
        .filter_map(|number, record| (record.machine == machine).then_some((number, *record)));
    for (number, record) in own {
        if record.is_pending() && !record.overdue {
            never(
                &record,
                format_args!("never signalled, and nobody is left"),
                None,
            );
        }
        life::forget(number);
    }
}

fn never(record: &Record, what: core::fmt::Arguments<'_>, at: Option<(&str, Place)>) {
    let published = record.published.map(|at| ("published", Place::At(at)));
    let mut evidence = [record.created(); 3];
    let mut steps = 1;
    for step in [published, at].into_iter().flatten() {
        evidence[steps] = step;
        steps += 1;
    }
    if checking() {
        report(
            &SIGNAL_EVENTUALLY,
            what,
            (record.context, record.seqno),
            &evidence[..steps],
        );
    }
}

/// The issuer's side of a fence goes without a signal.
#[track_caller]
pub(crate) fn signal_eventually(fence: *mut dma_fence) {
    if let (true, Some(record)) = (SIGNAL_EVENTUALLY.look(), record::of(fence)) {
        let dropped = ("dropped", Place::Here(Location::caller()));
        never(
            &record,
            format_args!("dropped by its issuer without a signal"),
            Some(dropped),
        );
    }
}

/// The last reference to a fence that has not signalled is gone, and no callback is pending.
pub(crate) fn released_unsignalled(fence: *mut dma_fence) {
    let checking = SIGNAL_EVENTUALLY.look();
    if let Some(record) = record::of(fence).filter(|record| checking && record.is_pending()) {
        let put = record.put.map_or(Place::Unknown, Place::Here);
        let put = ("last reference dropped", put);
        never(
            &record,
            format_args!("released without a signal"),
            Some(put),
        );
    }
}

/// The last reference to a fence is gone; `pending` says whether callbacks are.
pub(crate) fn release_signalled(fence: *mut dma_fence, pending: bool) {
    let checking = RELEASE_SIGNALLED.look();
    let Some(record) = record::of(fence).filter(|_| pending && checking) else {
        return;
    };
    let added = CALLBACKS
        .filter_map(|_, callback| {
            (callback.pending && callback.fence == fence.addr()).then_some(callback.added)
        })
        .next();
    report(
        &RELEASE_SIGNALLED,
        format_args!("last reference dropped while callbacks are pending"),
        (record.context, record.seqno),
        &[
            record.created(),
            match added {
                Some(added) => ("callback added", Place::At(added)),
                None => ("a task waits", Place::Unknown),
            },
            (
                "reference dropped",
                record.put.map_or(Place::Unknown, Place::Here),
            ),
        ],
    );
}
