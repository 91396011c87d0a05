// SPDX-License-Identifier: GPL-2.0-only
//! A machine from its first task to its end.

use super::{
    super::{
        cpu,
        task::{self, task_struct},
    },
    Hooks, Inner, Policy, Stuck, TaskPtr, Vcpu,
};
use core::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};
use std::{
    collections::{BTreeMap, VecDeque},
    panic::{self, AssertUnwindSafe},
    sync::{mpsc, Arc, Mutex, PoisonError},
    thread::{self, Builder},
};

/// When virtual time starts (ns): after 10 s, as if the machine had booted, so that a time is
/// neither 0 nor mistaken for a short duration.
const START: u128 = 10_000_000_000;

impl Vcpu {
    /// Ends the machine if the caller is inside a section that holds up grace periods: those of a
    /// machine that it runs would wait for it, forever.
    #[track_caller]
    pub fn may_run() {
        if cpu::with(cpu::Cpu::in_section) {
            crate::end(format_args!(
                "a machine is run inside a section or a handler, which it would wait for"
            ));
        }
    }

    /// Runs `body` as the first task of a fresh machine, on a thread of its own with a stack of
    /// `stack` bytes, until it and all its tasks have ended. Returns what it returns, and how many
    /// blocks of memory the machine has left behind.
    ///
    /// Otherwise the threads are leaked, not unwound: other objects may point into their stacks.
    pub fn run<R: Send>(
        policy: Policy,
        seed: Option<u64>,
        hooks: impl Hooks,
        stack: usize,
        body: impl FnOnce() -> R + Send,
    ) -> Result<(R, isize), Stuck> {
        let (done, end) = mpsc::channel();
        let vcpu = Arc::new(Self {
            preempts: policy.preempts(),
            seed,
            idling: AtomicBool::new(false),
            live: AtomicIsize::new(0),
            inner: Mutex::new(Inner {
                now: START,
                runnable: VecDeque::new(),
                settling: VecDeque::new(),
                timers: BTreeMap::new(),
                next_timer: 0,
                tasks: Vec::new(),
                joining: Vec::new(),
                spins: 0,
                points: 0,
                done,
                stuck: false,
                policy,
            }),
            hooks: Box::new(hooks),
        });
        let slot = Mutex::new(None);
        let first = || {
            let result = panic::catch_unwind(AssertUnwindSafe(|| vcpu.first_task(body)));
            if result.is_err() {
                vcpu.abandon();
            }
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            // Nothing of the caller's is used from here on.
            let _ = vcpu.lock().done.send(None);
        };
        let thread = Builder::new()
            .name(thread::current().name().unwrap_or("init").into())
            .stack_size(stack);
        // SAFETY: What the thread borrows lives until `end` has received a message. The thread
        // sends its own last. If another thread has sent one, the machine is stuck: after
        // `declare()` no task of it gets the run token, so the first thread stays in `wait_token()`
        // and never touches its borrows again. Only tasks send: a thread leaves the machine before
        // it passes on the token for the last time.
        match unsafe { thread.spawn_unchecked(first) } {
            Ok(thread) => match end.recv() {
                Ok(Some(stuck)) => return Err(stuck),
                // A thread that has sent has nothing left to do but to end.
                _ => drop(thread.join()),
            },
            Err(_) => return Err(Stuck::NoThread),
        }
        let result = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        let live = vcpu.live.load(Relaxed);
        match result {
            Some(Ok(result)) => Ok((result, live)),
            Some(Err(payload)) => panic::resume_unwind(payload),
            None => unreachable!("the thread has sent after it had filled the slot"),
        }
    }

    /// The body, and after it everything that it has set off.
    fn first_task<R>(self: &Arc<Self>, body: impl FnOnce() -> R) -> R {
        task::with_task(self.clone(), |init| {
            self.lock().tasks.push(TaskPtr(init));
            // Also if the body panics: the task is gone after this.
            let _ends = Ends { vcpu: self, init };
            let result = body();
            // What happens at the end of a grace period may start tasks again.
            loop {
                self.wait_for_ends(init, || self.alone(TaskPtr(init)));
                if !self.idle() {
                    break;
                }
                let endless = self.lock().over_budget();
                if endless {
                    self.give_up(init, Stuck::Endless);
                }
            }
            self.tell(|hooks| hooks.ended());
            result
        })
    }

    fn alone(&self, task: TaskPtr) -> bool {
        self.lock().tasks.iter().all(|&t| t == task)
    }

    /// Blocks while tasks end, until `enough`.
    pub(super) fn wait_for_ends(&self, me: &task_struct, enough: impl Fn() -> bool) {
        while !enough() {
            self.lock().joining.push(TaskPtr(me));
            me.set_state(task::TASK_UNINTERRUPTIBLE);
            self.block(me, None);
        }
    }
}

/// Takes the first task out of everything when it is dropped.
struct Ends<'a> {
    vcpu: &'a Vcpu,
    init: &'a task_struct,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.vcpu.forget(self.init);
    }
}
