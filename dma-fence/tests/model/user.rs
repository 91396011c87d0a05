// SPDX-License-Identifier: GPL-2.0-only
//! Whoever uses fences: keeps the rules of the API, and writes down all that happens.
//!
//! The user is the driver, whose ops the core calls, and everybody else. The same user sits on the
//! implementation and on the model. Each time it decides for itself which commands keep the rules,
//! from what its own core shows, so that a model with a fault never leads the implementation to
//! undefined behaviour.

mod ops;
mod rules;

use super::call::{name, Call, Query, Signal, Slot, Spec, Wait, CALLBACKS, SLOTS, STUB, THREADS};
use std::{
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What a call gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Text(String),
    /// The thread sleeps; the core will say so when the call has ended.
    Blocked,
}

impl Answer {
    pub(crate) fn done() -> Self {
        Self::Text("ok".into())
    }

    pub(crate) fn value(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Main,
    Thread(usize),
}

/// What anybody can see of a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) flags: usize,
    pub(crate) error: i32,
    pub(crate) attached: bool,
    pub(crate) refs: u32,
}

const SIGNALED: usize = 1 << 3;
const TIMESTAMP: usize = 1 << 4;

/// The core: the implementation, or the model.
pub(crate) trait Core: Sized {
    /// Makes the call. It keeps the rules.
    fn call(&self, user: &User<Self>, task: Task, call: &Call) -> Answer;

    /// What can be seen of a fence that is alive.
    fn snapshot(&self, fence: Slot) -> Snapshot;

    /// Is the lock of the fence held?
    fn lock_held(&self, fence: Slot) -> bool;

    /// Has a thread call [`User::run_thread`].
    fn start(&self, user: &User<Self>, thread: usize);

    /// Lets all threads run that can.
    fn settle(&self, user: &User<Self>);
}

#[derive(Default)]
struct Fence {
    alive: bool,
    held: usize,
    /// Commands under way that name it.
    busy: usize,
    /// Tells the fences of a place apart.
    incarnation: u32,
    spec: Option<Box<Spec>>,
    /// How often the signaled op still says false.
    completes: Option<u32>,
}

#[derive(Default)]
struct Callback {
    pending: bool,
    /// Where it was added last.
    on: Option<(Slot, u32)>,
    actions: Vec<Call>,
}

#[derive(Default)]
struct Thread {
    running: bool,
    waits: Vec<Wait>,
    /// The next of `waits`.
    next: usize,
}

#[derive(Default)]
struct State {
    text: String,
    fences: [Fence; SLOTS + 1],
    callbacks: [Callback; CALLBACKS],
    threads: [Thread; THREADS],
    live: i32,
}

/// A user of the fences of `core`.
pub(crate) struct User<C> {
    pub(crate) core: C,
    state: Mutex<State>,
}

