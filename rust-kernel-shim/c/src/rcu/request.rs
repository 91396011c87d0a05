// SPDX-License-Identifier: GPL-2.0-only
//! Which grace periods were asked for and have ended; for a debug kernel.
//!
//! Whether a grace period happens to have passed depends on what others do. Whether one was waited
//! for does not: so what needs a grace period can be judged without the unlucky
//! interleaving. Signals, requests and whatever else has its place in the order take a [`stamp`];
//! a request that was made after a stamp was taken, and has come to its end, covers it.

use super::callback_head;
use crate::{debugobjects::SideTable, globals};
use core::{
    cell::Cell,
    panic::Location,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use machine::failed;

/// A request for a grace period.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    stamp: u64,
    /// The location of the request.
    pub at: &'static Location<'static>,
    /// The test that has made it.
    test: u64,
    /// True if it is for a grace period of RCU's own, and not of a sleepable domain.
    own: bool,
}

/// 1 is the number of what has ended before all else.
static NEXT: AtomicU64 = AtomicU64::new(2);

/// Callbacks that are queued, by the addresses of their heads.
static QUEUED: SideTable<usize, Request> = SideTable::new();

machine::per_thread! {
    /// The request whose RCU callback runs.
    static REQUEST: Cell<Option<Request>> = Cell::new(None);
}

/// A number that is greater than all before. From any context.
pub fn rcu_order() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}

/// The number that [`rcu_order`] would return.
#[cfg(feature = "debug")]
pub(super) fn next_stamp() -> u64 {
    NEXT.load(Relaxed)
}

/// True if a grace period that was asked for after `stamp` is over, as far as the caller can know:
/// an RCU callback knows of the one that it has waited for. From any context.
pub fn rcu_order_passed(stamp: u64) -> bool {
    let own = REQUEST.get().is_some_and(|request| request.stamp > stamp);
    own || globals::with(|globals| globals.covered.load(Relaxed)) > stamp
}

/// The request that the RCU callback which runs here has waited for.
pub fn rcu_callback_request() -> Option<Request> {
    REQUEST.get()
}

/// A callback is about to be queued; for a grace period of RCU's `own`, or of a sleepable domain.
pub(super) fn queued(head: *mut callback_head, at: &'static Location<'static>, own: bool) {
    if cfg!(feature = "debug") {
        let stamp = rcu_order();
        let test = failed::this_test();
        let request = Request {
            stamp,
            at,
            test,
            own,
        };
        QUEUED.insert(head.addr(), request);
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
    let own = request.filter(|request| request.own);
    REQUEST.set(own);
    // Before the call: a task that it wakes goes on at once.
    if let Some(request) = own {
        over(request.stamp);
    }
    match request {
        Some(request) => failed::work_for(request.test, call),
        None => call(),
    }
    REQUEST.set(None);
}
