// SPDX-License-Identifier: GPL-2.0-only
//! Tasks of a test, and the ways to run its body.

use super::{explore, vcpu};
use crate::{
    alloc::{flags::GFP_KERNEL, KBox},
    bindings,
    error::from_err_ptr,
    ffi::{c_int, c_void},
    str::CStrExt as _,
    sync::aref::ARef,
    task::Task,
};
use machine::explore::shared;

/// Sets how long a task that runs freely may be blocked, uninterruptibly or at a spinlock, before the
/// log of a debug kernel names it (ns); 120 seconds at first, 0 for never. Returns what it was.
#[doc(alias = "hung_task_timeout_secs")]
pub fn set_hung_task_timeout(ns: u64) -> u64 {
    machine::blocked::set_hung_task_timeout(ns)
}

pub use bindings::LockdepMode as Lockdep;

/// Sets what lockdep looks at in this machine from now on; at first that is what `FENCE_LOCKDEP` of the
/// environment says, `off`, `kernel` or `strict`, or else the last. Without a word in a production kernel.
///
/// Not while locks are held: of one that was taken while lockdep was off it is reported that it is
/// released, and one that is released then may stay held for it.
///
/// # Examples
///
/// ```
/// use kernel::testing::{set_lockdep, vcpu, Lockdep};
///
/// vcpu::fifo(|| {
///     set_lockdep(Lockdep::Kernel);
///     // Here only what Linux looks at as well is looked at.
/// })?;
/// # Ok::<(), vcpu::Stuck>(())
/// ```
pub fn set_lockdep(mode: Lockdep) {
    bindings::lockdep_set_mode(mode);
}

/// Starts a task that runs `body`. May sleep.
///
/// If `body` panics, the machine ends, and [`fifo`](vcpu::fifo()) or [`explore()`] panics in its
/// place; where threads run freely, the caller panics at its next call of the kernel that may.
///
/// # Panics
///
/// If there is no memory, or no thread.
#[track_caller]
pub fn spawn<F: FnOnce() + Send + 'static>(body: F) -> ARef<Task> {
    /// # Safety
    ///
    /// `body` is a [`KBox`] of an `F`, which this function owns.
    unsafe extern "C" fn run<F: FnOnce()>(body: *mut c_void) -> c_int {
        // SAFETY: The box is this function's: the caller's guarantee.
        let body = KBox::into_inner(unsafe { KBox::<F>::from_raw(body.cast()) });
        bindings::driver_code("a task", body);
        0
    }
    let body = KBox::new(body, GFP_KERNEL).expect("there is memory");
    // SAFETY: The box is the thread's, which may have it since it is `Send`.
    let task = unsafe {
        bindings::kthread_create(run::<F>, KBox::into_raw(body).cast(), c"test".as_char_ptr())
    };
    let task = from_err_ptr(task).expect("there is a thread");
    // SAFETY: A thread that has not been woken is valid; the type is transparent.
    let task: ARef<Task> = unsafe { &*task.cast::<Task>() }.into();
    task.wake_up();
    task
}

/// Runs `body` on this thread as it is, on a virtual CPU, and under many schedules.
///
/// # Panics
///
/// As [`fifo`](vcpu::fifo()) and [`explore()`], or if the virtual CPU comes to no end.
#[track_caller]
pub fn everywhere(body: impl Fn() + Send + Sync + 'static) {
    body();
    let body = shared(body);
    assert_eq!(vcpu::fifo(body.clone()), Ok(()));
    explore(body);
}
