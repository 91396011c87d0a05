// SPDX-License-Identifier: GPL-2.0-only
//! Threads that run one command each.

use crate::{
    session::{enter, Place, Session},
    statement::Statement,
    world::thread::ThreadObject,
};
use kernel::{
    bindings::{allow_signal, kthread_create, SIGUSR1},
    error::from_err_ptr,
    ffi::{c_int, c_void},
    str::CStrExt as _,
    task::Task,
};
use std::sync::Arc;

/// How much stack nested callbacks may use in a thread of the scenario, which has what a thread
/// gets by default: 2 MiB.
const STACK: usize = 1 << 20;

/// The arguments of a thread.
struct Start {
    session: Arc<Session>,
    /// Its place in the table of threads.
    place: usize,
    statement: Statement,
}

/// Creates a thread that will run `statement` once it is woken.
pub(crate) fn create(
    session: &Arc<Session>,
    name: &str,
    statement: Statement,
) -> Option<ThreadObject> {
    let start = Box::into_raw(Box::new(Start {
        session: Arc::clone(session),
        place: session.world().threads.len(),
        statement,
    }));
    // SAFETY: The function takes over the box; a created thread is woken and so runs it.
    let task = unsafe { kthread_create(main, start.cast(), c"scenario".as_char_ptr()) };
    let Ok(task) = from_err_ptr(task) else {
        // SAFETY: No thread was created that could have taken it.
        drop(unsafe { Box::from_raw(start) });
        return None;
    };
    Some(ThreadObject {
        name: name.to_owned(),
        // SAFETY: The task has not run yet, so it is live; a `Task` is transparent.
        task: unsafe { &*task.cast::<Task>() }.into(),
        finished: false,
    })
}

/// # Safety
///
/// `data` is a box of [`Start`], which this function takes over.
unsafe extern "C" fn main(data: *mut c_void) -> c_int {
    // SAFETY: `data` is a box of `Start`, which is this function's.
    let start = unsafe { Box::from_raw(data.cast::<Start>()) };
    // SAFETY: The signal is one that there is.
    unsafe { allow_signal(SIGUSR1) };
    enter(&start.session, STACK, || {
        let outcome = start.session.run(&start.statement, Place::Thread);
        let mut world = start.session.world();
        let thread = &mut world.threads[start.place];
        thread.finished = true;
        let prefix = format!("! thread {} ", thread.name);
        world.recorder.outcome(&prefix, &outcome);
    });
    0
}
