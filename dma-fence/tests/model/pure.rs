// SPDX-License-Identifier: GPL-2.0-only
//! The model: fences as the documentation describes them.
//!
//! Written from the description of the C API and from what transcripts of the kernel show, without
//! a look at the implementation, and as simply as possible: a fence is a record, its callbacks are
//! a queue, a thread that sleeps is an entry in a table.

mod fault;
mod order;
mod signal;
mod state;
mod wait;

pub(crate) use fault::{Fault, FAULTS};

use super::{
    call::{name, Call, Nothing, Signal, Slot, Spec, CONTEXTS, SLOTS, STUB},
    user::{Answer, Core, Snapshot, Task, User},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

const ENOENT: i32 = -2;
const EINVAL: i64 = -22;
const EDEADLK: i32 = -35;

/// Who is told when a fence signals.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Callback(usize),
    Sleeper(Task),
}

#[derive(Clone, Default)]
struct Fence {
    /// None for stubs, which have but names.
    spec: Option<Box<Spec>>,
    context: u64,
    seqno: u64,
    signaled: bool,
    enabled: bool,
    attached: bool,
    timestamp: Option<Time>,
    error: i32,
    refs: u32,
    /// In the order in which they will be told.
    queue: VecDeque<Entry>,
}

/// When a fence has signalled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    /// The user has said so, in nanoseconds.
    Given(i64),
    /// Jiffies since the start of the machine.
    Clock(i64),
}

/// What holds a lock together: its own, or the one that is shared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lock {
    Own(Slot),
    Shared(usize),
}

#[derive(Default)]
struct State {
    fences: [Fence; SLOTS + 1],
    /// Locks that are held.
    held: Vec<Lock>,
    /// Jiffies since the start of the machine.
    now: i64,
    sleeping: HashMap<usize, wait::Sleep>,
    /// Tasks that were woken, the first first.
    runnable: VecDeque<Task>,
    /// When a task wakes by itself, in the order in which that was asked for.
    timers: Vec<(i64, Task)>,
    /// Threads that were sent a signal.
    interrupted: Vec<usize>,
}

/// The model.
pub(crate) struct Model {
    fault: Option<Fault>,
    state: Mutex<State>,
}

type Owner = User<Model>;

impl Model {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        let mut state = State::default();
        // The stub has signalled before anybody asks for it.
        state.fences[STUB] = Fence {
            signaled: true,
            enabled: true,
            timestamp: Some(Time::Clock(0)),
            refs: 1,
            ..Fence::default()
        };
        let state = Mutex::new(state);
        Self { fault, state }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, slot: Slot, f: impl FnOnce(&mut Fence) -> R) -> R {
        f(&mut self.state().fences[slot])
    }

    fn warn(&self, user: &Owner) {
        user.note(format_args!("* WARN"));
    }

    fn lock_of(&self, slot: Slot) -> Lock {
        let shared = self.with(slot, |f| f.spec.as_ref().and_then(|spec| spec.lock));
        shared.map_or(Lock::Own(slot), Lock::Shared)
    }

    /// Runs `f` with the lock held; takes it, unless that was done further up.
    fn locked<R>(&self, slot: Slot, f: impl FnOnce() -> R) -> R {
        let lock = self.lock_of(slot);
        let taken = !self.state().held.contains(&lock);
        if taken {
            self.state().held.push(lock);
        }
        let result = f();
        if taken {
            self.state().held.retain(|&held| held != lock);
        }
        result
    }

    fn init(&self, user: &Owner, slot: Slot, spec: Option<Box<Spec>>) {
        let (context, seqno) = match &spec {
            Some(spec) => (CONTEXTS[spec.context], spec.seqno),
            None => (0, 0),
        };
        self.with(slot, |f| {
            *f = Fence {
                spec,
                context,
                seqno,
                attached: true,
                refs: 1,
                ..Fence::default()
            }
        });
        user.initialised();
        self.trace_ops(user, "init", slot);
    }

    /// The names as the ops give them.
    fn own_names(&self, slot: Slot) -> (String, String) {
        if self.with(slot, |f| f.spec.is_none()) {
            return ("stub".into(), "stub".into());
        }
        let name = name(slot);
        let driver = format!("drv-{name}");
        if self.has(Fault::TimelineNameIsDrivers) {
            return (driver.clone(), driver);
        }
        (driver, format!("tl-{name}"))
    }

    /// The names as anybody gets them.
    fn names(&self, slot: Slot) -> (String, String) {
        let (signaled, attached) = self.with(slot, |f| (f.signaled, f.attached));
        let ask = if self.has(Fault::NamesAskedWhileAttached) {
            attached
        } else {
            attached && !signaled
        };
        if ask {
            self.own_names(slot)
        } else {
            ("detached-driver".into(), "signaled-timeline".into())
        }
    }

    /// An event that asks as anybody does.
    fn trace(&self, user: &Owner, event: &str, slot: Slot) {
        self.event(user, event, slot, self.names(slot));
    }

    /// An event that asks the ops.
    fn trace_ops(&self, user: &Owner, event: &str, slot: Slot) {
        self.event(user, event, slot, self.own_names(slot));
    }

    fn event(&self, user: &Owner, event: &str, slot: Slot, (driver, timeline): (String, String)) {
        const LOW: u64 = u32::MAX as u64;
        let (context, seqno) = self.with(slot, |f| (f.context & LOW, f.seqno & LOW));
        user.note(format_args!(
            "~ {event} driver={driver} timeline={timeline} context={context} seqno={seqno}"
        ));
    }

    fn set_error(&self, user: &Owner, slot: Slot, error: i32) {
        let signaled = self.with(slot, |f| f.signaled);
        if signaled {
            self.warn(user);
            if self.has(Fault::LateErrorIgnored) {
                return;
            }
        }
        if !(-4095..=-1).contains(&error) {
            self.warn(user);
        }
        self.with(slot, |f| f.error = error);
    }

    fn nothing(&self, user: &Owner, what: Nothing) -> Answer {
        match what {
            Nothing::GetPut => Answer::value("NULL"),
            Nothing::WasInitialized => Answer::value(false),
            Nothing::Signal => {
                self.warn(user);
                Answer::done()
            }
            Nothing::AddCallback | Nothing::WaitAny => {
                self.warn(user);
                Answer::value(EINVAL)
            }
        }
    }
}

