// SPDX-License-Identifier: GPL-2.0-only
//! Threads of the host whose stacks and thread-locals are lent to the thread that runs a machine.
//!
//! A task on a virtual CPU is a thread of its own, to Rust and to all that runs on it: it has its
//! stack, its thread-locals and its name. But the host need not schedule it, as one task runs at a
//! time. So the thread lends all that to the one that has called [`Vcpu::run`](super::vcpu::Vcpu::run),
//! and sleeps until it gets it back, to end with it. A switch between tasks exchanges registers, the
//! thread pointer among them, of which the host hears nothing. What the host itself knows of a
//! thread, as which signals are blocked, is that of the caller of `run`.
//!
//! A thread whose task has ended serves another of that name, unless the task has left something in
//! a thread-local: that thread ends, and runs its destructors, as any thread does after its task.
//!
//! Where this does not work, the host's scheduler hands on the run token.

mod fresh;
mod registers;

use super::{cpu, fork, lock};
use core::sync::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use fresh::Fresh;
use registers::{Registers, LENT, RETURNED};
use std::{
    env, process, ptr,
    sync::{Arc, LazyLock, Mutex},
    thread::{Builder, JoinHandle},
};

/// What a thread runs for a task.
type Job = Box<dyn FnOnce() + Send>;

/// Threads without a task that are kept for others.
const KEPT: usize = 64;

/// Bytes of stack on which a thread sleeps, for a signal that it cannot block.
const ROOM: usize = 32 << 10;

/// A thread that is lent.
pub(super) struct Lent {
    name: String,
    stack: Option<usize>,
    registers: Registers,
    /// A futex: 0, [`LENT`], or [`RETURNED`].
    state: AtomicU32,
    job: Mutex<Option<Job>>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Lent {
    /// Has the thread run `job`, which must not unwind, once it is switched to.
    pub(super) fn set_job(&self, job: Job) {
        *lock(&self.job) = Some(job);
    }

    /// Gives back to the thread what it has lent, with which it ends.
    fn give_back(&self) {
        // What ran on its stack has left it. Pairs with the load in `registers::lend`.
        self.state.store(RETURNED, Release);
        registers::wake(&self.state);
    }

    /// Waits until the thread has ended, which was given back what it had lent.
    fn join(&self) {
        let handle = lock(&self.handle).take();
        // Only a destructor can have panicked, which has said so.
        let _ = handle.map(JoinHandle::join);
    }

    fn serve(self: &Arc<Self>, carrier: &Carrier) {
        let signals = registers::block_signals();
        let mut room = vec![0u8; ROOM];
        let top = room.as_mut_ptr().wrapping_add(ROOM - 1);
        let top = top.map_addr(|addr| addr & !0xf);
        let fresh = Fresh::new();
        // SAFETY: `room` is that of this thread alone, which sleeps there: whatever returns here has
        // the stack and the thread-locals to itself.
        unsafe { self.registers.lend(&self.state, top) };
        loop {
            let Some(job) = lock(&self.job).take() else {
                break;
            };
            carrier.arrived();
            let unwinds = Unwinds;
            job();
            core::mem::forget(unwinds);
            let unchanged = cpu::is_idle() && fresh.restore();
            *lock(&carrier.left) = Some((self.clone(), unchanged));
            fork::about_to_wait("a task");
            // SAFETY: They were set when the task ended, to those of one that waits to go on.
            unsafe { self.registers.switch(&*carrier.next.load(Relaxed)) };
        }
        registers::set_signals(&signals);
    }
}

/// Ends the process where a thread would end that has lent its stack.
struct Unwinds;

impl Drop for Unwinds {
    fn drop(&mut self) {
        process::abort();
    }
}

/// What a thread needs to run machines, one at a time.
#[derive(Default)]
pub(super) struct Carrier {
    /// The caller of `run`.
    home: Registers,
    /// What goes on once the current task has ended.
    next: AtomicPtr<Registers>,
    /// What has asked another task, and goes on when that has answered.
    asker: AtomicPtr<Registers>,
    /// A thread whose task has ended, before another goes on; true if it is as it was.
    left: Mutex<Option<(Arc<Lent>, bool)>>,
    /// Threads without a task.
    idle: Mutex<Vec<Arc<Lent>>>,
}

impl Carrier {
    /// A thread of that name, with so many bytes of stack if that is said; none if the host has no more.
    pub(super) fn thread(self: &Arc<Self>, name: &str, stack: Option<usize>) -> Option<Arc<Lent>> {
        let mut idle = lock(&self.idle);
        let fits = |lent: &Arc<Lent>| lent.stack == stack && lent.name == name;
        // Those of the parent are not there.
        if let (false, Some(at)) = (fork::forked(), idle.iter().rposition(fits)) {
            return Some(idle.swap_remove(at));
        }
        drop(idle);
        let lent = Arc::new(Lent {
            name: name.into(),
            stack,
            registers: Registers::default(),
            state: AtomicU32::new(0),
            job: Mutex::new(None),
            handle: Mutex::new(None),
        });
        let (thread, carrier) = (lent.clone(), self.clone());
        let builder = Builder::new().name(name.into());
        let builder = match stack {
            Some(stack) => builder.stack_size(stack),
            None => builder,
        };
        let handle = builder.spawn(move || thread.serve(&carrier)).ok()?;
        *lock(&lent.handle) = Some(handle);
        // Pairs with the store in `registers::lend`: the registers are where they are to be.
        while lent.state.load(Acquire) != LENT {
            registers::wait(&lent.state, 0);
        }
        Some(lent)
    }

