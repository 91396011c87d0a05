// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks: a queue for each machine.
//!
//! Everything that is queued at some time is a batch, which waits for one grace period. Threads
//! that run freely have a thread that calls their callbacks. On a virtual CPU a grace period could
//! end at any switch of tasks; it ends when no task can run, so that the schedule alone decides
//! what happens when.

use super::{callback_head, gp, request};
use crate::{globals, serve_softirq};
use core::{
    cell::Cell,
    mem,
    ptr::null_mut,
    sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use machine::worker::Worker;
use spin::mutex::SpinMutex;

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
    queue: SpinMutex<Queue>,
    /// Callbacks that were queued and have not returned.
    pending: AtomicUsize,
}

/// A singly linked list of heads, the oldest first.
struct Queue {
    first: *mut callback_head,
    last: *mut callback_head,
}

// SAFETY: The queue owns the heads that are on it.
unsafe impl Send for Queue {}

impl Queue {
    const EMPTY: Self = Self {
        first: null_mut(),
        last: null_mut(),
    };
}

impl Callbacks {
    pub(crate) const fn new() -> Self {
        Self {
            queue: SpinMutex::new(Queue::EMPTY),
            pending: AtomicUsize::new(0),
        }
    }

    /// # Safety
    ///
    /// `head` is valid, its `next` is null, and it belongs to the queue until it is called.
    unsafe fn push(&self, head: *mut callback_head) {
        self.pending.fetch_add(1, Relaxed);
        let mut queue = self.queue.lock();
        if queue.first.is_null() {
            queue.first = head;
        } else {
            // SAFETY: `last` is on the queue, so it is valid.
            unsafe { (*queue.last).next = head };
        }
        queue.last = head;
    }

    /// True if any callback that was queued before this call has not returned.
    pub(super) fn pending(&self) -> bool {
        // Pairs with the `Release` in `serve`: a caller that reads 0 sees what the callbacks did.
        self.pending.load(Acquire) != 0
    }

    /// Waits for a grace period and calls the callbacks queued before it, the oldest first; false
    /// if none.
    ///
    /// On a virtual CPU the caller has the run token, and no task is inside a section that holds up
    /// a grace period. Threads of the host may be, if they know of the machine's objects.
    pub(crate) fn serve(&self) -> bool {
        let batch = mem::replace(&mut *self.queue.lock(), Queue::EMPTY);
        if batch.first.is_null() {
            return false;
        }
        gp::wait();
        let mut head = batch.first;
        let mut called = 0;
        while !head.is_null() {
            // SAFETY: Queued, so it is valid until it is called; nothing of it is used after that.
            let callback_head { next, func } = unsafe { *head };
            if let Some(func) = func {
                RUNNING.set(true);
                // SAFETY: `call_rcu()`'s caller vouches for it; a grace period has passed.
                serve_softirq(|| request::with_request(head, || unsafe { func(head) }));
                RUNNING.set(false);
            }
            called += 1;
            head = next;
        }
        // Pairs with the `Acquire` in `pending`.
        self.pending.fetch_sub(called, Release);
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
pub(super) unsafe fn queue(head: *mut callback_head) {
    globals::with(|globals| {
        // SAFETY: The caller's guarantees are the same.
        unsafe { globals.callbacks.push(head) };
        if !globals.has_vcpu() {
            WORKER.kick();
        }
    });
}

/// Starts the thread that calls the callbacks of free-running threads, which the first callback
/// would start otherwise; false if the host has no thread.
pub fn start() -> bool {
    WORKER.start()
}
