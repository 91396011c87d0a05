// SPDX-License-Identifier: GPL-2.0-only
//! A virtual CPU, which is handed from task to task, and virtual time.
//!
//! Exactly one task of a virtual CPU runs at a time: the one that has the run token. The [`Policy`]
//! says whether it keeps that until it blocks or ends, or may lose it at any point at which another
//! CPU could interfere, and which task is next. When no task is runnable, the first of these that
//! applies happens:
//!
//! 1. the task that waits for all others ([`Vcpu::settle`]) goes on;
//! 2. a grace period ends, if no task is inside a section that holds it up, and what waited
//!    for it happens;
//! 3. time jumps to the next timer;
//! 4. the machine is stuck.

mod policy;
mod run;

pub use policy::{How, Interrupt, Path, Policy};

use super::{
    blocked,
    cpu::{self, Cpu, Unusual},
    fork,
    lent::{Carrier, Lent},
    task::{self, task_struct},
};
use core::{
    any::Any,
    fmt,
    sync::atomic::{AtomicBool, AtomicI32, AtomicIsize, AtomicUsize, Ordering::Relaxed},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{mpsc, Arc, Mutex, MutexGuard},
};

/// The layer above: its data for a virtual CPU, and the events of which it is notified.
pub trait Hooks: Any + Send + Sync {
    /// Called with the run token, when no task is runnable and none is inside a section that holds
    /// up a grace period; true if it did something.
    fn idle(&self) -> bool;

    /// True if a grace period is waited for.
    fn grace_period_is_due(&self) -> bool;

    /// Called with the run token, after virtual time has advanced.
    fn time_passed(&self);

    /// Called with the run token, when all tasks have ended and nothing is to be done any more; and
    /// if what the first task returns owns nothing.
    fn left(&self);

    /// Called with the run token, when all tasks have ended but so many, which are blocked forever.
    fn ended(&self, blocked: usize);

    /// The number of the machine, under which it reports.
    fn number(&self) -> u64;

    /// The number under which its reports are held back, if they are.
    fn held_reports(&self) -> Option<u64>;

    /// For the layer above to find its own again.
    fn as_any(&self) -> &dyn Any;
}

/// The reason why a machine is stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Every task waits for another, and no timer is pending; who for whom, if that is known.
    Deadlock(String),
    /// The budget of points is used up, or of time: a task loops without end; who is where.
    Endless(String),
    /// The machine found a bug, see [`end`](super::end()); what it said.
    Bug(String),
    /// The host has no thread for it.
    NoThread,
}

impl Stuck {
    /// Writes that of a [`Deadlock`](Self::Deadlock).
    pub fn write_deadlock(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadlock: ")?;
        f.write_str(if text.is_empty() {
            "every task is blocked, and no timer is pending"
        } else {
            text
        })
    }

    /// Writes that of an [`Endless`](Self::Endless) run.
    pub fn write_endless(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no end: ")?;
        f.write_str(if text.is_empty() {
            "a task loops without end"
        } else {
            text
        })
    }
}

/// A pointer to a task of the virtual CPU.
#[derive(Clone, Copy, PartialEq)]
struct TaskPtr(*const task_struct);

// SAFETY: A task is `Sync`; the pointer is used only while it is among the virtual CPU's tasks.
unsafe impl Send for TaskPtr {}

impl TaskPtr {
    fn get<'a>(self) -> &'a task_struct {
        // SAFETY: `forget` takes a task out of everything before it gives up its reference.
        unsafe { &*self.0 }
    }
}

struct Inner {
    now: u128,
    runnable: VecDeque<TaskPtr>,
    /// Tasks that wait for all others.
    settling: VecDeque<TaskPtr>,
    timers: BTreeMap<(u128, u64), TaskPtr>,
    next_timer: u64,
    /// All tasks that have not ended.
    tasks: Vec<TaskPtr>,
    /// Tasks that wait for another's end.
    joining: Vec<TaskPtr>,
    /// Told how the machine has come to its end: by itself, or not at all.
    done: mpsc::Sender<Option<Stuck>>,
    /// Steps that spinning tasks have taken since anything else happened.
    spins: u32,
    /// Points that were passed, and times that the run token was handed on or nearly so.
    points: usize,
    /// Set forever once no task can go on.
    stuck: bool,
    policy: Policy,
    /// Times that time has gone on to the next timer.
    jumps: usize,
}

/// Times that time may go on to the next timer, where no schedule says how long it is.
const JUMPS: usize = 1_000_000;

/// Points that a task may pass before it hands on the run token, if it need not.
const STEPS: usize = 30_000_000;

