// SPDX-License-Identifier: GPL-2.0-only
//! What one replay knows: its names, its objects, its transcript.
//!
//! The state is behind a mutex, since the threads of a scenario are threads.
//! They run one at a time and nobody holds the mutex while it calls the kernel,
//! which calls back into ops, callbacks and probes that take it again: so it is
//! never contended and never taken twice.

use crate::{
    callback::CallbackObject, fence::FenceObject, lock::LockObject, name::Names,
    recorder::Recorder, stack::Stack, thread::ThreadObject, Refusal,
};
use std::{
    cell::RefCell,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        Arc, Mutex, MutexGuard, PoisonError,
    },
};

/// One replay.
#[derive(Default)]
pub(crate) struct Session {
    state: Mutex<State>,
    /// Words that made no sense.
    mistakes: AtomicUsize,
}

/// The state of one replay.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) recorder: Recorder,
    pub(crate) names: Names,
    pub(crate) fences: Vec<FenceObject>,
    pub(crate) callbacks: Vec<CallbackObject>,
    pub(crate) locks: Vec<LockObject>,
    pub(crate) threads: Vec<ThreadObject>,
    pub(crate) refusals: Vec<Refusal>,
    /// Fences initialised and not destroyed, by the trace events.
    pub(crate) live: isize,
    /// Jiffies that the scenario has slept at top.
    pub(crate) slept: u64,
    /// The host had no thread where one was needed.
    pub(crate) no_thread: bool,
}

/// How many refusals are kept; the transcript has them all.
const MAX_REFUSALS: usize = 10_000;

impl State {
    /// Remembers a refusal, unless there are too many to be read.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        if self.refusals.len() < MAX_REFUSALS {
            self.refusals.push(refusal);
        }
    }
}

impl Session {
    /// The number of mistakes before this one.
    pub(crate) fn count_mistake(&self) -> usize {
        self.mistakes.fetch_add(1, Relaxed)
    }

    /// The state. The kernel must not be called while the guard lives.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// The replay that this thread belongs to, and where its stack began.
    static CURRENT: RefCell<Option<(Arc<Session>, Stack)>> = const { RefCell::new(None) };
}

/// Makes the current thread one of the replay while it runs `body`.
///
/// `stack` is the number of bytes of stack that nested callbacks may use.
pub(crate) fn enter<R>(session: &Arc<Session>, stack: usize, body: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            CURRENT.with_borrow_mut(Option::take);
        }
    }
    CURRENT.set(Some((Arc::clone(session), Stack::begin(stack))));
    let _leave = Leave;
    body()
}

/// Calls `body` with the replay of the current thread, if it is in one.
pub(crate) fn current<R>(body: impl FnOnce(&Arc<Session>, &Stack) -> R) -> Option<R> {
    // A thread that is ending may still free fences; it is in no replay.
    CURRENT
        .try_with(|current| {
            let current = current.borrow();
            let (session, stack) = current.as_ref()?;
            Some(body(session, stack))
        })
        .ok()
        .flatten()
}
