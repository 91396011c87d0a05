// SPDX-License-Identifier: GPL-2.0-only
//! Tasks and how they sleep.
//!
//! C headers: [`include/linux/sched.h`](srctree/include/linux/sched.h),
//! [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use crate::ffi::{c_char, c_int, c_long, c_uint, c_void};
use crate::{
    debug_check_no_locks_held, jiffies,
    lockdep::slept,
    lockdep_others_go_on, may_sleep,
    workqueue::{wq_worker_running, wq_worker_sleeping},
    TICK_NSEC,
};
use machine::task;
#[cfg(feature = "debug")]
use {
    crate::{debug::splat::splat, lockdep_depth},
    machine::{blocked, cpu},
};

pub use machine::task::{
    task_struct, TASK_COMM_LEN, TASK_FREEZABLE, TASK_IDLE, TASK_INTERRUPTIBLE, TASK_NORMAL,
    TASK_RUNNING, TASK_UNINTERRUPTIBLE,
};

/// Number of a task.
pub type pid_t = c_int;

/// A timeout that never runs out.
pub const MAX_SCHEDULE_TIMEOUT: c_long = c_long::MAX;

/// A signal that has no meaning of its own.
pub const SIGUSR1: c_int = 10;

/// The task that runs; the pointer is valid while it does.
#[inline]
pub unsafe fn get_current() -> *mut task_struct {
    core::ptr::from_ref(task::current()).cast_mut()
}

/// Takes a reference.
pub unsafe fn get_task_struct(t: *mut task_struct) -> *mut task_struct {
    // SAFETY: `t` is valid: the caller's guarantee.
    unsafe { &*t }.get();
    t
}

/// Drops a reference.
///
/// # Safety
///
/// The caller owns one.
pub unsafe fn put_task_struct(t: *mut task_struct) {
    // SAFETY: The caller owns a reference: its guarantee.
    unsafe { task_struct::put(t) }
}

/// Sets the state of the current task, before it checks the condition that it waits for.
///
/// A full barrier follows the store; it pairs with the one in [`wake_up_state`], so that the task
/// sees the condition or the waker sees the state.
pub unsafe fn set_current_state(state: c_uint) {
    task::current().set_state(state);
}

/// As [`set_current_state`]; in C without the barrier, for when no order with the condition is
/// needed. Here it has the barrier as well.
pub unsafe fn __set_current_state(state: c_uint) {
    task::current().set_state(state);
}

/// Wakes the task if it is in one of the states `state`; 1 if it was. From any context.
///
/// A full barrier precedes the look at the state; it pairs with the one in [`set_current_state`].
pub unsafe fn wake_up_state(t: *mut task_struct, state: c_uint) -> c_int {
    // SAFETY: `t` is valid: the caller's guarantee.
    let woken = unsafe { &*t }.wake(state);
    lockdep_others_go_on();
    task::point();
    woken.into()
}

/// Wakes the task if it sleeps, or starts it; 1 if it did. From any context.
pub unsafe fn wake_up_process(t: *mut task_struct) -> c_int {
    // SAFETY: `t` is valid: the caller's guarantee.
    unsafe { wake_up_state(t, TASK_NORMAL) }
}

/// 1 if a signal was sent to the task.
pub unsafe fn signal_pending(t: *mut task_struct) -> c_int {
    // SAFETY: `t` is valid: the caller's guarantee.
    unsafe { &*t }.signal_pending().into()
}

/// Lets signals, all of which are one here, reach the current task, which ignores them otherwise.
pub unsafe fn allow_signal(_sig: c_int) {
    task::current().allow_signal();
}

/// Sends a signal, which interrupts an interruptible sleep. Returns 0.
pub unsafe fn send_sig(_sig: c_int, t: *mut task_struct, _priv: c_int) -> c_int {
    // SAFETY: `t` is valid: the caller's guarantee.
    unsafe { &*t }.send_signal();
    0
}

/// Reports, in a debug kernel, a task that sleeps where it must not, even if nothing that it called
/// on the way was marked by [`might_sleep`](crate::might_sleep).
#[track_caller]
fn schedule_debug() {
    #[cfg(feature = "debug")]
    {
        use crate::{debug::splat::splat, KERN_ERR};
        use machine::{cpu, location};

        let at = core::panic::Location::caller();
        crate::rcu_no_sleep(at);
        if cpu::with(cpu::Cpu::cannot_sleep) && !crate::sleep_breaks_a_rule() {
            let t = task::current();
            let comm = t.comm();
            let (pid, count) = (t.pid, cpu::with(cpu::Cpu::preempt_count));
            let culprit = location::culprit(at);
            splat(
                KERN_ERR,
                &location::entry(at),
                format_args!(
                    "BUG: scheduling while atomic: {comm}/{pid}/0x{count:08x} at {culprit}"
                ),
                format_args!(""),
            );
        }
    }
}

