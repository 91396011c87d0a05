// SPDX-License-Identifier: GPL-2.0-only
//! A thread that serves a queue, started when it is first needed.

use super::{fork, lock, task};
use core::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire},
};
use std::{
    sync::{Mutex, OnceLock},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// A thread that calls a function whenever it was kicked.
pub struct Worker {
    name: &'static str,
    serve: fn(),
    /// What it was told since it last served: [`KICKED`], [`NOW`].
    told: AtomicU32,
    thread: OnceLock<Thread>,
    /// Held by the one that starts the thread.
    starting: Mutex<()>,
}

/// There is something to serve.
const KICKED: u32 = 1;
/// It is not waited for more.
const NOW: u32 = 2;

/// For how long it is waited for more to be served.
const SOON: Duration = Duration::from_micros(100);

impl Worker {
    /// A thread called `name` that is not started yet.
    pub const fn new(name: &'static str, serve: fn()) -> Self {
        Self {
            name,
            serve,
            told: AtomicU32::new(0),
            thread: OnceLock::new(),
            starting: Mutex::new(()),
        }
    }

    /// Starts the thread if it does not run yet; false if the host has no thread for it.
    pub fn start(&'static self) -> bool {
        self.thread().is_some()
    }

    fn thread(&'static self) -> Option<&'static Thread> {
        fork::about_to_wait(self.name);
        self.thread.get().or_else(|| self.started())
    }

    #[cold]
    fn started(&'static self) -> Option<&'static Thread> {
        let _starting = lock(&self.starting);
        if self.thread.get().is_none() && !task::threads_are_refused() {
            fork::watch();
            let thread = thread::Builder::new().name(self.name.into());
            let started = thread.spawn(|| self.run()).ok()?;
            let _ = self.thread.set(started.thread().clone());
        }
        self.thread.get()
    }

    /// Has `serve` called at least once after this call. From any context: an interrupt handler
    /// here is a function of a thread that holds none of these locks.
    pub fn kick(&'static self) {
        self.tell(KICKED | NOW);
    }

    /// As [`kick`](Self::kick), but a moment later, with what is queued by then.
    pub fn kick_soon(&'static self) {
        self.tell(KICKED);
    }

    fn tell(&'static self, what: u32) {
        let Some(thread) = self.thread() else {
            // Nothing would ever be freed: as fatal as in the kernel.
            crate::end(format_args!("the host has no thread for `{}`", self.name));
        };
        // Pairs with the last exchange in `wait()`: what was queued before is served.
        if self.told.fetch_or(what, AcqRel) & what != what {
            thread.unpark();
        }
    }

    fn run(&self) {
        loop {
            self.wait();
            (self.serve)();
        }
    }

    fn wait(&self) {
        let is_told = |what| self.told.load(Acquire) & what != 0;
        while !is_told(KICKED) {
            thread::park();
        }
        let start = Instant::now();
        while let (false, Some(left)) = (is_told(NOW), SOON.checked_sub(start.elapsed())) {
            thread::park_timeout(left);
        }
        // What is told from here on is served the next time.
        self.told.swap(0, AcqRel);
    }
}
