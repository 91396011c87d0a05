// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks of threads that run freely: a queue, and a thread that serves it.

use super::{callback_head, gp, request};
use crate::serve_softirq;
use core::{
    cell::Cell,
    ptr,
    sync::atomic::{
        AtomicIsize,
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

/// A singly linked list of heads, in the order of [`Queue::push`].
pub(super) struct Queue {
    first: *mut callback_head,
    last: *mut callback_head,
}

// SAFETY: The queue owns the heads that are on it.
unsafe impl Send for Queue {}

impl Queue {
    pub(super) const fn new() -> Self {
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// # Safety
    ///
    /// `head` is valid, its `next` is null, and it belongs to the queue until it is called.
    pub(super) unsafe fn push(&mut self, head: *mut callback_head) {
        if self.first.is_null() {
            self.first = head;
        } else {
            // SAFETY: `last` is on the queue, so it is valid.
            unsafe { (*self.last).next = head };
        }
        self.last = head;
    }

    /// Calls all, the oldest first; gives their number.
    ///
    /// # Safety
    ///
    /// A grace period has passed since the youngest was queued.
    pub(super) unsafe fn call(self) -> isize {
        let mut head = self.first;
        let mut called = 0;
        while !head.is_null() {
            // SAFETY: On the queue, so it is valid until it is called; after that it is gone.
            let callback_head { next, func } = unsafe { *head };
            if let Some(func) = func {
                RUNNING.set(true);
                // SAFETY: Whoever queued it vouches for the function; the grace period is over.
                serve_softirq(|| request::with_request(head, || unsafe { func(head) }));
                RUNNING.set(false);
            }
            called += 1;
            head = next;
        }
        called
    }
}

static QUEUE: SpinMutex<Queue> = SpinMutex::new(Queue::new());

/// Callbacks that were queued and have not returned.
static PENDING: AtomicIsize = AtomicIsize::new(0);

static WORKER: Worker = Worker::new("rcu", serve);

pub(super) fn queue(head: *mut callback_head) {
    PENDING.fetch_add(1, Relaxed);
    // SAFETY: The caller of `call_rcu()` has handed the head over.
    unsafe { QUEUE.lock().push(head) };
    WORKER.kick();
}

/// Starts the thread that calls them, which the first of them would do; false if the host has none.
pub fn start() -> bool {
    WORKER.start()
}

/// True if a callback that was queued before this call has not returned.
pub fn pending() -> bool {
    // Pairs with the `Release` in `serve`: who reads 0 sees what the callbacks did.
    PENDING.load(Acquire) != 0
}

/// One batch: everything that is queued now waits for one grace period.
fn serve() {
    let batch = core::mem::replace(&mut *QUEUE.lock(), Queue::new());
    if batch.is_empty() {
        return;
    }
    gp::wait();
    // SAFETY: The grace period began after the batch was taken.
    let called = unsafe { batch.call() };
    PENDING.fetch_sub(called, Release);
}
