// SPDX-License-Identifier: GPL-2.0-only
//! Tasks and how they sleep.
//!
//! C headers: [`include/linux/sched.h`](srctree/include/linux/sched.h),
//! [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use crate::ffi::{c_char, c_int, c_long, c_uint, c_void};
use crate::{
    in_atomic, jiffies,
    workqueue::{wq_worker_running, wq_worker_sleeping},
    TICK_NSEC,
};
use core::sync::atomic::Ordering::Relaxed;
use machine::task;

pub use machine::task::{
    task_struct, TASK_COMM_LEN, TASK_FREEZABLE, TASK_INTERRUPTIBLE, TASK_NORMAL, TASK_RUNNING,
    TASK_UNINTERRUPTIBLE,
};

/// Number of a task.
pub type pid_t = c_int;

/// A timeout that never runs out.
pub const MAX_SCHEDULE_TIMEOUT: c_long = c_long::MAX;

/// A signal that has no meaning of its own.
pub const SIGUSR1: c_int = 10;

/// The task that runs; the pointer is valid while it does.
///
/// # Safety
///
/// None; unsafe as every binding is.
pub unsafe fn get_current() -> *mut task_struct {
    core::ptr::from_ref(task::current()).cast_mut()
}

/// Takes a reference.
///
/// # Safety
///
/// `t` is valid.
pub unsafe fn get_task_struct(t: *mut task_struct) -> *mut task_struct {
    // SAFETY: By the safety requirements.
    unsafe { &*t }.get();
    t
}

/// Drops a reference.
///
/// # Safety
///
/// The caller owns one.
pub unsafe fn put_task_struct(t: *mut task_struct) {
    // SAFETY: By the safety requirements.
    unsafe { task_struct::put(t) }
}

/// Sets the state of the task that runs, before it looks at the condition that it waits for.
///
/// # Safety
///
/// None; unsafe as every binding is.
pub unsafe fn set_current_state(state: c_uint) {
    task::current().set_state(state);
}

/// As [`set_current_state`], where no order with the condition is needed.
///
/// # Safety
///
/// None; unsafe as every binding is.
pub unsafe fn __set_current_state(state: c_uint) {
    task::current().set_state(state);
}

/// Wakes the task if it is in one of the states `state`; 1 if it was. From any context.
///
/// # Safety
///
/// `t` is valid.
pub unsafe fn wake_up_state(t: *mut task_struct, state: c_uint) -> c_int {
    // SAFETY: By the safety requirements.
    let woken = unsafe { &*t }.wake(state);
    task::point();
    woken.into()
}

/// Wakes the task if it sleeps, or starts it; 1 if it did. From any context.
///
/// # Safety
///
/// `t` is valid.
pub unsafe fn wake_up_process(t: *mut task_struct) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { wake_up_state(t, TASK_NORMAL) }
}

/// 1 if a signal was sent to the task.
///
/// # Safety
///
/// `t` is valid.
pub unsafe fn signal_pending(t: *mut task_struct) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { &*t }.signal_pending().into()
}

/// Lets signals reach the task that runs; kernel threads ignore them otherwise. All signals are
/// one here.
///
/// # Safety
///
/// None; unsafe as every binding is.
pub unsafe fn allow_signal(_sig: c_int) {
    task::current().allow_signal();
}

/// Sends a signal, which interrupts an interruptible sleep. Gives 0.
///
/// # Safety
///
/// `t` is valid.
pub unsafe fn send_sig(_sig: c_int, t: *mut task_struct, _priv: c_int) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { &*t }.send_signal();
    0
}

/// A debug kernel says so if a task sleeps where it must not.
fn schedule_debug() {
    // SAFETY: Nothing is asked for.
    if cfg!(feature = "debug") && unsafe { in_atomic() } {
        let t = task::current();
        // SAFETY: `printk` asks for nothing.
        unsafe {
            crate::printk(
                crate::KERN_ERR,
                b"\0",
                format_args!("BUG: scheduling while atomic: {}\n", t.pid),
            )
        };
    }
}