    /// The caller, which waits in place of `me`, goes on when it is switched to; until then `to` does.
    ///
    /// # Safety
    ///
    /// The caller runs on the stack and with the thread-locals of `me`, and `to` is one that has
    /// a job, or waits here.
    pub(super) unsafe fn switch(&self, me: &Lent, to: &Lent) {
        // SAFETY: The caller's guarantee.
        unsafe { me.registers.switch(&to.registers) };
        self.arrived();
    }

    /// The caller of [`run`](Self::run) goes on, and what has called this never does.
    ///
    /// # Safety
    ///
    /// The caller runs on a thread of this carrier, so that what it goes to waits in `run`.
    pub(super) unsafe fn go_home(&self) -> ! {
        // SAFETY: The caller's guarantee; nothing goes on here.
        unsafe { Registers::default().switch(&self.home) };
        process::abort()
    }

    /// The current task has ended: `to` goes on when its job returns, or the caller of `run`.
    pub(super) fn then(&self, to: Option<&Lent>) {
        let next = to.map_or(&self.home, |lent| &lent.registers);
        self.next.store(ptr::from_ref(next).cast_mut(), Relaxed);
    }

    /// Has `other` go on, which is to [`answer`](Self::answer) at once.
    ///
    /// # Safety
    ///
    /// As for [`switch`](Self::switch).
    pub(super) unsafe fn ask(&self, me: &Lent, other: &Lent) {
        self.asker
            .store(ptr::from_ref(&me.registers).cast_mut(), Relaxed);
        // SAFETY: The caller's guarantee.
        unsafe { self.switch(me, other) };
    }

    /// Has that go on which has asked `me`.
    ///
    /// # Safety
    ///
    /// The caller runs as `me`, and was asked.
    pub(super) unsafe fn answer(&self, me: &Lent) {
        // SAFETY: What has asked waits in `ask`.
        unsafe { me.registers.switch(&*self.asker.load(Relaxed)) };
        self.arrived();
    }

    /// Runs the job of `first`, and what it switches to, until one goes home; a thread that has then
    /// ended is waited for, if that one was `first`.
    ///
    /// # Safety
    ///
    /// `first` has a job, and no machine runs on this carrier.
    pub(super) unsafe fn run(&self, first: &Arc<Lent>) {
        // SAFETY: The caller's guarantee; this thread's registers are home until it goes on.
        unsafe { self.home.switch(&first.registers) };
        if let Some(ended) = self.arrived().filter(|ended| Arc::ptr_eq(ended, first)) {
            ended.join();
        }
    }

    /// Others have run since: keeps the thread whose task has ended, or has it end, and returns it.
    fn arrived(&self) -> Option<Arc<Lent>> {
        let (lent, unchanged) = lock(&self.left).take()?;
        let mut idle = lock(&self.idle);
        if unchanged && idle.len() < KEPT {
            idle.push(lent);
            return None;
        }
        lent.give_back();
        Some(lent)
    }
}

/// A carrier whose threads end with it.
struct Owner(Arc<Carrier>);

impl Drop for Owner {
    fn drop(&mut self) {
        lock(&self.0.idle)
            .drain(..)
            .for_each(|lent| lent.give_back());
    }
}

std::thread_local! {
    static CARRIER: Owner = Owner(Arc::default());
}

/// Calls `f` with the carrier of this thread, if threads can be lent here.
pub(super) fn with_carrier<R>(f: impl FnOnce(Option<&Arc<Carrier>>) -> R) -> R {
    /// `FENCE_SWITCH=host` has the host switch.
    static HOST: LazyLock<bool> =
        LazyLock::new(|| env::var_os("FENCE_SWITCH").is_some_and(|by| by == "host"));
    if fork::forked() || !registers::usable() || *HOST {
        return f(None);
    }
    // A destructor of another thread-local has a carrier of its own.
    match CARRIER.try_with(|owner| owner.0.clone()) {
        Ok(carrier) => f(Some(&carrier)),
        Err(_) => f(Some(&Owner(Arc::default()).0)),
    }
}
