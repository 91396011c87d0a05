// SPDX-License-Identifier: GPL-2.0-only
//! Grace periods on a virtual CPU: deterministic, with a queue for each machine.
//!
//! With one processor a grace period could end at any switch of tasks. It ends when no task can
//! run, so that a schedule alone decides what happens when.

use super::{callback_head, callbacks::Queue, gp};
use crate::globals;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use spin::mutex::SpinMutex;

/// The callbacks of one virtual CPU's machine.
pub(crate) struct VcpuGrace {
    queue: SpinMutex<Queue>,
    /// True while callbacks of an earlier batch are being called.
    calling: AtomicBool,
}

impl VcpuGrace {
    pub(crate) const fn new() -> Self {
        Self {
            queue: SpinMutex::new(Queue::new()),
            calling: AtomicBool::new(false),
        }
    }

    /// Ends a grace period: calls what is queued; false if there was nothing.
    ///
    /// The caller has the run token, and no task is inside a section that holds up a grace period.
    pub(crate) fn idle(&self) -> bool {
        let batch = core::mem::replace(&mut *self.queue.lock(), Queue::new());
        if batch.is_empty() {
            return false;
        }
        // Nobody of this machine is inside a section. Threads of the host may be, if they know of
        // its objects.
        gp::wait();
        self.calling.store(true, Relaxed);
        // SAFETY: Every section that was open when these were queued has been closed.
        unsafe { batch.call() };
        self.calling.store(false, Relaxed);
        true
    }

    /// # Safety
    ///
    /// As [`Queue::push`].
    pub(super) unsafe fn queue(&self, head: *mut callback_head) {
        // SAFETY: By the safety requirements.
        unsafe { self.queue.lock().push(head) };
    }

    /// True if a callback is queued or being called.
    pub(super) fn pending(&self) -> bool {
        self.calling.load(Relaxed) || !self.queue.lock().is_empty()
    }
}

/// Calls `f` with the callbacks of this task's machine, if that has a virtual CPU.
pub(super) fn with_current<R>(f: impl FnOnce(&VcpuGrace) -> R) -> Option<R> {
    globals::with_vcpu(|globals| f(&globals.grace))
}
