// SPDX-License-Identifier: GPL-2.0-only

//! Tasks: the threads of the kernel.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h).

use crate::{
    bindings,
    ffi::{c_int, c_long, c_uint},
    sync::aref::AlwaysRefCounted,
    types::{NotThreadSafe, Opaque},
};
use core::{ops::Deref, ptr::NonNull};

/// A timeout, in jiffies, that never ends.
pub const MAX_SCHEDULE_TIMEOUT: c_long = c_long::MAX;

// CAST: The states are small; C has them unsigned, its functions signed.

/// Asleep; a signal wakes it.
pub const TASK_INTERRUPTIBLE: c_int = bindings::TASK_INTERRUPTIBLE as c_int;

/// Asleep; signals wait.
pub const TASK_UNINTERRUPTIBLE: c_int = bindings::TASK_UNINTERRUPTIBLE as c_int;

/// Added to the others: may be frozen while asleep.
pub const TASK_FREEZABLE: c_int = bindings::TASK_FREEZABLE as c_int;

/// Asleep in either way, for its waker.
pub const TASK_NORMAL: c_uint = bindings::TASK_NORMAL as c_uint;

/// The current task.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::aref::ARef, task::Task};
///
/// let task: ARef<Task> = (&**current!()).into();
/// assert_eq!(task.pid(), current!().pid());
/// ```
#[doc(alias = "get_current")]
#[macro_export]
macro_rules! current {
    () => {
        // SAFETY: The reference is a temporary of the expression it is in,
        // and so does not outlive this task's time on the processor.
        unsafe { &*$crate::task::Task::current() }
    };
}

/// A task, which may have ended.
///
/// # Invariants
///
/// The task has a reference count, and is valid while that is not zero.
#[doc(alias = "task_struct")]
#[repr(transparent)]
pub struct Task(pub(crate) Opaque<bindings::task_struct>);

// SAFETY: By the invariant, any thread can drop a reference to a task.
unsafe impl Send for Task {}

// SAFETY: What can be done by reference is synchronised by C, or constant.
unsafe impl Sync for Task {}

/// The current task.
///
/// Having a reference to one tells you that this is its thread.
#[repr(transparent)]
pub struct CurrentTask(Task, NotThreadSafe);

impl Deref for CurrentTask {
    type Target = Task;

    #[inline]
    fn deref(&self) -> &Task {
        &self.0
    }
}

/// The number of a task.
pub type Pid = bindings::pid_t;

impl Task {
    /// Returns C's pointer to the current task.
    #[inline]
    pub fn current_raw() -> *mut bindings::task_struct {
        // SAFETY: There always is one.
        unsafe { bindings::get_current() }
    }

    /// Returns the current task; called by [`current!`](crate::current).
    ///
    /// # Safety
    ///
    /// The reference is not used by another task, nor once this one has ended.
    #[inline]
    pub unsafe fn current() -> impl Deref<Target = CurrentTask> {
        struct Current(*const CurrentTask);

        impl Deref for Current {
            type Target = CurrentTask;

            fn deref(&self) -> &CurrentTask {
                // SAFETY: A task is valid while it runs; no other uses this, as the caller says.
                unsafe { &*self.0 }
            }
        }

        Current(Task::current_raw().cast())
    }

    /// Returns C's pointer to the task.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::task_struct {
        self.0.get()
    }

    /// Returns the task's number.
    pub fn pid(&self) -> Pid {
        // SAFETY: The task is valid, and its number never changes.
        unsafe { (*self.as_ptr()).pid }
    }

    /// Returns the number of the task's process.
    pub fn tgid(&self) -> Pid {
        // SAFETY: The task is valid, and its process never changes.
        unsafe { (*self.as_ptr()).tgid }
    }

    /// Returns whether a signal is pending for the task.
    #[inline]
    pub fn signal_pending(&self) -> bool {
        // SAFETY: The task is valid.
        unsafe { bindings::signal_pending(self.as_ptr()) != 0 }
    }

    /// Wakes the task if it sleeps; in any context.
    #[doc(alias = "wake_up_process")]
    #[inline]
    pub fn wake_up(&self) {
        // SAFETY: The task is valid.
        unsafe { bindings::wake_up_process(self.as_ptr()) };
    }
}

// SAFETY: The functions count as their names say.
unsafe impl AlwaysRefCounted for Task {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: The task is valid.
        unsafe { bindings::get_task_struct(self.as_ptr()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller owns a reference: its guarantee.
        unsafe { bindings::put_task_struct(obj.cast().as_ptr()) };
    }
}

impl PartialEq for Task {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }
}

impl Eq for Task {}

/// Marks code that may sleep, which a debug kernel checks.
///
/// A report names the caller.
#[track_caller]
#[inline]
pub fn might_sleep() {
    #[cfg(feature = "debug")]
    {
        use crate::str::CStrExt as _;

        let caller = core::panic::Location::caller();
        let file = crate::file_from_location(caller).as_char_ptr();
        // CAST: No file has that many lines.
        let line = caller.line() as c_int;
        // SAFETY: The name is a C string that lasts.
        unsafe { bindings::__might_sleep(file, line) };
    }
}
