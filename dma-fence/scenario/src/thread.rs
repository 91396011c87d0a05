// SPDX-License-Identifier: GPL-2.0-only
//! Threads that run one command each.

use crate::{
    call::Place,
    command,
    session::{enter, Session},
    statement::Statement,
};
use core::ptr::NonNull;
use kernel::{
    bindings::{
        allow_signal, get_task_struct, kthread_create, put_task_struct, send_sig, task_struct,
        wake_up_process, SIGUSR1,
    },
    ffi::{c_int, c_void},
    str::CStrExt as _,
};
use std::sync::Arc;

/// How many threads a scenario may start.
pub(crate) const MAX_THREADS: usize = 8;

/// How much stack nested callbacks may use in a thread of the scenario, which
/// has what a thread gets by default: 2 MiB.
const STACK: usize = 1 << 20;

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
    /// Sends the signal that interrupts an interruptible wait.
    pub(crate) fn interrupt(&self) {
        // SAFETY: By the type invariant the task is there.
        unsafe { send_sig(SIGUSR1, self.0.as_ptr(), 1) };
    }

    /// The same task.
    pub(crate) fn get(&self) -> Self {
        // SAFETY: By the type invariant the task is there.
        unsafe { get_task_struct(self.0.as_ptr()) };
        // INVARIANT: A reference was taken.
        Self(self.0)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to give up.
        unsafe { put_task_struct(self.0.as_ptr()) };
    }
}

/// What a thread begins with.
struct Start {
    session: Arc<Session>,
    /// Its place in the table of threads.
    index: usize,
    statement: Statement,
}

/// Starts a thread that runs `statement`. It is the caller's to let it run.
pub(crate) fn start(
    session: &Arc<Session>,
    name: &str,
    statement: Statement,
) -> Option<ThreadObject> {
    let start = Box::into_raw(Box::new(Start {
        session: Arc::clone(session),
        index: session.state().threads.len(),
        statement,
    }));
    // SAFETY: The function takes over the box, and is run since it is woken below.
    let task = unsafe { kthread_create(main, start.cast(), c"scenario".as_char_ptr()) };
    const MAX_ERRNO: usize = 4095;
    let task = NonNull::new(task).filter(|task| task.addr().get() < MAX_ERRNO.wrapping_neg());
    let Some(task) = task else {
        // SAFETY: No thread was created that could have taken it.
        drop(unsafe { Box::from_raw(start) });
        return None;
    };
    // SAFETY: The task has not run yet, so it is there.
    unsafe { get_task_struct(task.as_ptr()) };
    // INVARIANT: A reference was taken.
    let task = Task(task);
    Some(ThreadObject {
        name: name.to_owned(),
        task,
        finished: false,
    })
}

/// Lets a new thread run.
pub(crate) fn wake(task: &Task) {
    // SAFETY: By the invariant of the type the task is there.
    unsafe { wake_up_process(task.0.as_ptr()) };
}

/// # Safety
///
/// `data` is a box of [`Start`], which this function takes over.
unsafe extern "C" fn main(data: *mut c_void) -> c_int {
    // SAFETY: By the safety requirements.
    let start = unsafe { Box::from_raw(data.cast::<Start>()) };
    // SAFETY: Nothing is asked for.
    unsafe { allow_signal(SIGUSR1) };
    enter(&start.session, STACK, || {
        let outcome = command::run(&start.session, &start.statement, Place::Thread);
        let mut state = start.session.state();
        if let Some(thread) = state.threads.get_mut(start.index) {
            thread.finished = true;
            let prefix = format!("! thread {} ", thread.name);
            state.recorder.outcome(&prefix, &outcome);
        }
    });
    0
}
