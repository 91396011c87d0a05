// SPDX-License-Identifier: GPL-2.0-only
//! A machine from its first task to its end.

use super::{
    super::{
        blocked::{self, Thing},
        cpu, lent,
        task::{self, task_struct},
    },
    Carrier, Hooks, Inner, Lent, Policy, Stuck, TaskPtr, Vcpu,
};
use core::{
    mem::needs_drop,
    sync::atomic::{AtomicBool, AtomicI32, AtomicIsize, AtomicUsize, Ordering::Relaxed},
};
use std::{
    collections::{BTreeMap, VecDeque},
    panic::{self, AssertUnwindSafe},
    sync::{mpsc, Arc, Mutex},
    thread::{self, Builder, JoinHandle},
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
    /// What `body` shares with threads that it has started by itself is used even then; so none of
    /// that may be borrowed from the caller.
    pub fn run<R: Send + 'static>(
        policy: Policy,
        seed: Option<u64>,
        hooks: impl Hooks,
        stack: usize,
        body: impl FnOnce() -> R + Send + 'static,
    ) -> Result<(R, isize), Stuck> {
        lent::with_carrier(|carrier| Self::run_on(carrier, policy, seed, hooks, stack, body))
    }

    fn run_on<R: Send + 'static>(
        carrier: Option<&Arc<Carrier>>,
        policy: Policy,
        seed: Option<u64>,
        hooks: impl Hooks,
        stack: usize,
        body: impl FnOnce() -> R + Send + 'static,
    ) -> Result<(R, isize), Stuck> {
        let (done, end) = mpsc::channel();
        let vcpu = Arc::new(Self {
            preempts: policy.preempts(),
            seed,
            idling: AtomicBool::new(false),
            next_pid: AtomicI32::new(1),
            steps: AtomicUsize::new(0),
            panic: Mutex::new(None),
            carrier: carrier.cloned(),
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
                jumps: 0,
                done,
                stuck: false,
                policy,
            }),
            hooks: Box::new(hooks),
        });
        let returned = Arc::new(Mutex::new(None));
        let (machine, returns) = (vcpu.clone(), returned.clone());
        let first = move |lent| {
            let first_task = AssertUnwindSafe(|| machine.first_task(lent, body));
            let result = panic::catch_unwind(first_task);
            if result.is_err() {
                machine.abandon();
            }
            *crate::lock(&returns) = Some(result);
            let _ = machine.lock().done.send(None);
            if let Some(carrier) = machine.carrier() {
                carrier.then(None);
            }
        };
        let name = thread::current().name().unwrap_or("init").to_string();
        let thread = match carrier {
            Some(carrier) => {
                let Some(lent) = carrier.thread(&name, Some(stack)) else {
                    return Err(Stuck::NoThread);
                };
                let its = lent.clone();
                lent.set_job(Box::new(move || first(Some(its))));
                // SAFETY: It was just set, and each machine of this thread has a carrier of its own.
                unsafe { carrier.run(&lent) };
                None
            }
            None => {
                let builder = Builder::new().name(name).stack_size(stack);
                let Ok(thread) = builder.spawn(|| first(None)) else {
                    return Err(Stuck::NoThread);
                };
                Some(thread)
            }
        };
        if let Ok(Some(stuck)) = end.recv() {
            let panicked = crate::lock(&vcpu.panic).take();
            return match panicked {
                Some(payload) => panic::resume_unwind(payload),
                None => Err(stuck),
            };
        }
        // It has sent, so it has nothing left to do but to end.
        let _ = thread.map(JoinHandle::join);
        let result = crate::lock(&returned).take();
        match result.expect("it has told of its end after its result") {
            Ok(result) => Ok((result, vcpu.live.load(Relaxed))),
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    /// The body, and after it everything that it has set off.
    fn first_task<R>(self: &Arc<Self>, lent: Option<Arc<Lent>>, body: impl FnOnce() -> R) -> R {
        task::with_task(self.clone(), lent, |init| {
            self.lock().tasks.push(TaskPtr(init));
            // Also if the body panics: the task is freed after this.
            let _ends = Ends { vcpu: self, init };
            let result = body();
            // What happens at the end of a grace period may start tasks again.
            loop {
                let waits = blocked::waiting(Thing::ALL_ENDS);
                self.wait_for_ends(init, || self.alone(TaskPtr(init)));
                drop(waits);
                if !self.idle() {
                    break;
                }
                let endless = self.lock().over_budget();
                if endless {
                    self.no_end(init);
                }
            }
            if !needs_drop::<R>() {
                self.call_hooks(|hooks| hooks.left());
            }
            self.call_hooks(|hooks| hooks.ended(0));
            result
        })
    }

    fn alone(&self, task: TaskPtr) -> bool {
        self.lock().tasks.iter().all(|&t| t == task)
    }

    /// Blocks while tasks end, until `enough`.
    pub(super) fn wait_for_ends(&self, me: &task_struct, enough: impl Fn() -> bool) {
        while !enough() {
            me.set_state(task::TASK_UNINTERRUPTIBLE);
            self.lock().joining.push(TaskPtr(me));
            // Those that have ended before did not know of this one.
            if enough() {
                me.set_state(task::TASK_RUNNING);
            }
            self.block(me, None);
        }
        self.lock().joining.retain(|&task| task != TaskPtr(me));
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
