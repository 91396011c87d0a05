// SPDX-License-Identifier: GPL-2.0-only
//! The threads of a scenario.

use core::ptr::NonNull;
use kernel::bindings::{
    get_task_struct, put_task_struct, send_sig, task_struct, wake_up_process, SIGUSR1,
};

/// How many threads a scenario may start.
pub(crate) const MAX_THREADS: usize = 8;

/// A thread of the scenario.
pub(crate) struct ThreadObject {
    pub(crate) name: String,
    pub(crate) task: Task,
    pub(crate) finished: bool,
}

/// A reference to a kernel thread.
///
/// # Invariants
///
/// Holds a reference to the task.
pub(crate) struct Task(NonNull<task_struct>);

// SAFETY: A task may be referred to from any thread.
unsafe impl Send for Task {}

impl Task {
    /// A reference of its own.
    ///
    /// # Safety
    ///
    /// The task is there.
    pub(crate) unsafe fn new(task: NonNull<task_struct>) -> Self {
        // SAFETY: The task is there: the caller's guarantee.
        unsafe { get_task_struct(task.as_ptr()) };
        // INVARIANT: A reference was taken.
        Self(task)
    }

    /// Lets a new task run, or one that sleeps.
    pub(crate) fn wake(&self) {
        // SAFETY: This holds a reference to the task.
        unsafe { wake_up_process(self.0.as_ptr()) };
    }

    /// Sends the signal that interrupts an interruptible wait.
    pub(crate) fn interrupt(&self) {
        // SAFETY: This holds a reference to the task.
        unsafe { send_sig(SIGUSR1, self.0.as_ptr(), 1) };
    }
}

impl Clone for Task {
    fn clone(&self) -> Self {
        // SAFETY: This holds a reference to the task.
        unsafe { Self::new(self.0) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: This holds a reference, which ends here.
        unsafe { put_task_struct(self.0.as_ptr()) };
    }
}
