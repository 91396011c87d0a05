// SPDX-License-Identifier: GPL-2.0-only
//! One replay, and which threads belong to it.
//!
//! What it knows is behind a mutex, since each thread of a scenario is one of the host. They run one
//! at a time and do not hold the mutex while they call the kernel, which calls back into ops, callbacks
//! and probes that take it again: so it is never contended and never taken twice.

use crate::{outcome::Outcome, stack::Stack, statement::Statement, world::World};
use std::{
    cell::RefCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A place at which a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    Callback,
    Thread,
}

/// The function that runs a command, which may be one in which callbacks run others.
type Run = fn(&Arc<Session>, &Statement, Place) -> Outcome;

/// One replay.
pub(crate) struct Session {
    world: Mutex<World>,
    run: Run,
}

impl Session {
    /// A replay that runs its commands in this way.
    pub(crate) fn new(run: Run) -> Arc<Self> {
        let world = Mutex::default();
        Arc::new(Self { world, run })
    }

    /// Runs a command.
    pub(crate) fn run(self: &Arc<Self>, statement: &Statement, place: Place) -> Outcome {
        (self.run)(self, statement, place)
    }

    /// Locks the state of the replay. The kernel must not be called while the guard lives.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
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
    let result = CURRENT.try_with(|current| {
        let current = current.borrow();
        let (session, stack) = current.as_ref()?;
        Some(body(session, stack))
    });
    result.ok().flatten()
}
