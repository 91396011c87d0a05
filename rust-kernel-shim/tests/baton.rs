// SPDX-License-Identifier: GPL-2.0-only
//! The baton: who runs when, and what time it is.

#![allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks)]

use kernel::{
    bindings::*,
    ffi::c_void,
    str::CStrExt as _,
    testing::baton::{self, Stuck},
};
use std::sync::Mutex;

type Log = Mutex<Vec<String>>;

fn spawn<T>(function: unsafe extern "C" fn(*mut c_void) -> i32, data: &T) -> *mut task_struct {
    let data = core::ptr::from_ref(data).cast_mut().cast();
    let task = unsafe { kthread_create(function, data, c"test".as_char_ptr()) };
    unsafe { wake_up_process(task) };
    task
}

unsafe extern "C" fn sleeper(data: *mut c_void) -> i32 {
    let (name, ms, log) = unsafe { &*data.cast::<(&str, u32, &Log)>() };
    log.lock().unwrap().push(format!("{name} sleeps"));
    unsafe { msleep(*ms) };
    log.lock().unwrap().push(format!(
        "{name} wakes at {}",
        unsafe { ktime_get() } / 1_000_000
    ));
    0
}

#[test]
fn tasks_run_in_the_order_in_which_they_became_runnable() {
    let log = Log::default();
    let (a, b) = (("a", 2000, &log), ("b", 1000, &log));
    let done = baton::fifo(|| {
        spawn(sleeper, &a);
        spawn(sleeper, &b);
        log.lock().unwrap().push("init settles".into());
        baton::settle();
        log.lock().unwrap().push("init goes on".into());
        unsafe { msleep(3000) };
        log.lock().unwrap().push("init ends".into());
    });
    assert_eq!(done, Ok(()));
    assert_eq!(
        *log.lock().unwrap(),
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

unsafe extern "C" fn completer(data: *mut c_void) -> i32 {
    unsafe { complete(data.cast()) };
    7
}

#[test]
fn completions_hand_over() {
    let done = baton::fifo(|| unsafe {
        let mut x = core::mem::MaybeUninit::<completion>::uninit();
        init_completion(x.as_mut_ptr());
        spawn(completer, &x);
        wait_for_completion(x.as_mut_ptr());
        assert_eq!(wait_for_completion_timeout(x.as_mut_ptr(), 5), 0);
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn a_machine_in_which_nobody_can_run_is_stuck() {
    let done = baton::fifo(|| unsafe {
        let mut x = core::mem::MaybeUninit::<completion>::uninit();
        init_completion(x.as_mut_ptr());
        wait_for_completion(x.as_mut_ptr());
    });
    assert_eq!(done, Err(Stuck::Deadlock));
}

unsafe extern "C" fn interruptible(data: *mut c_void) -> i32 {
    unsafe { allow_signal(SIGUSR1) };
    unsafe { set_current_state(TASK_INTERRUPTIBLE) };
    let left = unsafe { schedule_timeout(MAX_SCHEDULE_TIMEOUT) };
    let pending = unsafe { signal_pending(get_current()) };
    unsafe { *data.cast::<(isize, i32)>() = (left, pending) };
    0
}

#[test]
fn a_signal_ends_an_interruptible_sleep() {
    let result = (0isize, 0i32);
    let done = baton::fifo(|| {
        let task = spawn(interruptible, &result);
        baton::settle();
        unsafe { send_sig(SIGUSR1, task, 1) };
        unsafe { kthread_stop(task) }
    });
    assert_eq!(done, Ok(0));
    assert_eq!(
        unsafe { core::ptr::read_volatile(&result) },
        (MAX_SCHEDULE_TIMEOUT, 1)
    );
}

#[test]
fn kthread_stop_gives_what_the_function_returned() {
    let done = baton::fifo(|| unsafe {
        let mut x = core::mem::MaybeUninit::<completion>::uninit();
        init_completion(x.as_mut_ptr());
        let task = kthread_create(completer, x.as_mut_ptr().cast(), c"late".as_char_ptr());
        get_task_struct(task);
        wake_up_process(task);
        baton::settle();
        let code = kthread_stop(task);
        put_task_struct(task);
        code
    });
    assert_eq!(done, Ok(7));
}
