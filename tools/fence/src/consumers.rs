// SPDX-License-Identifier: GPL-2.0-only
//! The consumers of fences: waiters, callbacks, and readers of names, all racing with the
//! signalling.

use crate::{failure::Failure, latency::Latencies, names::Names};
use dma_fence::{CallbackError, Complete, Fence, FenceCallbackRegistration};
use fastrand::Rng;
use kernel::{
    alloc::{flags::GFP_KERNEL, KBox},
    init::InPlaceInit as _,
    str::CString,
    sync::{aref::ARef, Arc, Completion},
};
use std::{
    io,
    pin::Pin,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{self, Receiver, Sender},
        Mutex, PoisonError,
    },
    thread::{Builder, Scope},
};

const WAITERS: usize = 4;
const READERS: usize = 2;

/// Fences that readers choose from; older ones are forgotten.
const SHOWN: usize = 256;

type Registration = Pin<KBox<FenceCallbackRegistration<Complete>>>;

/// The task of a waiter: every other fence it waits for itself, the others by a callback.
enum Task {
    Wait(ARef<Fence>),
    Callback(ARef<Fence>, Arc<Completion>, Registration),
}

/// Waiters and readers, and the fences that they know.
pub(crate) struct Consumers {
    tasks: Mutex<Option<Sender<Task>>>,
    queue: Mutex<Receiver<Task>>,
    shown: Mutex<Vec<ARef<Fence>>>,
    // All Relaxed: a flag and counters, read for sure only after the threads were joined.
    done: AtomicBool,
    turn: AtomicUsize,
    waits: AtomicUsize,
    callbacks: AtomicUsize,
    pub(crate) names: Names,
    pub(crate) latencies: Latencies,
}

impl Consumers {
    pub(crate) fn new() -> Self {
        let (tasks, queue) = mpsc::channel();
        Self {
            tasks: Mutex::new(Some(tasks)),
            queue: Mutex::new(queue),
            shown: Mutex::default(),
            done: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            waits: AtomicUsize::new(0),
            callbacks: AtomicUsize::new(0),
            names: Names::default(),
            latencies: Latencies::new(),
        }
    }

    /// Shows a fence to the consumers: its names are read, and a thread waits for it.
    pub(crate) fn show(&self, fence: &ARef<Fence>) -> Result<(), Failure> {
        self.names.read(fence);
        let mut shown = lock(&self.shown);
        if shown.len() == SHOWN {
            shown.remove(0);
        }
        shown.push(fence.clone());
        drop(shown);
        let task = if self.turn.fetch_add(1, Relaxed).is_multiple_of(2) {
            Task::Wait(fence.clone())
        } else {
            Self::by_callback(fence)?
        };
        if let Some(tasks) = &*lock(&self.tasks) {
            // The receiver lives as long as we do.
            let _ = tasks.send(task);
        }
        Ok(())
    }

    fn by_callback(fence: &ARef<Fence>) -> Result<Task, Failure> {
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let init = FenceCallbackRegistration::new(fence, Complete::new(done.clone()));
        Ok(match KBox::try_pin_init(init, GFP_KERNEL) {
            Ok(registration) => Task::Callback(fence.clone(), done, registration),
            Err(CallbackError::AlreadySignaled(_)) => Task::Wait(fence.clone()),
            Err(CallbackError::Other(error)) => return Err(error.into()),
        })
    }

    /// Starts the threads; they end some time after [`finish`](Self::finish).
    pub(crate) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        rng: &mut Rng,
    ) -> io::Result<()> {
        for _ in 0..WAITERS {
            Builder::new().spawn_scoped(scope, || self.wait_for_all())?;
        }
        for _ in 0..READERS {
            let mut rng = rng.fork();
            Builder::new().spawn_scoped(scope, move || self.read_names(&mut rng))?;
        }
        Ok(())
    }

    /// No more fences come. The waiters wait for those that they know, all of which must signal.
    pub(crate) fn finish(&self) {
        lock(&self.tasks).take();
        self.done.store(true, Relaxed);
    }

    /// Returns how many waits have ended, and how many callbacks were called.
    pub(crate) fn ended(&self) -> (usize, usize) {
        (self.waits.load(Relaxed), self.callbacks.load(Relaxed))
    }

    /// Returns how many fences were shown.
    pub(crate) fn shown(&self) -> usize {
        self.turn.load(Relaxed)
    }

    fn wait_for_all(&self) {
        loop {
            let task = lock(&self.queue).recv();
            match task {
                Ok(Task::Wait(fence)) => {
                    fence.wait();
                    self.latencies.awake(&fence);
                    self.waits.fetch_add(1, Relaxed);
                    self.names.read(&fence);
                }
                Ok(Task::Callback(fence, done, registration)) => {
                    done.wait_for_completion();
                    self.latencies.awake(&fence);
                    self.callbacks.fetch_add(1, Relaxed);
                    drop(registration);
                    self.names.read(&fence);
                }
                Err(_) => return,
            }
        }
    }

    fn read_names(&self, rng: &mut Rng) {
        while !self.done.load(Relaxed) {
            let fence = rng.choice(&*lock(&self.shown)).cloned();
            if let Some(fence) = fence {
                self.names.read(&fence);
                // As debugfs does; it fails for want of memory only.
                let _ = CString::try_from_fmt(format_args!("{}", Printed(&fence)));
            }
        }
    }
}

/// The kernel's way to print, in the host's.
struct Printed<'a>(&'a Fence);

impl std::fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        kernel::fmt::Display::fmt(&self.0.describe(), f)
    }
}

/// Takes a lock whose data is valid also after a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
