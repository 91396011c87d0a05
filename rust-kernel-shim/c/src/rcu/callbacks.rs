// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks: a queue for each machine.
//!
//! Everything that is queued at some time is a batch, which waits for one grace period. Threads
//! that run freely have a thread that calls their callbacks. On a virtual CPU a grace period could
//! end at any switch of tasks; it ends when no task can run, so that the schedule alone decides
//! what happens when.

use super::{callback_head, gp, rcu_callback_t, request};
use crate::{globals, serve_softirq, Globals};
use core::{
    cell::Cell,
    mem,
    ptr::null_mut,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use machine::{
    atomic::{
        planted,
        quiet::{AtomicPtr, AtomicUsize},
    },
    vcpu,
    worker::Worker,
};

machine::per_thread! {
    /// True while a callback runs on this thread.
    static RUNNING: Cell<bool> = Cell::new(false);
}

/// True in an RCU callback.
pub(super) fn running() -> bool {
    RUNNING.get()
}

/// The callbacks of one machine.
pub(crate) struct Callbacks {
    /// The callback that was queued last, and from there on those that were queued before.
    newest: AtomicPtr<callback_head>,
    /// The same of tasks that wait for a grace period, where these do not wait for callbacks.
    waiters: AtomicPtr<callback_head>,
    /// Not 0 while some may be called that are on no queue any more; then one more than these are.
    calling: AtomicUsize,
    /// About how many are on the queues.
    length: AtomicUsize,
}

/// A singly linked list of heads, the oldest first.
pub(super) struct List {
    first: *mut callback_head,
    last: *mut callback_head,
}

// SAFETY: The list owns the heads that are on it.
unsafe impl Send for List {}

impl Default for List {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl List {
    const EMPTY: Self = Self {
        first: null_mut(),
        last: null_mut(),
    };

    /// Adds a head at the end.
    ///
    /// # Safety
    ///
    /// `head` is valid for writes, and belongs to the list until it is called.
    pub(super) unsafe fn push(&mut self, head: *mut callback_head, func: rcu_callback_t) {
        let next = null_mut();
        // SAFETY: `head` is valid: the caller's guarantee. So is `last`, which is on the list.
        unsafe {
            head.write(callback_head { next, func });
            if self.first.is_null() {
                self.first = head;
            } else {
                (*self.last).next = head;
            }
        }
        self.last = head;
    }

    /// Adds a head at the beginning; returns the one that it had as its next.
    ///
    /// # Safety
    ///
    /// `head` is valid, and belongs to the list until it is called.
    unsafe fn push_front(&mut self, head: *mut callback_head) -> *mut callback_head {
        if self.first.is_null() {
            self.last = head;
        }
        // SAFETY: `head` is valid: the caller's guarantee.
        let next = unsafe { mem::replace(&mut (*head).next, self.first) };
        self.first = head;
        next
    }

    fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Calls all callbacks, and `before` ahead of each.
    ///
    /// # Safety
    ///
    /// They may be called with their heads.
    pub(super) unsafe fn call(self, mut before: impl FnMut()) {
        let mut head = self.first;
        while !head.is_null() {
            // SAFETY: Queued, so it is valid until it is called; nothing of it is used after that.
            let callback_head { next, func } = unsafe { *head };
            before();
            if let Some(func) = func {
                RUNNING.set(true);
                // SAFETY: It may be called: the caller's guarantee.
                serve_softirq(|| request::with_request(head, || unsafe { func(head) }));
                RUNNING.set(false);
            }
            head = next;
        }
    }
}

impl Callbacks {
    machine::const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                newest: AtomicPtr::new(null_mut()),
                waiters: AtomicPtr::new(null_mut()),
                calling: AtomicUsize::new(0),
                length: AtomicUsize::new(0),
            }
        }
    }

    /// True if nothing was queued before it.
    ///
    /// # Safety
    ///
    /// `head` is valid, and belongs to the queue until it is called.
    pub(super) unsafe fn push(&self, head: *mut callback_head, func: rcu_callback_t) -> bool {
        // SAFETY: The caller's guarantees are the same.
        unsafe { self.push_to(&self.newest, head, func) }
    }

    /// # Safety
    ///
    /// As [`push`](Self::push).
    unsafe fn push_to(
        &self,
        queue: &AtomicPtr<callback_head>,
        head: *mut callback_head,
        func: rcu_callback_t,
    ) -> bool {
        // What others queue at the same moment may be left out.
        self.length.store(self.length.load(Relaxed) + 1, Relaxed);
        let mut next = queue.load(Relaxed);
        loop {
            // SAFETY: `head` is valid: the caller's guarantee.
            unsafe { head.write(callback_head { next, func }) };
            // Pairs with the `Acquire` in `take()`: the head is written, as is what it is in.
            let order = if planted("queue") { Relaxed } else { Release };
            match queue.compare_exchange(next, head, order, Relaxed) {
                Ok(_) => return next.is_null(),
                Err(newer) => next = newer,
            }
        }
    }

    /// Takes all that are queued; `calling` is set.
    fn take(&self, queue: &AtomicPtr<callback_head>) -> List {
        let (mut batch, mut taken) = (List::default(), self.calling.load(Relaxed));
        // `Acquire`: pairs with the `Release` in `push()`; a later push is an exchange, and has those
        // before it. `Release`: pairs with `pending()`, which finds an empty queue and `calling`.
        let mut head = queue.swap(null_mut(), AcqRel);
        while !head.is_null() {
            // SAFETY: It was queued, and belongs to the batch from here on.
            head = unsafe { batch.push_front(head) };
            taken += 1;
        }
        self.calling.store(taken, Relaxed);
        batch
    }

    /// True if a callback was queued and has not returned.
    pub(crate) fn pending(&self) -> bool {
        // First the queues: what a caller has queued was taken from an empty one, after `calling` was set;
        // pairs with `take()`. Last with the `Release` in `serve()`: a caller that reads 0 sees what
        // the callbacks did.
        let queued = |queue: &AtomicPtr<callback_head>| !queue.load(Acquire).is_null();
        queued(&self.newest) || queued(&self.waiters) || self.calling.load(Acquire) != 0
    }

    /// About how many callbacks wait.
    pub(super) fn length(&self) -> usize {
        self.length.load(Relaxed) + self.calling.load(Relaxed)
    }

    /// Waits for a grace period and calls the callbacks queued before it, the oldest first; false
    /// if none.
    ///
    /// On a virtual CPU the caller has the run token, and no task is inside a section that holds up
    /// a grace period. Threads of the host may be, if they know of the machine's objects.
    pub(crate) fn serve(&self) -> bool {
        let late = planted("batch");
        if late {
            gp::wait();
        }
        self.calling.store(1, Relaxed);
        self.length.store(0, Relaxed);
        let waiters = match late_unload() {
            true => self.take(&self.waiters),
            false => List::default(),
        };
        // They may be late, but not forever.
        let wait = !waiters.is_empty() && vcpu::with(|vcpu| vcpu.callbacks_wait()) == Some(true);
        let batch = match wait {
            true => List::default(),
            false => self.take(&self.newest),
        };
        let polled = || globals::with(|globals| globals.progress.is_needed());
        if batch.is_empty() && waiters.is_empty() && !polled() {
            self.calling.store(0, Release);
            return false;
        }
        if !late {
            gp::wait();
        }
        // SAFETY: `call_rcu()`'s caller vouches for them; a grace period has passed.
        unsafe {
            waiters.call(|| {});
            batch.call(|| {});
        }
        let order = if planted("returned") {
            Relaxed
        } else {
            Release
        };
        // Pairs with the `Acquire` in `pending()`.
        self.calling.store(0, order);
        true
    }
}

