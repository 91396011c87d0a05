// SPDX-License-Identifier: GPL-2.0-only
//! A thread that serves a queue, started when it is first needed.

use super::std::{
    sync::{Condvar, Mutex, Once, PoisonError},
    thread,
};

/// A thread that calls a function whenever it was kicked.
pub(crate) struct Worker {
    name: &'static str,
    serve: fn(),
    kicked: Mutex<bool>,
    wake: Condvar,
    start: Once,
}

impl Worker {
    pub(crate) const fn new(name: &'static str, serve: fn()) -> Self {
        Self {
            name,
            serve,
            kicked: Mutex::new(false),
            wake: Condvar::new(),
            start: Once::new(),
        }
    }

    /// Has `serve` called at least once after this call. From any context.
    pub(crate) fn kick(&'static self) {
        self.start.call_once(|| {
            let name = self.name.into();
            if thread::Builder::new()
                .name(name)
                .spawn(|| self.run())
                .is_err()
            {
                // Nothing would ever be freed: as fatal as in the kernel.
                super::std::process::abort();
            }
        });
        let mut kicked = self.kicked.lock().unwrap_or_else(PoisonError::into_inner);
        if !*kicked {
            *kicked = true;
            self.wake.notify_one();
        }
    }

    fn run(&self) {
        loop {
            let kicked = self.kicked.lock().unwrap_or_else(PoisonError::into_inner);
            let mut kicked = self
                .wake
                .wait_while(kicked, |kicked| !*kicked)
                .unwrap_or_else(PoisonError::into_inner);
            *kicked = false;
            drop(kicked);
            (self.serve)();
        }
    }
}