/// Steps after which tasks that do nothing but spin are held to be stuck.
const SPIN_LIMIT: u32 = 100_000;

impl Inner {
    /// Makes a task runnable, once. A thread of the host's may wake a task at any time: one that
    /// runs, or one that has ended since it was found asleep, which must not be named any more.
    fn queue(&mut self, task: TaskPtr) {
        if self.tasks.contains(&task) && !self.runnable.contains(&task) {
            self.runnable.push_back(task);
        }
    }

    /// Counts a point, or any step that can be repeated forever; true if there were too many.
    fn over_budget(&mut self) -> bool {
        self.points = self.points.saturating_add(1);
        self.points > self.policy.points() || self.jumps > JUMPS
    }

    /// Takes the next task to run out of the queue; the one that waits for all others last.
    fn next(&mut self) -> Option<TaskPtr> {
        match self.runnable.len() {
            0 => self.settling.pop_front(),
            len => {
                let runnable = self.runnable.iter().map(|task| task.0.addr());
                let at = self.policy.next_of(len, runnable);
                self.runnable.remove(at)
            }
        }
    }
}

/// What a panic has carried.
type Payload = Box<dyn Any + Send>;

/// One virtual processor and its clock.
pub struct Vcpu {
    inner: Mutex<Inner>,
    hooks: Box<dyn Hooks>,
    /// The seed of the schedule, if it is a random one.
    seed: Option<u64>,
    /// True if a task may lose the run token at a point.
    preempts: bool,
    /// The number of the next task, so that a machine which is run again says the same.
    pub(super) next_pid: AtomicI32,
    /// Points that were passed since the run token was handed on, where it is kept.
    steps: AtomicUsize,
    /// True while what belongs to no task runs, on the thread of one that waits or has ended.
    idling: AtomicBool,
    /// What a driver's code has panicked with, if that has ended the machine.
    panic: Mutex<Option<Payload>>,
    /// What its tasks' threads are lent to, if they are.
    carrier: Option<Arc<Carrier>>,
    /// Blocks of memory that tasks of this machine have allocated and not freed.
    pub live: AtomicIsize,
}

/// Calls `f` with the virtual CPU of this thread's task, if there is one.
#[inline]
pub fn with<R>(f: impl FnOnce(&Arc<Vcpu>) -> R) -> Option<R> {
    with_any(|vcpu| vcpu.map(f))
}

/// Calls `f` with the virtual CPU of this thread's task, or with none.
#[inline]
pub fn with_any<R>(f: impl FnOnce(Option<&Arc<Vcpu>>) -> R) -> R {
    cpu::with(|cpu| with_any_on(cpu, f))
}

/// The same, on this thread.
#[inline(always)]
pub fn with_any_on<R>(cpu: &Cpu, f: impl FnOnce(Option<&Arc<Vcpu>>) -> R) -> R {
    if !cpu.is(Unusual::Vcpu) {
        return f(None);
    }
    // SAFETY: The thread holds a reference to its task, if it is one.
    let task = unsafe { cpu.task().as_ref() };
    f(task.and_then(|task| task.vcpu()))
}

/// The virtual CPU of this thread's task, if there is one.
#[inline]
pub fn current() -> Option<Arc<Vcpu>> {
    with(Arc::clone)
}

