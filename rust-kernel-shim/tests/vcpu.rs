// SPDX-License-Identifier: GPL-2.0-only
//! The virtual CPU: which task runs when, and what time it is.

use kernel::{
    bindings::{
        allow_signal, complete, completion, get_current, init_completion, kthread_create,
        kthread_should_stop, kthread_stop, ktime_get, msleep, schedule_timeout, send_sig,
        set_current_state, signal_pending, wait_for_completion, wait_for_completion_timeout,
        MAX_SCHEDULE_TIMEOUT, SIGUSR1, TASK_INTERRUPTIBLE,
    },
    error::from_err_ptr,
    ffi::c_void,
    prelude::*,
    sync::{aref::ARef, rcu, Arc, Completion},
    task::Task,
    testing::{
        spawn,
        vcpu::{self, Stuck},
        without_checks,
    },
    types::Opaque,
};
use std::{
    cell::RefCell,
    ptr,
    sync::{mpsc, Mutex},
};

/// Stops a task, of which the caller has a reference; returns the result of its function.
fn stop(task: &Task) -> i32 {
    // SAFETY: The caller has a reference.
    unsafe { kthread_stop(task.as_ptr()) }
}

/// Starts a thread that runs `function`.
fn thread(function: extern "C" fn(*mut c_void) -> i32) -> ARef<Task> {
    // SAFETY: The function has no preconditions; a thread that has not been woken is valid.
    let task: ARef<Task> = unsafe {
        let task = kthread_create(function, ptr::null_mut(), c"test".as_char_ptr());
        (&*from_err_ptr(task).unwrap().cast::<Task>()).into()
    };
    task.wake_up();
    task
}

fn sleep(ms: u32) {
    // SAFETY: `msleep()` has no preconditions.
    unsafe { msleep(ms) };
}

/// What happened, in its order.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<Mutex<std::vec::Vec<String>>>);

impl Log {
    fn push(&self, what: &str) {
        self.0.lock().unwrap().push(what.into());
    }
}

/// What a task does that sleeps.
fn sleeper(name: &'static str, ms: u32, log: &Log) -> impl FnOnce() + Send + 'static {
    let log = log.clone();
    move || {
        log.push(&format!("{name} sleeps"));
        sleep(ms);
        // SAFETY: `ktime_get()` has no preconditions.
        let now = unsafe { ktime_get() };
        log.push(&format!("{name} wakes at {}", now / 1_000_000));
    }
}

#[test]
fn tasks_run_in_the_order_in_which_they_became_runnable() {
    let done = vcpu::fifo(|| {
        let log = Log::default();
        spawn(sleeper("a", 2000, &log));
        spawn(sleeper("b", 1000, &log));
        log.push("init settles");
        vcpu::settle();
        log.push("init goes on");
        sleep(3000);
        log.push("init ends");
        log
    });
    assert_eq!(
        *done.unwrap().0.lock().unwrap(),
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

#[test]
fn completions_hand_over() {
    let done = vcpu::fifo(|| {
        let done = Opaque::<completion>::uninit();
        // SAFETY: The completion is this function's, initialised before it is used, and there until
        // the other task has completed it, which this one waits for.
        let left = unsafe {
            init_completion(done.get());
            let address = done.get().expose_provenance();
            spawn(move || complete(ptr::with_exposed_provenance_mut(address)));
            wait_for_completion(done.get());
            wait_for_completion_timeout(done.get(), 5)
        };
        assert_eq!(left, 0);
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn a_machine_in_which_no_task_can_run_is_stuck() {
    let done = vcpu::fifo(|| {
        let never = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
        never.wait_for_completion();
    });
    assert!(matches!(done, Err(Stuck::Deadlock(_))), "{done:?}");
}

/// Sends the name of the task that its thread is when it ends.
struct AtExit(mpsc::Sender<std::string::String>);

impl Drop for AtExit {
    fn drop(&mut self) {
        // SAFETY: The task is this one.
        let name = unsafe { &*get_current() }.comm();
        self.0.send(name.into()).unwrap();
    }
}

std::thread_local! {
    static AT_EXIT: RefCell<Option<AtExit>> = const { RefCell::new(None) };
}

#[test]
fn the_first_thread_outlives_its_task() {
    let (sender, tasks) = mpsc::channel();
    let end = vcpu::fifo(move || AT_EXIT.set(Some(AtExit(sender))));
    assert_eq!(end, Ok(()));
    // That of the machine's first task is `init`.
    assert_ne!(tasks.recv().unwrap(), "init");
}

#[test]
fn a_signal_ends_an_interruptible_sleep() {
    let result = std::sync::Arc::new(Mutex::new((0, 0)));
    let found = result.clone();
    let done = vcpu::fifo(|| {
        let task = spawn(move || {
            // SAFETY: The task is this one.
            let (left, pending) = unsafe {
                allow_signal(SIGUSR1);
                set_current_state(TASK_INTERRUPTIBLE);
                let left = schedule_timeout(MAX_SCHEDULE_TIMEOUT);
                (left, signal_pending(get_current()))
            };
            *found.lock().unwrap() = (left, pending);
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
fn kthread_stop_returns_what_the_function_did() {
    extern "C" fn seven(_data: *mut c_void) -> i32 {
        7
    }
    let done = vcpu::fifo(|| {
        let task = thread(seven);
        vcpu::settle();
        stop(&task)
    });
    assert_eq!(done, Ok(7));
}

#[test]
fn kthread_stop_does_not_wait_for_a_stuck_machine() {
    extern "C" fn forever(_: *mut c_void) -> i32 {
        Arc::pin_init(Completion::new(), GFP_KERNEL)
            .unwrap()
            .wait_for_completion();
        0
    }
    let end = vcpu::fifo(|| {
        let (sent, task) = mpsc::channel();
        let end = vcpu::fifo(move || {
            sent.send(thread(forever)).unwrap();
            forever(ptr::null_mut());
        });
        assert!(matches!(end, Err(Stuck::Deadlock(_))), "{end:?}");
        stop(&task.recv().unwrap())
    });
    match end {
        Err(Stuck::Bug(said)) => assert!(said.contains("its machine got stuck"), "{said}"),
        end => panic!("{end:?}"),
    }
}

/// Counts how often it sleeps for a second.
extern "C" fn counts(_: *mut c_void) -> i32 {
    let mut naps = 0;
    // SAFETY: This is a kernel thread.
    while !unsafe { kthread_should_stop() } {
        sleep(1000);
        naps += 1;
    }
    naps
}

#[test]
fn kthread_stop_does_not_wait_for_another_machine() {
    let done = vcpu::fifo(|| {
        let task = thread(counts);
        let other = task.clone();
        vcpu::settle();
        match vcpu::fifo(move || stop(&other)) {
            Err(Stuck::Bug(said)) => assert!(said.contains("outside of its machine"), "{said}"),
            end => panic!("{end:?}"),
        }
        stop(&task)
    });
    assert_eq!(done, Ok(1));
}

#[test]
fn kthread_stop_waits_for_the_end() {
    let done = vcpu::fifo(|| {
        let task = thread(counts);
        sleep(2500);
        stop(&task)
    });
    assert_eq!(done, Ok(3));
}

#[test]
fn a_body_that_panics_holds_up_no_other() {
    let failed = std::panic::catch_unwind(|| {
        vcpu::fifo(|| {
            // A task that sleeps forever inside of a section is reported otherwise.
            without_checks(|| {
                let sleeper = spawn(|| {
                    let _guard = rcu::read_lock();
                    sleep(u32::MAX);
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