impl<C: Core> User<C> {
    pub(crate) fn new(core: C) -> Self {
        let state = Mutex::new(State::default());
        Self { core, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what has happened.
    pub(crate) fn note(&self, line: std::fmt::Arguments<'_>) {
        let mut state = self.state();
        // Writing to a string does not fail.
        let _ = writeln!(state.text, "  {line}");
    }

    /// All that was written down.
    pub(crate) fn transcript(&self) -> String {
        std::mem::take(&mut self.state().text)
    }

    /// Runs the commands that keep the rules, then signals what is left and drops everything.
    pub(crate) fn run(&self, calls: &[Call]) {
        for call in calls {
            self.top(call);
        }
        for fence in 0..SLOTS {
            self.top(&Call::Signal(Signal::Plain, fence));
        }
        for fence in 0..=SLOTS {
            let held = self.state().fences[fence].held;
            for _ in 0..held {
                self.top(&Call::Put(fence));
            }
        }
        let mut state = self.state();
        let live = state.live;
        let _ = writeln!(state.text, "end\n  = live {live}");
    }

    fn top(&self, call: &Call) {
        if !self.allowed(call, false) {
            return;
        }
        let _ = writeln!(self.state().text, "{call}");
        let answer = self.execute(call);
        self.core.settle(self);
        match answer {
            Answer::Text(text) => self.note(format_args!("= {text}")),
            Answer::Blocked => self.note(format_args!("= blocked")),
        }
        self.look();
    }

    /// Writes down what can be seen of all fences.
    fn look(&self) {
        for slot in 0..SLOTS {
            if !self.state().fences[slot].alive {
                continue;
            }
            let Snapshot {
                flags,
                error,
                attached,
                refs,
            } = self.core.snapshot(slot);
            let ops = if attached { "attached" } else { "detached" };
            let name = name(slot);
            let time = if flags & TIMESTAMP != 0 {
                self.core
                    .call(self, Task::Main, &Call::Ask(Query::Timestamp, slot))
            } else {
                Answer::value("never")
            };
            let Answer::Text(time) = time else { continue };
            self.note(format_args!(
                ". {name} {flags:#x} error={error} {ops} refs={refs} time={time}"
            ));
        }
    }

    fn signaled(&self, slot: Slot) -> bool {
        self.core.snapshot(slot).flags & SIGNALED != 0
    }

    fn busy(&self, fences: &[Slot], by: isize) {
        let mut state = self.state();
        for &slot in fences {
            let busy = &mut state.fences[slot].busy;
            *busy = busy.wrapping_add_signed(by);
        }
    }

    /// Runs a command that keeps the rules.
    fn execute(&self, call: &Call) -> Answer {
        let fences = call.fences();
        self.busy(&fences, 1);
        let answer = self.keep_books(call);
        self.busy(&fences, -1);
        answer
    }

    fn keep_books(&self, call: &Call) -> Answer {
        match call {
            Call::Complete(f, n) => {
                self.state().fences[*f].completes = Some(*n);
                return Answer::done();
            }
            Call::Thread(thread, waits) => {
                self.state().threads[*thread] = Thread {
                    running: true,
                    waits: waits.clone(),
                    next: 0,
                };
                // Until the thread ends.
                self.busy(&call.fences(), 1);
                self.core.start(self, *thread);
                self.core.settle(self);
                let running = self.state().threads[*thread].running;
                return Answer::value(if running { "blocked" } else { "finished" });
            }
            Call::Init(spec) => self.begin(spec.slot, Some(spec.clone())),
            Call::PrivateStub(slot, _) => self.begin(*slot, None),
            Call::Put(f) | Call::PutGetRcu(f) => self.state().fences[*f].held -= 1,
            Call::AddCallback(f, cb, actions) => {
                let mut state = self.state();
                let on = Some((*f, state.fences[*f].incarnation));
                state.callbacks[*cb] = Callback {
                    pending: true,
                    on,
                    actions: actions.clone(),
                };
            }
            _ => (),
        }
        let answer = self.core.call(self, Task::Main, call);
        let is = |text: &str| matches!(&answer, Answer::Text(answer) if answer == text);
        let mut state = self.state();
        match call {
            Call::GetStub => {
                state.fences[STUB].alive = true;
                state.fences[STUB].held += 1;
            }
            Call::Get(f) => state.fences[*f].held += 1,
            Call::GetRcu(f) | Call::PutGetRcu(f) if is("true") => state.fences[*f].held += 1,
            Call::AddCallback(_, cb, _) => state.callbacks[*cb].pending = is("0"),
            _ => (),
        }
        drop(state);
        answer
    }

    fn begin(&self, slot: Slot, spec: Option<Box<Spec>>) {
        let mut state = self.state();
        let incarnation = state.fences[slot].incarnation + 1;
        state.fences[slot] = Fence {
            alive: true,
            held: 1,
            incarnation,
            spec,
            ..Fence::default()
        };
    }

    /// The core has initialised a fence.
    pub(crate) fn initialised(&self) {
        self.state().live += 1;
    }

    /// The core destroys a fence.
    pub(crate) fn destroyed(&self, slot: Slot) {
        let mut state = self.state();
        state.live -= 1;
        state.fences[slot].alive = false;
    }

    /// The core calls a callback.
    pub(crate) fn callback(&self, cb: usize, fence: Slot, error: i32, locked: bool) {
        let actions = {
            let mut state = self.state();
            state.callbacks[cb].pending = false;
            state.callbacks[cb].actions.clone()
        };
        let unlocked = if locked { "" } else { " unlocked" };
        self.note(format_args!(
            "! cb c{cb} of {}{unlocked} error={error}",
            name(fence)
        ));
        for action in &actions {
            if self.allowed(action, true) {
                self.note(format_args!("! c{cb}: {action}"));
                if let Answer::Text(text) = self.execute(action) {
                    self.note(format_args!("! c{cb}: = {text}"));
                }
            }
        }
    }

    /// Runs the waits of a thread that are left; returns early if one blocks.
    pub(crate) fn run_thread(&self, thread: usize) {
        loop {
            let wait = {
                let threads = &mut self.state().threads;
                let next = threads[thread].next;
                threads[thread].next += 1;
                threads[thread].waits.get(next).cloned()
            };
            let Some(wait) = wait else { break };
            let call = Call::Wait(wait);
            match self.core.call(self, Task::Thread(thread), &call) {
                Answer::Text(text) => self.waited(thread, &text),
                Answer::Blocked => return,
            }
        }
        let fences: Vec<_> = {
            let mut state = self.state();
            state.threads[thread].running = false;
            let waits = std::mem::take(&mut state.threads[thread].waits);
            waits.iter().flat_map(|w| w.fences().to_vec()).collect()
        };
        self.busy(&fences, -1);
    }

    /// A wait of a thread has ended.
    pub(crate) fn waited(&self, thread: usize, answer: &str) {
        self.note(format_args!("! thread t{thread} = {answer}"));
    }
}