impl Vcpu {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        crate::lock(&self.inner)
    }

    /// The seed of the schedule, if it is a random one.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// The number of the machine, under which it reports.
    pub fn number(&self) -> u64 {
        self.hooks.number()
    }

    /// The number under which reports are held back, if they are.
    pub fn held_reports(&self) -> Option<u64> {
        self.hooks.held_reports()
    }

    /// The data of the layer above for this virtual CPU.
    pub fn hooks(&self) -> &dyn Any {
        self.hooks.as_any()
    }

    /// True once none of its tasks runs again, though they have not ended.
    pub fn is_stuck(&self) -> bool {
        self.lock().stuck
    }

    /// Virtual nanoseconds.
    pub fn now(&self) -> u128 {
        self.lock().now
    }

    pub(super) fn created(&self, task: &task_struct) {
        self.lock().tasks.push(TaskPtr(task));
    }

    /// The task has become runnable.
    pub(super) fn woken(&self, task: &task_struct) {
        let mut inner = self.lock();
        inner.spins = 0;
        inner.timers.retain(|_, t| *t != TaskPtr(task));
        // A task that is about to block but still has the token finds its state changed instead.
        inner.queue(TaskPtr(task));
    }

    /// Blocks the task, which has the run token, until it is runnable again or `ns` have passed.
    pub(super) fn block(&self, task: &task_struct, ns: Option<u128>) {
        let me = TaskPtr(task);
        {
            let mut inner = self.lock();
            // A wake-up since the state was set has queued the task although it never blocked.
            inner.runnable.retain(|&t| t != me);
            inner.spins = 0;
            if !task.is_blocked() {
                let endless = inner.over_budget();
                drop(inner);
                task.set_running();
                if endless {
                    self.no_end(task);
                }
                return;
            }
            if let Some(ns) = ns {
                let key = (inner.now.saturating_add(ns), inner.next_timer);
                inner.next_timer += 1;
                inner.timers.insert(key, me);
            }
        }
        self.pass_on(me, true);
        task.set_running();
    }

    /// Lets all others run until each has ended or is blocked; time does not go on.
    pub fn settle(&self, task: &task_struct) {
        let me = TaskPtr(task);
        {
            let mut inner = self.lock();
            inner.runnable.retain(|&t| t != me);
            inner.settling.push_back(me);
        }
        self.pass_on(me, true);
    }

    /// The task waits for another in a loop: lets the others run.
    pub(super) fn spin(&self, task: &task_struct) {
        let me = TaskPtr(task);
        if self.lock().runnable.is_empty() {
            self.progress(true);
        }
        let mut inner = self.lock();
        inner.spins += 1;
        let endless = inner.spins > SPIN_LIMIT;
        inner.policy.yield_to_all(task);
        inner.queue(me);
        drop(inner);
        if endless {
            let text = self.explain(task, "deadlock");
            self.give_up(task, Stuck::Deadlock(text));
        }
        self.pass_on(me, true);
    }

    /// The task comes to a point at which another processor could interfere.
    #[inline]
    pub(super) fn point(&self, task: &task_struct) {
        // What runs while the machine idles could not be told from its thread's task, which
        // may have ended: it would be switched to as if that were runnable.
        if !self.preempts {
            let steps = self.steps.load(Relaxed) + 1;
            self.steps.store(steps, Relaxed);
            if steps > STEPS {
                self.no_end(task);
            }
        } else if !self.idling.load(Relaxed) {
            self.maybe_preempt(task);
        }
    }

    #[cold]
    fn maybe_preempt(&self, task: &task_struct) {
        let me = TaskPtr(task);
        let mut inner = self.lock();
        let state = &mut *inner;
        let (runnable, tasks, timers) = (&state.runnable, &state.tasks, &state.timers);
        let chances = || policy::Chances {
            others: runnable.iter().any(|&other| other != me),
            grace_period: self.hooks.grace_period_is_due()
                && !tasks.iter().any(|task| task.get().in_section()),
            timer: !timers.is_empty(),
        };
        let choice = state.policy.at_point(state.points, task, chances);
        if let policy::Choice::GoOn = choice {
            // Otherwise it is counted when the run token is handed on.
            let endless = inner.over_budget();
            drop(inner);
            if endless {
                self.no_end(task);
            }
            return;
        }
        inner.queue(me);
        drop(inner);
        // Callbacks take locks, which this thread must not hold below them.
        let quiet = !cpu::with(Cpu::in_section);
        match choice {
            policy::Choice::PassTime => _ = self.progress(quiet),
            policy::Choice::EndGracePeriod => _ = quiet && self.end_grace_period(),
            policy::Choice::Preempt | policy::Choice::GoOn => {}
        }
        self.pass_on(me, true);
    }

    /// The task does not want to block after all.
    pub(super) fn cancel_block(&self, task: &task_struct) {
        self.lock().runnable.retain(|&t| t != TaskPtr(task));
    }

    /// Calls the layer above when no task can run.
    fn idle(&self) -> bool {
        self.call_hooks(|hooks| hooks.idle())
    }

    /// Calls the layer above, for something that belongs to no task.
    fn call_hooks<R>(&self, f: impl FnOnce(&dyn Hooks) -> R) -> R {
        let idling = self.idling.swap(true, Relaxed);
        let done = f(&*self.hooks);
        self.idling.store(idling, Relaxed);
        done
    }

    /// A number below `of`, which the schedule decides; 0 if there is none.
    pub fn drawn(&self, of: usize) -> usize {
        self.lock().policy.drawn(of)
    }

    /// What becomes of an interrupt that a device raises.
    pub fn interrupt(&self) -> Interrupt {
        self.lock().policy.interrupt()
    }

    /// By how much the unloading of a module is late (ns), if it is.
    pub fn unload(&self) -> Option<u32> {
        self.lock().policy.unload()
    }

    /// True if modules are unloaded late: then a task that waits for a grace period does not wait for
    /// callbacks.
    pub fn late_unload(&self) -> bool {
        self.lock().policy.late_unload()
    }

    /// True if callbacks of RCU that could be called wait for longer.
    pub fn callbacks_wait(&self) -> bool {
        self.lock().policy.callbacks_wait()
    }

    /// True if the next timer is due before callbacks that could be called.
    fn timer_first(&self) -> bool {
        self.hooks.grace_period_is_due() && {
            let mut inner = self.lock();
            !inner.timers.is_empty() && inner.policy.callbacks_wait()
        }
    }

    /// Ends a grace period, if one is waited for and no section holds it up.
    fn end_grace_period(&self) -> bool {
        let quiescent = !self.lock().tasks.iter().any(|t| t.get().in_section());
        quiescent && self.idle()
    }

    /// Ends a grace period if callbacks may run here, or else lets time pass; false if neither
    /// helps.
    fn progress(&self, callbacks: bool) -> bool {
        if callbacks && !self.timer_first() && self.end_grace_period() {
            return true;
        }
        let mut inner = self.lock();
        let Some(((when, _), task)) = inner.timers.pop_first() else {
            return false;
        };
        inner.now = inner.now.max(when);
        inner.jumps += 1;
        inner.queue(task);
        drop(inner);
        // Where a task that is only slow is overtaken by time, time says nothing about it.
        if !self.preempts {
            self.call_hooks(|hooks| hooks.time_passed());
        }
        true
    }

    /// Waits until a task of this virtual CPU has ended. Ends the machine of a caller that is none: it
    /// could not be woken.
    #[track_caller]
    pub(super) fn join(&self, other: &task_struct) {
        let me = task::current();
        if !self.has(me) && !other.has_ended() {
            crate::end(format_args!(
                "a task is waited for from outside of its machine"
            ));
        }
        self.wait_for_ends(me, || other.has_ended());
    }

    /// A thread's function has returned: its thread goes its own way from here.
    pub(super) fn ended(&self, task: &task_struct) {
        self.forget(task);
        let joining = core::mem::take(&mut self.lock().joining);
        for waiter in joining {
            waiter.get().wake(task::TASK_UNINTERRUPTIBLE);
        }
        self.pass_on(TaskPtr(task), false);
        task::leave_machine();
    }

    /// The task ends: nothing must name it any more. It may have leaked the guard of a section.
    pub(super) fn forget(&self, task: &task_struct) {
        task.abandon_section();
        let me = TaskPtr(task);
        let mut inner = self.lock();
        inner.tasks.retain(|&t| t != me);
        inner.policy.forget(task);
        inner.joining.retain(|&t| t != me);
        inner.runnable.retain(|&t| t != me);
        inner.settling.retain(|&t| t != me);
        inner.timers.retain(|_, t| *t != me);
    }

    /// Hands the run token to the next task; comes back with the run token, if `me` waits for it.
    fn pass_on(&self, me: TaskPtr, wait: bool) {
        loop {
            let mut inner = self.lock();
            if inner.stuck {
                drop(inner);
                // No task of it runs again, unless this one has ended.
                if wait {
                    self.stop(me.get());
                }
                if let Some(carrier) = self.carrier() {
                    carrier.then(None);
                }
                return;
            }
            // A task that does nothing but sleep passes no point, nor does time that jumps.
            if inner.over_budget() {
                drop(inner);
                let text = self.explain(me.get(), "no end");
                self.declare(Stuck::Endless(text));
                continue;
            }
            let next = inner.next();
            if let Some(next) = next {
                drop(inner);
                self.steps.store(0, Relaxed);
                if next == me && wait {
                    return;
                }
                if wait {
                    return self.switch(me.get(), next.get());
                }
                task::leave_machine();
                match self.carrier() {
                    Some(carrier) => carrier.then(next.get().lent()),
                    None => next.get().give_token(),
                }
                return;
            }
            drop(inner);
            if !self.progress(true) && self.lock().runnable.is_empty() {
                let text = self.explain(me.get(), "deadlock");
                let blocked = self.lock().tasks.len();
                self.call_hooks(|hooks| hooks.ended(blocked));
                self.declare(Stuck::Deadlock(text));
            }
        }
    }

    /// What its tasks' threads are lent to, if they are.
    pub(super) fn carrier(&self) -> Option<&Arc<Carrier>> {
        self.carrier.as_ref()
    }

    /// Hands the run token to `next`, until the caller, which is `me`, gets it again.
    fn switch(&self, me: &task_struct, next: &task_struct) {
        let Some(carrier) = self.carrier() else {
            next.give_token();
            return me.wait_token();
        };
        fork::about_to_wait("a task");
        let (here, there) = self.both(me, next);
        // SAFETY: One is the caller's thread; the other is that of a task which has not ended, and
        // does not run: so that waits here, or has not begun.
        unsafe { carrier.switch(here, there) };
        self.answer(me);
    }

    /// True for a task of this virtual CPU.
    fn has(&self, task: &task_struct) -> bool {
        task.vcpu().is_some_and(|vcpu| core::ptr::eq(&**vcpu, self))
    }

    /// The threads of two tasks of this virtual CPU, of which the caller is the first.
    fn both<'a>(&self, me: &'a task_struct, other: &'a task_struct) -> (&'a Lent, &'a Lent) {
        match (me.lent_here(), other.lent()) {
            (Some(here), Some(there)) if self.has(me) => (here, there),
            _ => crate::end(format_args!(
                "a task is switched to from outside of its machine"
            )),
        }
    }

    /// The caller, which is `me`, goes on: but first it answers if it was woken for that.
    pub(super) fn answer(&self, me: &task_struct) {
        while me.question().is_asked() {
            me.question().answer(me);
            if let (Some(carrier), Some(here)) = (self.carrier(), me.lent_here()) {
                // SAFETY: It is the caller's thread, which was asked.
                unsafe { carrier.answer(here) };
            }
        }
    }

    /// Asks a task that waits for the run token what it does, on the thread of `here`.
    fn ask(&self, here: &task_struct, task: &task_struct) -> Option<blocked::Description> {
        let Some(carrier) = self.carrier() else {
            return task.question().ask(|| task.wake_to_answer());
        };
        // One that is just created has no thread yet.
        task.lent()?;
        let (here, there) = self.both(here, task);
        // SAFETY: As in `switch`.
        task.question().ask(|| unsafe { carrier.ask(here, there) })
    }

    /// The task, which is the caller, never runs again.
    fn stop(&self, task: &task_struct) -> ! {
        if let Some(carrier) = self.carrier() {
            // SAFETY: This thread is one of a task of this virtual CPU.
            unsafe { carrier.go_home() };
        }
        loop {
            task.wait_token();
        }
    }

    /// Prints what each task waits for, and returns who waits for whom. The caller runs on the thread
    /// of `here` and has the run token, so all others wait for it.
    #[cold]
    fn explain(&self, here: &task_struct, why: &str) -> String {
        if !blocked::ON {
            return String::new();
        }
        let tasks = self.lock().tasks.clone();
        let (asked, more) = tasks.split_at(tasks.len().min(blocked::MOST));
        let described: Vec<_> = asked
            .iter()
            .filter_map(|task| match core::ptr::eq(task.0, here) {
                true => Some(blocked::describe(here)),
                false => self.ask(here, task.get()),
            })
            .collect();
        blocked::report(why, &described, more.len())
    }

    /// Declares that the task, which has the run token, comes to no end.
    #[cold]
    pub(super) fn no_end(&self, task: &task_struct) -> ! {
        let text = self.explain(task, "no end");
        self.give_up(task, Stuck::Endless(text))
    }

    /// Declares the machine stuck: none of its tasks runs again.
    fn declare(&self, stuck: Stuck) {
        self.abandon();
        // The receiver was dropped if the machine was given up before.
        let _ = self.lock().done.send(Some(stuck));
    }

    /// None of the tasks that have not ended runs again.
    fn abandon(&self) {
        let mut inner = self.lock();
        inner.stuck = true;
        for task in &inner.tasks {
            // A section that never ends would hold up the grace periods of all other machines.
            // The task itself uses nothing of it any more, but what it has found in it may have
            // left the task: a guard can be leaked, and what was borrowed from that be sent away.
            // So the memory stays for as long as the section would have, forever.
            task.get().abandon_section();
        }
    }

    /// Declares the machine stuck, and does not return.
    pub(super) fn give_up(&self, task: &task_struct, stuck: Stuck) -> ! {
        // Also if it has ended, and a callback ran on its thread.
        task.abandon_section();
        self.declare(stuck);
        self.stop(task)
    }

    /// As [`give_up`](Self::give_up), for a panic that goes no further.
    pub(super) fn give_up_panicking(&self, task: &task_struct, payload: Payload) -> ! {
        let message = super::explore::message(&*payload);
        *super::lock(&self.panic) = Some(payload);
        self.give_up(task, Stuck::Bug(message))
    }
}
