// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks of sleepable domains: queues for each machine.
//!
//! As with RCU's own, threads that run freely have a thread that calls their callbacks, and on a
//! virtual CPU they are called when no task can run. But neither waits for a domain's readers: these
//! may need another domain's grace period to end.

use super::Data;
use crate::{
    globals,
    rcu::{callback_head, callbacks::List, poll, rcu_callback_t, srcu_struct},
};
use core::{
    mem, ptr,
    sync::atomic::Ordering::{Relaxed, Release},
};
use machine::{barrier, side_table::SideTable, worker::Worker};

/// What one machine wants of a domain.
#[derive(Default)]
struct Pending {
    /// Callbacks that wait for the grace period of the last request among them, of this number; 0 if
    /// none waits.
    waiting: List,
    number: u64,
    /// Those that were queued since.
    next: List,
    next_number: u64,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.number == 0 && self.next_number == 0
    }
}

/// What one machine wants of all domains, by the addresses of their data.
pub(crate) struct Domains(SideTable<usize, Pending>);

impl Domains {
    pub(crate) const fn new() -> Self {
        Self(SideTable::new())
    }

    fn all(&self) -> impl Iterator<Item = usize> {
        self.0.filter_map(|addr, _| Some(addr))
    }

    /// Goes on with all grace periods that are needed, as far as readers allow, and calls the
    /// callbacks of those that have ended; false if that is nothing.
    pub(crate) fn serve(&self, stalls: bool) -> bool {
        let served = self.all().filter(|&addr| self.serve_one(addr, stalls));
        served.count() != 0
    }

    fn serve_one(&self, addr: usize, stalls: bool) -> bool {
        let data = self.0.with(addr, |pending| {
            // SAFETY: Something is pending, so the domain is not cleaned up; it is not before
            // `serving` is 0 again.
            let data: &Data = unsafe { &*ptr::with_exposed_provenance(addr) };
            if pending.number == 0 {
                pending.waiting = mem::take(&mut pending.next);
                pending.number = mem::take(&mut pending.next_number);
            }
            data.needed.fetch_max(pending.number, Relaxed);
            data.serving.fetch_add(1, Relaxed);
            data
        });
        let Some(data) = data else {
            return false;
        };
        let mut done = data.advance();
        let ready = self.0.with(addr, |pending| {
            data.completed(pending.number).then(|| {
                pending.number = 0;
                mem::take(&mut pending.waiting)
            })
        });
        if let Some(ready) = ready.flatten() {
            done = true;
            // SAFETY: A grace period has passed, and nothing of a head is used once it is called.
            unsafe {
                ready.call(|| _ = data.queued.fetch_sub(1, Release));
            }
        }
        self.0.remove_if(addr, Pending::is_empty);
        if stalls && !done {
            data.look_for_stalls();
        }
        // The last access. Pairs with the `Acquire` loads in `cleanup_srcu_struct()` and
        // `srcu_barrier()`.
        data.serving.fetch_sub(1, Release);
        done
    }

    /// As [`serve`](Self::serve), until nothing is pending.
    fn serve_all(&self) {
        let mut tries = 0;
        while self.all().next().is_some() {
            if self.serve(true) {
                tries = 0;
            } else {
                barrier::back_off(&mut tries);
            }
        }
    }
}

static WORKER: Worker = Worker::new("srcu", || {
    globals::with(|globals| globals.domains.serve_all());
});

/// # Safety
///
/// `ssp` is initialised until the grace period that `f` asks for has ended.
unsafe fn want(ssp: *mut srcu_struct, f: impl FnOnce(&Data, &mut Pending)) {
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    let data = unsafe { super::data(ssp) };
    globals::with(|globals| {
        let addr = ptr::from_ref(data).expose_provenance();
        globals
            .domains
            .0
            .with_entry(addr, |pending| f(data, pending));
        if !globals.has_vcpu() {
            WORKER.kick();
        }
    });
}

/// Has a grace period begin and end after the cookie was taken.
///
/// # Safety
///
/// `ssp` is initialised until then.
pub(super) unsafe fn request(ssp: *mut srcu_struct, cookie: u64) {
    // SAFETY: The caller's guarantees are the same.
    unsafe {
        want(ssp, |data, pending| {
            data.needed.fetch_max(cookie, Relaxed);
            pending.next_number = pending.next_number.max(cookie);
        });
    }
}

/// Has the callback of `head` called after a grace period.
///
/// # Safety
///
/// As [`call_srcu`](super::call_srcu).
pub(super) unsafe fn call(ssp: *mut srcu_struct, head: *mut callback_head, func: rcu_callback_t) {
    // SAFETY: The caller's guarantees are the same: `head` is valid, and on no list.
    unsafe {
        want(ssp, |data, pending| {
            data.queued.fetch_add(1, Relaxed);
            pending.next.push(head, func);
            pending.next_number = poll::cookie();
        });
    }
}
