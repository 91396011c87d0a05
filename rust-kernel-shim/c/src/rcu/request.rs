// SPDX-License-Identifier: GPL-2.0-only
//! Which grace periods were asked for and have ended; for a debug kernel.
//!
//! Whether a grace period happens to have passed depends on what others do. Whether one was waited
//! for does not: so what needs a grace period can be judged without the unlucky
//! interleaving. Signals, requests and whatever else has its place in the order take a [`stamp`];
//! a request that was made after a stamp was taken, and has come to its end, covers it.

use super::callback_head;
use crate::{
    debug::{leaks, splat::splat},
    debugobjects::{Freeing, PageTable},
    globals,
    rule::{checking, this_machine, Place},
    ACTIVE_OBJECT_FREED, KERN_ERR,
};
use core::{
    cell::Cell,
    fmt::Write as _,
    panic::Location,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use machine::{
    counted::Counted,
    failed, heap,
    location::{self, Site},
    report_log::Text,
};

/// Places that are named of callbacks that are left behind.
const PLACES: usize = 10;

/// A request for a grace period.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub(crate) stamp: u64,
    /// The location of the request.
    pub at: &'static Location<'static>,
    /// The driver's, if that is in the kernel.
    pub site: Site,
    /// The test that has made it.
    pub(crate) test: u64,
    pub(crate) machine: u64,
    pub(crate) kind: Kind,
}

/// What a callback is queued for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// To be called after a grace period of RCU's own.
    Call,
    /// The same, to free memory: by code of the kernel alone.
    Free,
    /// To be called after a grace period of a sleepable domain.
    Sleepable,
}

/// 1 is the number of what has ended before all else.
static NEXT: AtomicU64 = AtomicU64::new(2);

/// Callbacks that are queued, by the addresses of their heads.
pub(crate) static QUEUED: PageTable<usize, Request> = PageTable::new();

machine::per_thread! {
    /// The request whose RCU callback runs.
    static REQUEST: Cell<Option<Request>> = Cell::new(None);
}

/// A number that is greater than all before. From any context.
#[inline]
pub fn rcu_order() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}

/// The greatest number that [`rcu_order`] has returned: all that it returns after this are greater. From
/// any context.
#[inline]
pub fn rcu_order_last() -> u64 {
    NEXT.load(Relaxed) - 1
}

/// The number that [`rcu_order`] would return.
#[cfg(feature = "debug")]
#[inline]
pub(super) fn next_stamp() -> u64 {
    NEXT.load(Relaxed)
}

/// A number that is the same as long as [`rcu_order_passed`] says the same of every stamp. From any
/// context.
#[inline]
pub fn rcu_order_progress() -> u64 {
    let own = REQUEST.get().map_or(0, |request| request.stamp);
    own.max(globals::with(|globals| globals.covered.load(Relaxed)))
}

/// True if a grace period that was asked for after `stamp` is over, as far as the caller can know:
/// an RCU callback knows of the one that it has waited for. From any context.
pub fn rcu_order_passed(stamp: u64) -> bool {
    rcu_order_progress() > stamp
}

/// The request that the RCU callback which runs here has waited for.
pub fn rcu_callback_request() -> Option<Request> {
    REQUEST.get()
}

/// A callback is about to be queued; false, and reported, if it is already.
#[must_use]
pub(super) fn queued(head: *mut callback_head, at: &'static Location<'static>, kind: Kind) -> bool {
    if cfg!(not(feature = "debug")) {
        return true;
    }
    let request = Request {
        stamp: rcu_order(),
        at,
        site: location::site(at),
        test: failed::this_test(),
        machine: this_machine(),
        kind,
    };
    let Some(first) = QUEUED.insert_new(head.addr(), request) else {
        leaks::at_exit(request.machine);
        return true;
    };
    if first.machine != request.machine {
        // That machine came to no end, and calls nothing any more.
        QUEUED.insert(head.addr(), request);
        return true;
    }
    let (again, before) = (location::entry(at), first.site);
    splat(
        KERN_ERR,
        &again,
        format_args!("rcu: call_rcu(): Double-freed CB: queued again at {again}"),
        format_args!("  queued first at {before}\n"),
    );
    false
}

/// Prints where the callbacks were queued that a machine has left behind. From any context.
pub(crate) fn show_left(machine: u64, heading: &str) {
    let mut counted = Counted::default();
    let left = QUEUED.filter_map(|_, request| (request.machine == machine).then_some(request.site));
    for at in left {
        let mut text = Text::new();
        // Writing to a string does not fail.
        let _ = write!(text, "queued at {at}");
        counted.add(text);
    }
    if counted.total() != 0 {
        counted.print(heading, PLACES);
    }
}

/// Memory is about to be freed, in which no callback of this machine may be queued. If one is, all
/// memory stays from here on, so that it can be called.
pub(crate) fn head_freed(freeing: &Freeing) {
    if cfg!(not(feature = "debug")) || !super::rcu_callbacks_pending() {
        return;
    }
    let end = freeing.addr.saturating_add(freeing.size);
    let queued = QUEUED.in_memory(freeing.addr..end, |addr| addr);
    let Some(&(_, queued)) = queued.first() else {
        return;
    };
    if ACTIVE_OBJECT_FREED.look() && queued.machine == this_machine() && checking() {
        heap::keep();
        ACTIVE_OBJECT_FREED.report(
            format_args!("debugobjects: rcu_head freed while it is queued"),
            &[
                ("queued", Place::At(queued.at)),
                ("freed", Place::Here(freeing.at)),
            ],
        );
    }
}

/// A request of `stamp` has come to its end.
pub(super) fn over(stamp: u64) {
    globals::with(|globals| globals.covered.fetch_max(stamp, Relaxed));
}

/// Calls `call`, which calls the callback of `head`.
pub(super) fn with_request(head: *mut callback_head, call: impl FnOnce()) {
    if !cfg!(feature = "debug") {
        return call();
    }
    let request = QUEUED.remove(head.addr());
    let own = request.filter(|request| request.kind != Kind::Sleepable);
    REQUEST.set(own);
    // Before the call: a task that it wakes goes on at once.
    if let Some(request) = own {
        over(request.stamp);
    }
    location::asked_at(request.map(|request| request.site), || match request {
        Some(request) => failed::work_for(request.test, call),
        None => call(),
    });
    REQUEST.set(None);
}