static WORKER: Worker = Worker::new("rcu", || {
    globals::with(|globals| globals.callbacks.serve());
});

/// Has the callback of `head` called after a grace period.
///
/// # Safety
///
/// As [`Callbacks::push`]. The callback may be called with `head`.
pub(super) unsafe fn queue(head: *mut callback_head, func: rcu_callback_t) {
    // SAFETY: The caller's guarantees are the same.
    let (first, own) = globals::with(|globals| unsafe {
        (globals.callbacks.push(head, func), globals.has_vcpu())
    });
    // Else the one that has queued the first has done so.
    if first && !own {
        WORKER.kick_soon();
    }
}

/// True if a task that waits for a grace period does not wait for callbacks.
fn late_unload() -> bool {
    vcpu::with(|vcpu| vcpu.late_unload()) == Some(true)
}

/// As [`queue`], for a task that waits for a grace period.
///
/// # Safety
///
/// As [`queue`].
pub(super) unsafe fn queue_waiter(head: *mut callback_head, func: rcu_callback_t) {
    // SAFETY: The caller's guarantees are the same.
    globals::with(|globals| unsafe {
        let callbacks = &globals.callbacks;
        match late_unload() {
            true => callbacks.push_to(&callbacks.waiters, head, func),
            false => callbacks.push(head, func),
        };
    });
    kick();
}

/// Has what is needed served.
pub(super) fn kick() {
    if !globals::with(Globals::has_vcpu) {
        WORKER.kick();
    }
}

/// Starts the thread that calls the callbacks of free-running threads, which the first callback
/// would start otherwise; false if the host has no thread.
pub fn start() -> bool {
    WORKER.start()
}
