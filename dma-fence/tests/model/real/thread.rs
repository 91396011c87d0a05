// SPDX-License-Identifier: GPL-2.0-only
//! The threads of a sequence.

use super::{user, Mirror, Owner, USER};
use kernel::{
    bindings::{
        allow_signal, get_task_struct, kthread_create, put_task_struct, send_sig, task_struct,
        wake_up_process, SIGUSR1,
    },
    ffi::{c_int, c_void},
    str::CStrExt as _,
};
use std::sync::Arc;

/// A reference to a kernel thread.
///
/// # Invariants
///
/// Owns a reference.
pub(super) struct Thread(*mut task_struct);

// SAFETY: A task may be referred to from any thread.
unsafe impl Send for Thread {}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { put_task_struct(self.0) };
    }
}

struct Start {
    user: Arc<Owner>,
    thread: usize,
}

/// Starts a thread that runs what the user has for it.
pub(super) fn start(thread: usize) -> Option<Thread> {
    let start = Start {
        user: user()?,
        thread,
    };
    let data = Box::into_raw(Box::new(start)).cast();
    // SAFETY: The function takes over the box, and is called since it is woken below. The task
    // has not run yet, so the reference can be taken.
    unsafe {
        let task = kthread_create(main, data, c"model".as_char_ptr());
        assert!((task as isize) > 0, "the host has no more threads");
        get_task_struct(task);
        wake_up_process(task);
        Some(Thread(task))
    }
}

/// # Safety
///
/// `data` is a box of [`Start`], which this takes over.
unsafe extern "C" fn main(data: *mut c_void) -> c_int {
    // SAFETY: By the safety requirements.
    let start = unsafe { Box::from_raw(data.cast::<Start>()) };
    // SAFETY: Nothing is asked for.
    unsafe { allow_signal(SIGUSR1) };
    USER.set(Some(Arc::clone(&start.user)));
    start.user.run_thread(start.thread);
    USER.set(None);
    0
}

impl Mirror {
    pub(super) fn interrupt(&self, thread: usize) {
        if let Some(Thread(task)) = &self.state().threads[thread] {
            // SAFETY: By the type invariant of the thread.
            unsafe { send_sig(SIGUSR1, *task, 1) };
        }
    }
}
