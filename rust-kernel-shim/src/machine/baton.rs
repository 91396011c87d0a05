// SPDX-License-Identifier: GPL-2.0-only
//! The baton: one virtual processor that is handed from task to task, and virtual time.
//!
//! Exactly one task of a baton runs at a time, the one that was given the turn. It keeps the
//! turn until it blocks or ends; the next is the one that became runnable first. When nobody is
//! runnable, these come to pass, each only if the ones before it do not apply:
//!
//! 1. the task that waits for everybody else ([`Baton::settle`]) goes on;
//! 2. a grace period ends, if no task is inside a section that holds it up, and what waited
//!    for it happens;
//! 3. time jumps to the next timer;
//! 4. the machine is stuck.

use super::{
    std::{
        boxed::Box,
        collections::{BTreeMap, VecDeque},
        panic,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
        vec::Vec,
    },
    task::{self, task_struct},
};
use core::any::Any;

/// What a layer above keeps for each baton, and does while it is idle.
pub(crate) trait Idle: Any + Send + Sync {
    /// Called with the turn, when no task is runnable and none is inside a section that holds
    /// up a grace period; true if it did something.
    fn idle(&self) -> bool;

    /// For the layer above to find its own again.
    fn as_any(&self) -> &dyn Any;
}

/// An [`Idle`] that a baton owns.
pub(crate) struct Above(Box<dyn Idle>);

impl Above {
    pub(crate) fn new(idle: impl Idle) -> Self {
        Self(Box::new(idle))
    }
}

/// Nobody can go on: every task waits for another, and no timer is pending.
pub(crate) struct Stuck;

/// A pointer to a task of the baton.
#[derive(Clone, Copy, PartialEq)]
struct TaskPtr(*const task_struct);

// SAFETY: A task is `Sync`; the pointer is used only while the baton knows the task, which is as
// long as it lives.
unsafe impl Send for TaskPtr {}

impl TaskPtr {
    fn get<'a>(self) -> &'a task_struct {
        // SAFETY: A task leaves the baton before it gives up its reference.
        unsafe { &*self.0 }
    }
}

struct Inner {
    now: u128,
    runnable: VecDeque<TaskPtr>,
    settling: Option<TaskPtr>,
    timers: BTreeMap<(u128, u64), TaskPtr>,
    next_timer: u64,
    /// All tasks that have not ended.
    tasks: Vec<TaskPtr>,
    /// Tasks that wait for another's end.
    joining: Vec<TaskPtr>,
    /// The first task, that stands for the whole machine.
    init: Option<TaskPtr>,
    /// Steps that spinning tasks have taken since anything else happened.
    spins: u32,
    /// Set for good once nobody can go on.
    stuck: bool,
}

/// Steps after which tasks that do nothing but spin are held to be stuck.
const SPIN_LIMIT: u32 = 100_000;

/// One virtual processor and its clock.
pub(crate) struct Baton {
    inner: Mutex<Inner>,
    above: Above,
}

/// Virtual time starts late enough that nothing takes it for a small number of nanoseconds.
const START: u128 = 10_000_000_000;

/// The baton of this thread's task, if there is one.
#[inline]
pub(crate) fn current() -> Option<Arc<Baton>> {
    super::cpu::with(|cpu| {
        let task = cpu.task.get();
        if task.is_null() {
            return None;
        }
        // SAFETY: The thread holds a reference to its task.
        unsafe { &*task }.baton().cloned()
    })
}

