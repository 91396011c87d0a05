// SPDX-License-Identifier: GPL-2.0-only
//! Every published fence is signalled, in bounded time.

use super::{
    super::bindings::Live,
    callback, named,
    record::{self, Record, OVERDUE},
    rules::{RELEASE_SIGNALLED, SIGNAL_EVENTUALLY},
};
use core::{
    fmt,
    panic::Location,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};
use kernel::{
    bindings::{
        debug_wait_begins, debug_wait_ends,
        debugobjects::SideTable,
        ktime_get_coarse,
        rule::{checking, Evidence, Place, Rule},
        Thing,
    },
    time::Delta,
};

/// The longest time that a fence may be pending (ns): at first Linux's default limit for hung tasks.
static LIMIT: AtomicI64 = AtomicI64::new(120 * SECOND);
const SECOND: i64 = 1_000_000_000;

/// Sets the longest time that a fence may be pending; it has no end without one.
pub(crate) fn set_limit(limit: Option<Delta>) {
    LIMIT.store(limit.map_or(i64::MAX, Delta::as_nanos), Relaxed);
}

/// Looks for fences that are pending for too long.
pub(super) fn time_passed() {
    // SAFETY: Reading the clock has no preconditions.
    let now = unsafe { ktime_get_coarse() };
    let limit = LIMIT.load(Relaxed);
    while let Some(record) = record::next_overdue(|record| now - record.since > limit) {
        let seconds = (now - record.since) / SECOND;
        never(&record, format_args!("pending for {seconds} seconds"), None);
    }
}

/// The machine is about to end, but for `blocked` tasks, for which a deadlock was reported: what has
/// not signalled never will. One report for each context.
pub(super) fn ended(blocked: usize) {
    // How many of each context.
    let left: SideTable<u64, usize> = SideTable::new();
    for (_, record) in record::own().filter(|(_, record)| is_left(record)) {
        if left.with(record.context, |count| *count += 1).is_none() {
            left.insert(record.context, 1);
        }
    }
    let tasks = match blocked {
        0 => "no task is left",
        _ => "the tasks that are left are blocked, see the deadlock above",
    };
    for (id, record) in record::own() {
        let count = if is_left(&record) {
            left.remove(record.context)
        } else {
            None
        };
        match count {
            None => {}
            Some(1) => never(&record, format_args!("never signalled, and {tasks}"), None),
            Some(count) => never(
                &record,
                format_args!(
                    "never signalled, and {} more of its context, and {tasks}",
                    count - 1
                ),
                None,
            ),
        }
        record::forget(id);
    }
}

/// It is pending at the end, which was not reported yet.
fn is_left(record: &Record) -> bool {
    record.is_pending() && !record.has(OVERDUE)
}

fn never(record: &Record, what: fmt::Arguments<'_>, at: Option<Evidence<'_>>) {
    let published = record.published.map(|at| ("published", Place::At(at)));
    if checking() {
        let evidence = [published, at].into_iter().flatten();
        record.report(&SIGNAL_EVENTUALLY, what, evidence);
    }
}

/// The fence can be found by others than its issuer, for the first time.
#[cold]
#[inline(never)]
#[track_caller]
pub(super) fn begins(fence: *const Live) {
    let at = Location::caller();
    // SAFETY: Reading the clock has no preconditions.
    let now = unsafe { ktime_get_coarse() };
    if let Some(mut known) = record::known_of(fence) {
        known.publishes(at, now);
    }
}

/// A fence, for the report of a deadlock.
fn thing(fence: *const Live) -> Thing {
    // SAFETY: The event is one of a fence to which the caller has a reference.
    let (context, seqno) = unsafe { ((*fence).context, (*fence).seqno) };
    Thing {
        say: |(context, seqno), out| {
            write!(out, " {context}:{seqno}")?;
            named::write(context, out)
        },
        needs: Some(Thing::SECTION.id),
        ..Thing::new("fence", (context, seqno))
    }
}

/// Writes whose lock is at this address, if it is that of a fence.
pub(super) fn owner(addr: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    // Its own lock is the first thing in a fence.
    match record::of(core::ptr::without_provenance(addr)).map(|record| record.subject()) {
        Some((context, seqno)) => {
            write!(out, " of fence {context}:{seqno}")?;
            named::write(context, out)
        }
        None => Ok(()),
    }
}

/// The task is about to wait for a fence.
#[track_caller]
pub(super) fn wait_begins(fence: *const Live) {
    debug_wait_begins(thing(fence));
}

/// It has waited.
pub(super) fn wait_ends(fence: *const Live) {
    debug_wait_ends(thing(fence).id);
}

/// The issuer's side of a fence goes without a signal.
#[track_caller]
pub(super) fn forgotten(fence: *const Live) {
    if let (true, Some(record)) = (SIGNAL_EVENTUALLY.look(), record::of(fence)) {
        let what = format_args!("dropped by its issuer without a signal");
        let dropped = ("dropped", Place::Here(Location::caller()));
        never(&record, what, Some(dropped));
    }
}

/// The last reference to a fence is gone; `pending` says whether callbacks are pending.
pub(super) fn released(fence: *const Live, pending: bool) {
    if !pending {
        Rule::count([&RELEASE_SIGNALLED, &SIGNAL_EVENTUALLY]);
        if record::find(fence).is_none_or(|known| known.bit_set() != 0) || !checking() {
            return;
        }
        if let Some(record) = record::of(fence) {
            if record.is_pending() {
                let what = format_args!("released without a signal");
                never(&record, what, Some(record.put("last reference dropped")));
            }
        }
        return;
    }
    let checking = RELEASE_SIGNALLED.look();
    let Some(record) = record::of(fence).filter(|_| checking) else {
        return;
    };
    let mut its =
        callback::all().filter(|callback| callback.pending && callback.fence == fence.addr());
    let added = its.next().map(|callback| callback.added);
    record.report(
        &RELEASE_SIGNALLED,
        format_args!("last reference dropped while callbacks are pending"),
        [
            match added {
                Some(added) => ("callback added", Place::At(added)),
                None => ("a task waits", Place::Unknown),
            },
            record.put("reference dropped"),
        ],
    );
}