/// Sleeps until woken, or until `ns` nanoseconds have passed.
fn sleep(ns: Option<u128>) {
    let t = task::current();
    // A worker that blocks lets another one take its place.
    let worker = t.is_blocked() && wq_worker_sleeping();
    t.schedule(ns);
    slept();
    if worker {
        wq_worker_running();
    }
}

/// Sleeps until woken; returns at once if the state is [`TASK_RUNNING`].
#[track_caller]
pub unsafe fn schedule() {
    schedule_debug();
    sleep(None);
}

/// Sleeps until woken, or until `timeout` jiffies have passed. Returns the jiffies that are
/// left: 0 if none, and [`MAX_SCHEDULE_TIMEOUT`] if that was asked for.
#[track_caller]
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
    // SAFETY: `jiffies()` has no preconditions.
    let start = unsafe { jiffies() };
    sleep(Some(ticks as u128 * TICK_NSEC as u128));
    // SAFETY: `jiffies()` has no preconditions.
    let slept = unsafe { jiffies() }.wrapping_sub(start);
    c_long::try_from(ticks.saturating_sub(slept)).unwrap_or(c_long::MAX)
}

/// Creates a kernel thread, which starts with [`wake_up_process`]; the error pointer
/// -ENOMEM if the host has no thread for it. May sleep.
///
/// The pointer is valid until the thread ends, and longer for a caller that has taken a reference.
///
/// # Safety
///
/// `threadfn` may be called with `data` on another thread. `name` is NUL-terminated.
#[track_caller]
pub unsafe fn kthread_create(
    threadfn: unsafe extern "C" fn(data: *mut c_void) -> c_int,
    data: *mut c_void,
    name: *const c_char,
) -> *mut task_struct {
    may_sleep();
    // SAFETY: `name` is NUL-terminated: the caller's guarantee.
    let name = unsafe { crate::from_char_ptr(name) };
    // SAFETY: `threadfn` may be called with `data` on another thread: the caller's guarantee.
    let t = unsafe { task::spawn(threadfn, data, name.to_bytes(), debug_task_ends) };
    if t.is_null() {
        return crate::err_ptr(crate::ENOMEM);
    }
    t
}

/// Copies a task's name, with NULs behind it.
///
/// # Safety
///
/// `t` is valid, and `buf` for writes of `len` bytes, more than 0.
pub unsafe fn __get_task_comm(buf: *mut c_char, len: usize, t: *mut task_struct) {
    // SAFETY: The caller's guarantees.
    unsafe {
        let comm = (*t).comm().as_bytes();
        buf.write_bytes(0, len);
        let len = comm.len().min(len - 1);
        core::ptr::copy_nonoverlapping(comm.as_ptr(), buf.cast(), len);
    }
}

/// The calling task ends: a debug kernel says so if it forgot to release something.
pub fn debug_task_ends() {
    // What lockdep knows of, it reports.
    #[cfg(feature = "debug")]
    if lockdep_depth() == 0 && (cpu::with(cpu::Cpu::in_section) || blocked::holds_many() != 0) {
        let t = task::current();
        let (comm, pid) = (t.comm(), t.pid);
        splat(
            crate::KERN_ERR,
            "the end of a task",
            format_args!("BUG: task exits with a lock or in a section: {comm}[{pid}]"),
            format_args!(""),
        );
    }
    debug_check_no_locks_held();
}

/// Asks a kernel thread to end, waits until it has, and returns what its function did; -EINTR
/// if it had never been woken. May sleep.
///
/// # Safety
///
/// `t` is valid during the call: the caller has a reference, or the thread ends only when asked.
#[track_caller]
pub unsafe fn kthread_stop(t: *mut task_struct) -> c_int {
    may_sleep();
    // SAFETY: `t` is valid: the caller's guarantee. The reference keeps it so to the end of the
    // call.
    unsafe {
        get_task_struct(t);
        let code = (*t).stop();
        put_task_struct(t);
        code
    }
}

/// True once [`kthread_stop`] was called for the task that runs.
pub unsafe fn kthread_should_stop() -> bool {
    task::current().should_stop()
}

/// Hint in a busy-wait loop: lets another CPU get on.
#[inline]
pub unsafe fn cpu_relax() {
    task::relax();
}
