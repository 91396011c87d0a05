// SPDX-License-Identifier: GPL-2.0-only
//! A thread that serves a queue, started when it is first needed.

use super::{fork, lock, task};
use std::{
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// A thread that calls a function whenever it was kicked.
pub struct Worker {
    name: &'static str,
    serve: fn(),
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    started: bool,
    kicked: bool,
    /// It is not waited for more to be served.
    now: bool,
}

/// For how long it is waited for more to be served.
const SOON: Duration = Duration::from_micros(100);

impl Worker {
    /// A thread called `name` that is not started yet.
    pub const fn new(name: &'static str, serve: fn()) -> Self {
        Self {
            name,
            serve,
            state: Mutex::new(State {
                started: false,
                kicked: false,
                now: false,
            }),
            wake: Condvar::new(),
        }
    }

    /// Starts the thread if it does not run yet; false if the host has no thread for it.
    pub fn start(&'static self) -> bool {
        self.start_locked(&mut lock(&self.state))
    }

    fn start_locked(&'static self, state: &mut State) -> bool {
        fork::about_to_wait(self.name);
        if !state.started {
            fork::watch();
            let thread = thread::Builder::new().name(self.name.into());
            state.started = !task::threads_are_refused() && thread.spawn(|| self.run()).is_ok();
        }
        state.started
    }

    /// Has `serve` called at least once after this call. From any context: an interrupt handler
    /// here is a function of a thread that holds none of these locks.
    pub fn kick(&'static self) {
        self.kick_with(true);
    }

    /// As [`kick`](Self::kick), but a moment later, with what is queued by then.
    pub fn kick_soon(&'static self) {
        self.kick_with(false);
    }

    fn kick_with(&'static self, now: bool) {
        let mut state = lock(&self.state);
        if !self.start_locked(&mut state) {
            // Nothing would ever be freed: as fatal as in the kernel.
            crate::end(format_args!("the host has no thread for `{}`", self.name));
        }
        if !state.kicked || now && !state.now {
            state.kicked = true;
            state.now |= now;
            self.wake.notify_one();
        }
    }

    fn run(&self) {
        loop {
            self.wait();
            (self.serve)();
        }
    }

    fn wait(&self) {
        let state = self
            .wake
            .wait_while(lock(&self.state), |state| !state.kicked)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .wake
            .wait_timeout_while(state, SOON, |state| !state.now)
            .unwrap_or_else(PoisonError::into_inner);
        (state.kicked, state.now) = (false, false);
    }
}