impl Baton {
    /// Runs `body` as the first task of a fresh machine, until it and all its tasks have ended.
    ///
    /// If they cannot end, their threads stay blocked for good.
    pub(crate) fn run<R>(above: Above, body: impl FnOnce() -> R) -> Result<R, Stuck> {
        let baton = Arc::new(Self {
            inner: Mutex::new(Inner {
                now: START,
                runnable: VecDeque::new(),
                settling: None,
                timers: BTreeMap::new(),
                next_timer: 0,
                tasks: Vec::new(),
                joining: Vec::new(),
                init: None,
                spins: 0,
                stuck: false,
            }),
            above,
        });
        task::with_task(baton.clone(), |init| {
            let ptr = TaskPtr(init);
            let mut inner = baton.lock();
            inner.tasks.push(ptr);
            inner.init = Some(ptr);
            drop(inner);
            let run = panic::catch_unwind(panic::AssertUnwindSafe(|| {
                let result = body();
                baton.wait_for_ends(init, || baton.alone(ptr));
                while baton.above.0.idle() {}
                result
            }));
            match run {
                Ok(result) => Ok(result),
                Err(payload) if payload.is::<Stuck>() => Err(Stuck),
                Err(payload) => panic::resume_unwind(payload),
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the layer above keeps for this baton.
    pub(crate) fn above(&self) -> &dyn Any {
        self.above.0.as_any()
    }

    /// Virtual nanoseconds.
    pub(crate) fn now(&self) -> u128 {
        self.lock().now
    }

    fn alone(&self, task: TaskPtr) -> bool {
        self.lock().tasks.iter().all(|&t| t == task)
    }

    /// Blocks while tasks end, until `enough`.
    fn wait_for_ends(&self, me: &task_struct, enough: impl Fn() -> bool) {
        while !enough() {
            self.lock().joining.push(TaskPtr(me));
            me.set_state(task::TASK_UNINTERRUPTIBLE);
            self.block(me, None);
        }
    }

    pub(super) fn created(&self, task: &task_struct) {
        self.lock().tasks.push(TaskPtr(task));
    }

    pub(super) fn started(&self, task: &task_struct) {
        self.woken(task);
    }

    /// The task has become runnable.
    pub(super) fn woken(&self, task: &task_struct) {
        let mut inner = self.lock();
        inner.spins = 0;
        inner.timers.retain(|_, t| *t != TaskPtr(task));
        // A task that is about to block but still has the turn finds its state changed instead.
        if !inner.runnable.contains(&TaskPtr(task)) {
            inner.runnable.push_back(TaskPtr(task));
        }
    }

    /// Blocks the task, which has the turn, until it is runnable again or `ns` have passed.
    pub(super) fn block(&self, task: &task_struct, ns: Option<u128>) {
        let me = TaskPtr(task);
        {
            let mut inner = self.lock();
            // A wake-up since the state was set has queued the task although it never blocked.
            inner.runnable.retain(|&t| t != me);
            inner.spins = 0;
            if !task.is_blocked() {
                task.set_running();
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
    pub(crate) fn settle(&self, task: &task_struct) {
        self.lock().settling = Some(TaskPtr(task));
        self.pass_on(TaskPtr(task), true);
    }

    /// The task waits for another in a loop: lets the others run.
    pub(super) fn spin(&self, task: &task_struct) {
        let me = TaskPtr(task);
        if self.lock().runnable.is_empty() {
            self.progress();
        }
        let mut inner = self.lock();
        inner.spins += 1;
        inner.stuck |= inner.spins > SPIN_LIMIT;
        inner.runnable.push_back(me);
        drop(inner);
        self.pass_on(me, true);
    }

    /// The task does not want to block after all.
    pub(super) fn stays(&self, task: &task_struct) {
        self.lock().runnable.retain(|&t| t != TaskPtr(task));
    }

    /// Nobody is runnable: ends a grace period, or else lets time pass; false if neither helps.
    fn progress(&self) -> bool {
        let quiescent = !self.lock().tasks.iter().any(|t| t.get().in_section());
        if quiescent && self.above.0.idle() {
            return true;
        }
        let mut inner = self.lock();
        let Some(((when, _), task)) = inner.timers.pop_first() else {
            return false;
        };
        inner.now = inner.now.max(when);
        inner.runnable.push_back(task);
        true
    }

    /// Waits until a task of the same baton has ended.
    pub(super) fn join(&self, other: &task_struct) {
        self.wait_for_ends(task::current(), || other.has_ended());
    }

    /// A thread's function has returned: its thread goes its own way from here.
    pub(super) fn ended(&self, task: &task_struct) {
        self.forget(task);
        let joining = core::mem::take(&mut self.lock().joining);
        for waiter in joining {
            waiter.get().wake(task::TASK_UNINTERRUPTIBLE);
        }
        self.pass_on(TaskPtr(task), false);
    }

    pub(super) fn ended_unstarted(&self, task: &task_struct) {
        self.forget(task);
    }

    fn forget(&self, task: &task_struct) {
        self.lock().tasks.retain(|&t| t != TaskPtr(task));
    }

    /// Hands the turn to the next task; comes back with the turn, if `me` waits for it.
    fn pass_on(&self, me: TaskPtr, wait: bool) {
        loop {
            let mut inner = self.lock();
            if inner.stuck {
                break;
            }
            let next = inner.runnable.pop_front().or_else(|| inner.settling.take());
            if let Some(next) = next {
                drop(inner);
                if next == me && wait {
                    return;
                }
                next.get().give_turn();
                if wait {
                    me.get().wait_turn();
                    if self.lock().stuck && self.lock().init == Some(me) {
                        panic::resume_unwind(Box::new(Stuck));
                    }
                }
                return;
            }
            drop(inner);
            if !self.progress() {
                self.lock().stuck = true;
            }
        }
        self.fail(me, wait);
    }

    /// Ends the machine: the first task unwinds, all others stay where they are.
    fn fail(&self, me: TaskPtr, wait: bool) {
        let init = self.lock().init;
        if init == Some(me) {
            panic::resume_unwind(Box::new(Stuck));
        }
        if let Some(init) = init {
            init.get().give_turn();
        }
        if wait {
            loop {
                me.get().wait_turn();
            }
        }
    }
}