impl Core for Model {
    fn call(&self, user: &Owner, task: Task, call: &Call) -> Answer {
        match call {
            Call::Init(spec) => self.init(user, spec.slot, Some(spec.clone())),
            Call::PrivateStub(slot, ns) => {
                self.init(user, *slot, None);
                self.with(*slot, |f| f.enabled = true);
                self.signal(user, *slot, Some(*ns));
            }
            Call::GetStub => self.with(STUB, |f| f.refs += 1),
            Call::Get(f) => self.with(*f, |f| f.refs += 1),
            Call::GetRcu(f) => return Answer::value(self.get_rcu(*f)),
            Call::Put(f) => {
                self.put(user, *f);
            }
            Call::PutGetRcu(f) => {
                return Answer::value(!self.put(user, *f) && self.get_rcu(*f));
            }
            Call::Signal(how, f) => match how {
                Signal::Plain | Signal::Locked => self.signal(user, *f, None),
                Signal::Timestamp(ns) | Signal::TimestampLocked(ns) => {
                    self.signal(user, *f, Some(*ns));
                }
                Signal::Check | Signal::CheckLocked => {
                    let signaled = self.with(*f, |f| f.signaled);
                    self.signal(user, *f, None);
                    return Answer::value(signaled);
                }
            },
            Call::EnableSignaling(f) => {
                self.locked(*f, || self.enable_locked(user, *f));
            }
            Call::AddCallback(f, cb, _) => {
                let added = self.add(user, *f, Entry::Callback(*cb));
                return Answer::value(if added { 0 } else { ENOENT });
            }
            Call::RemoveCallback(f, cb) => {
                let removed = self.remove(*f, Entry::Callback(*cb));
                return Answer::value(removed);
            }
            Call::SetError(f, error) => self.set_error(user, *f, *error),
            Call::Ask(query, f) => return self.ask(user, *query, *f),
            Call::Compare(order, f, g) => return self.compare(user, *order, *f, *g),
            Call::CompareNumbers(f, m, n) => return Answer::value(self.later_numbers(*f, *m, *n)),
            Call::SetDeadline(f, ns) => self.set_deadline(user, *f, *ns),
            Call::Emit(f) => self.trace(user, "emit", *f),
            Call::Wait(wait) => return self.wait(user, task, wait),
            Call::Interrupt(thread) => self.interrupt(*thread),
            Call::ContextAlloc(n) => {
                if *n == 0 {
                    self.warn(user);
                }
                return Answer::value(true);
            }
            Call::Nothing(what) => return self.nothing(user, *what),
            // The user's own.
            Call::Complete(..) | Call::Thread(..) => (),
        }
        Answer::done()
    }

    fn snapshot(&self, slot: Slot) -> Snapshot {
        self.with(slot, |f| {
            let spec = f.spec.as_ref();
            let bits = [
                true,
                spec.is_none_or(|spec| spec.lock.is_none()),
                spec.is_some_and(|spec| spec.seqno64),
                f.signaled,
                f.timestamp.is_some(),
                f.enabled,
            ];
            let flags = bits
                .iter()
                .rev()
                .fold(0, |n, &bit| n << 1 | usize::from(bit));
            Snapshot {
                flags,
                error: f.error,
                attached: f.attached,
                refs: f.refs,
            }
        })
    }

    fn lock_held(&self, slot: Slot) -> bool {
        let lock = self.lock_of(slot);
        self.state().held.contains(&lock)
    }

    fn start(&self, _user: &Owner, thread: usize) {
        let mut state = self.state();
        state.interrupted.retain(|&t| t != thread);
        state.runnable.push_back(Task::Thread(thread));
    }

    fn settle(&self, user: &Owner) {
        loop {
            let next = self.state().runnable.pop_front();
            let Some(task) = next else { break };
            self.go_on(user, task);
        }
    }
}
