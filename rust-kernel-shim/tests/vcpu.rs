// SPDX-License-Identifier: GPL-2.0-only
//! The virtual CPU: who runs when, and what time it is.

use kernel::{
    bindings::{
        allow_signal, complete, completion, get_current, init_completion, kthread_create,
        kthread_stop, ktime_get, msleep, schedule_timeout, send_sig, set_current_state,
        signal_pending, wait_for_completion, wait_for_completion_timeout, MAX_SCHEDULE_TIMEOUT,
        SIGUSR1, TASK_INTERRUPTIBLE,
    },
    error::from_err_ptr,
    ffi::c_void,
    str::CStrExt as _,
    sync::{aref::ARef, rcu},
    task::Task,
    testing::{
        vcpu::{self, Stuck},
        without_checks,
    },
    types::Opaque,
};
use std::sync::{Arc, Mutex};

/// Starts a task that runs `body`, and gives what that gives to who stops it.
fn spawn<F: FnOnce() -> i32 + Send + 'static>(body: F) -> ARef<Task> {
    /// # Safety
    ///
    /// `body` is a boxed `F` that was given away.
    unsafe extern "C" fn run<F: FnOnce() -> i32>(body: *mut c_void) -> i32 {
        // SAFETY: By the safety requirements.
        let body = unsafe { Box::from_raw(body.cast::<F>()) };
        body()
    }
    let body = Box::into_raw(Box::new(body)).cast();
    // SAFETY: The box is the thread's, which may have it since it is `Send`.
    let task = unsafe { kthread_create(run::<F>, body, c"test".as_char_ptr()) };
    let task = from_err_ptr(task).unwrap();
    // SAFETY: A thread that has not been woken is there; the type is transparent.
    let task: ARef<Task> = unsafe { &*task.cast::<Task>() }.into();
    task.wake_up();
    task
}

/// Stops a task.
fn stop(task: &Task) -> i32 {
    // SAFETY: The caller has a reference.
    unsafe { kthread_stop(task.as_ptr()) }
}

fn sleep(ms: u32) {
    // SAFETY: Nothing is asked for.
    unsafe { msleep(ms) };
}

/// What happened, in its order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, what: &str) {
        self.0.lock().unwrap().push(what.into());
    }
}

/// What a task does that sleeps.
fn sleeper(name: &'static str, ms: u32, log: &Log) -> impl FnOnce() -> i32 + Send + 'static {
    let log = log.clone();
    move || {
        log.push(&format!("{name} sleeps"));
        sleep(ms);
        // SAFETY: Nothing is asked for.
        let now = unsafe { ktime_get() };
        log.push(&format!("{name} wakes at {}", now / 1_000_000));
        0
    }
}

#[test]
fn tasks_run_in_the_order_in_which_they_became_runnable() {
    let log = Log::default();
    let done = vcpu::fifo(|| {
        spawn(sleeper("a", 2000, &log));
        spawn(sleeper("b", 1000, &log));
        log.push("init settles");
        vcpu::settle();
        log.push("init goes on");
        sleep(3000);
        log.push("init ends");
    });
    assert_eq!(done, Ok(()));
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            "init settles",
            "a sleeps",
            "b sleeps",
            "init goes on",
            "b wakes at 11000",
            "a wakes at 12000",
            "init ends"
        ]
    );
}

/// C's completion.
///
/// # Invariants
///
/// It is initialised.
struct Done(Opaque<completion>);

// SAFETY: A completion is made for being used by several threads.
unsafe impl Send for Done {}
// SAFETY: As above.
unsafe impl Sync for Done {}

impl Done {
    fn new() -> Arc<Self> {
        let done = Arc::new(Self(Opaque::uninit()));
        // INVARIANT: It is now, and stays where it is.
        // SAFETY: Nobody else has it.
        unsafe { init_completion(done.0.get()) };
        done
    }

    fn complete(&self) {
        // SAFETY: By the type invariant; the caller has a reference.
        unsafe { complete(self.0.get()) };
    }

    fn wait(&self) {
        // SAFETY: By the type invariant.
        unsafe { wait_for_completion(self.0.get()) };
    }

    fn wait_timeout(&self, jiffies: usize) -> usize {
        // SAFETY: By the type invariant.
        unsafe { wait_for_completion_timeout(self.0.get(), jiffies) }
    }
}

/// Starts a task that completes `done`, and gives 7.
fn completer(done: &Arc<Done>) -> ARef<Task> {
    let done = done.clone();
    spawn(move || {
        done.complete();
        7
    })
}

#[test]
fn completions_hand_over() {
    let done = vcpu::fifo(|| {
        let x = Done::new();
        completer(&x);
        x.wait();
        assert_eq!(x.wait_timeout(5), 0);
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn a_machine_in_which_nobody_can_run_is_stuck() {
    let done = vcpu::fifo(|| Done::new().wait());
    assert_eq!(done, Err(Stuck::Deadlock));
}

#[test]
fn a_signal_ends_an_interruptible_sleep() {
    let result = Arc::new(Mutex::new((0, 0)));
    let found = result.clone();
    let done = vcpu::fifo(|| {
        let task = spawn(move || {
            // SAFETY: Nothing is asked for, but that the task is there, which is this one.
            let (left, pending) = unsafe {
                allow_signal(SIGUSR1);
                set_current_state(TASK_INTERRUPTIBLE);
                let left = schedule_timeout(MAX_SCHEDULE_TIMEOUT);
                (left, signal_pending(get_current()))
            };
            *found.lock().unwrap() = (left, pending);
            0
        });
        vcpu::settle();
        // SAFETY: `task` is a reference.
        unsafe { send_sig(SIGUSR1, task.as_ptr(), 1) };
        stop(&task)
    });
    assert_eq!(done, Ok(0));
    assert_eq!(*result.lock().unwrap(), (MAX_SCHEDULE_TIMEOUT, 1));
}

#[test]
fn kthread_stop_gives_what_the_function_returned() {
    let done = vcpu::fifo(|| {
        let task = completer(&Done::new());
        vcpu::settle();
        stop(&task)
    });
    assert_eq!(done, Ok(7));
}

#[test]
fn a_body_that_panics_holds_up_nobody() {
    let failed = std::panic::catch_unwind(|| {
        vcpu::fifo(|| {
            // Whoever sleeps there for good is reported otherwise.
            without_checks(|| {
                let sleeper = spawn(|| {
                    let _guard = rcu::read_lock();
                    sleep(u32::MAX);
                    0
                });
                vcpu::settle();
                drop(sleeper);
                panic!("on purpose");
            })
        })
    });
    assert!(failed.is_err());
    // The other task is in its section, and does not run any more.
    rcu::synchronize_rcu();
}