/// Sleeps until woken, or until `ns` nanoseconds have passed.
fn sleep(ns: Option<u128>) {
    let t = task::current();
    // A worker that blocks lets another one take its place.
    let worker = !t.worker_private.load(Relaxed).is_null() && t.is_blocked();
    if worker {
        wq_worker_sleeping(t);
    }
    t.schedule(ns);
    if worker {
        wq_worker_running(t);
    }
}

/// Sleeps until woken; returns at once if the state is [`TASK_RUNNING`].
///
/// # Safety
///
/// None; unsafe as every binding is.
pub unsafe fn schedule() {
    schedule_debug();
    sleep(None);
}

/// Sleeps until woken, or until `timeout` jiffies have passed. Gives the jiffies that are left:
/// 0 if none, and [`MAX_SCHEDULE_TIMEOUT`] if that was asked for.
///
/// # Safety
///
/// None; unsafe as every binding is.
pub unsafe fn schedule_timeout(timeout: c_long) -> c_long {
    schedule_debug();
    if timeout == MAX_SCHEDULE_TIMEOUT {
        sleep(None);
        return timeout;
    }
    let Ok(ticks) = usize::try_from(timeout) else {
        crate::WARN!(true, "schedule_timeout: wrong timeout value {timeout}");
        task::current().set_state(TASK_RUNNING);
        return 0;
    };
    // SAFETY: Nothing is asked for.
    let start = unsafe { jiffies() };
    sleep(Some(ticks as u128 * TICK_NSEC as u128));
    // SAFETY: Nothing is asked for.
    let slept = unsafe { jiffies() }.wrapping_sub(start);
    c_long::try_from(ticks.saturating_sub(slept)).unwrap_or(c_long::MAX)
}

/// Creates a kernel thread, which starts with [`wake_up_process`]; an error pointer (-ENOMEM) if
/// there can be no more.
///
/// The pointer is valid until the thread ends, and longer for who has taken a reference.
///
/// # Safety
///
/// `threadfn` may be called with `data` on another thread. `name` is NUL-terminated.
pub unsafe fn kthread_create(
    threadfn: unsafe extern "C" fn(data: *mut c_void) -> c_int,
    data: *mut c_void,
    name: *const c_char,
) -> *mut task_struct {
    // SAFETY: By the safety requirements.
    let name = unsafe { crate::from_char_ptr(name) };
    let t = task::spawn(threadfn, data, name.to_bytes());
    if t.is_null() {
        // C: `ERR_PTR()`.
        return core::ptr::without_provenance_mut((crate::ENOMEM as usize).wrapping_neg());
    }
    t
}

/// Asks a kernel thread to end, waits until it has, and gives what its function returned; -EINTR
/// if it had never been woken. Sleeps.
///
/// # Safety
///
/// `t` is valid during the call: the caller has a reference, or the thread ends only when asked.
pub unsafe fn kthread_stop(t: *mut task_struct) -> c_int {
    // SAFETY: By the safety requirements; the reference keeps it so to the end of the call.
    unsafe {
        get_task_struct(t);
        let code = (*t).stop();
        put_task_struct(t);
        code
    }
}

/// True once somebody has called [`kthread_stop`] for the task that runs.
///
/// # Safety
///
/// None; unsafe as every binding is.
pub unsafe fn kthread_should_stop() -> bool {
    task::current().should_stop()
}

/// A point at which another processor could interfere, for code that shares memory without the
/// locks of this crate; on a virtual CPU another task may get the run token here.
///
/// # Safety
///
/// None; unsafe as every binding is.
#[doc(hidden)]
#[inline]
pub unsafe fn __point() {
    task::point();
}

/// Waits a moment for another processor, in a loop.
///
/// # Safety
///
/// None; unsafe as every binding is.
#[inline]
pub unsafe fn cpu_relax() {
    task::relax();
}
