// SPDX-License-Identifier: GPL-2.0-only

//! Condition variables: waiting for a change to what a lock protects.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h).

use super::{
    lock::{Backend, Guard},
    LockClassKey,
};
use crate::{
    bindings,
    ffi::{c_int, c_long},
    implement::c_synchronises,
    str::{CStr, CStrExt as _},
    task::{
        MAX_SCHEDULE_TIMEOUT, TASK_FREEZABLE, TASK_INTERRUPTIBLE, TASK_NORMAL, TASK_UNINTERRUPTIBLE,
    },
    time::Jiffies,
    types::Opaque,
};
use core::{marker::PhantomPinned, pin::Pin};
use pin_init::{pin_data, pin_init, PinInit};

/// Initialises a [`CondVar`](crate::sync::CondVar); its name is the literal, or file and line.
#[macro_export]
macro_rules! new_condvar {
    ($($name:literal)?) => {
        $crate::sync::CondVar::new($crate::optional_name!($($name)?), $crate::static_lock_class!())
    };
}
pub use new_condvar;

/// A queue of tasks that wait to be notified of a change.
///
/// A waiter releases the lock while it sleeps; no notification in between is lost. Since wake-ups
/// may be spurious, check the condition in a loop.
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     sync::{new_condvar, new_mutex, Arc, CondVar, Mutex},
///     workqueue,
/// };
///
/// #[pin_data]
/// struct Mailbox {
///     #[pin]
///     letters: Mutex<u32>,
///     #[pin]
///     delivered: CondVar,
/// }
///
/// let mailbox = Arc::pin_init(
///     pin_init!(Mailbox {
///         letters <- new_mutex!(0),
///         delivered <- new_condvar!(),
///     }),
///     GFP_KERNEL,
/// )?;
///
/// let postman = mailbox.clone();
/// workqueue::system().try_spawn(GFP_KERNEL, move || {
///     *postman.letters.lock() += 1;
///     postman.delivered.notify_one();
/// })?;
///
/// let mut letters = mailbox.letters.lock();
/// while *letters == 0 {
///     mailbox.delivered.wait(&mut letters);
/// }
/// assert_eq!(*letters, 1);
/// # drop(letters);
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "wait_queue_head")]
#[pin_data]
pub struct CondVar {
    #[pin]
    wait_queue_head: Opaque<bindings::wait_queue_head>,

    /// The queue's list knows its own address.
    #[pin]
    _pin: PhantomPinned,
}

c_synchronises!(CondVar);

impl CondVar {
    /// A condition variable without waiters.
    #[doc(alias = "init_waitqueue_head")]
    pub fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        let name = name.as_char_ptr();
        pin_init!(Self {
            _pin: PhantomPinned,
            wait_queue_head <- Opaque::ffi_init(|slot| {
                // SAFETY: The memory is valid and pinned; name and key are static.
                unsafe { bindings::__init_waitqueue_head(slot, name, key.as_ptr()) }
            }),
        })
    }

    fn wait_internal<T: ?Sized, B: Backend>(
        &self,
        wait_state: c_int,
        guard: &mut Guard<'_, T, B>,
        timeout: c_long,
    ) -> c_long {
        let queue = self.wait_queue_head.get();
        let wait = Opaque::<bindings::wait_queue_entry>::uninit();

        // SAFETY: The entry is valid, and on this stack until it is off the queue.
        unsafe { bindings::init_wait(wait.get()) };
        // Before the lock is given back, so that no notification is lost.
        // SAFETY: Both are initialised, and the entry is ours.
        unsafe { bindings::prepare_to_wait_exclusive(queue, wait.get(), wait_state) };
        // SAFETY: `schedule_timeout()` has no preconditions.
        let left = guard.do_unlocked(|| unsafe { bindings::schedule_timeout(timeout) });
        // SAFETY: The entry was prepared above, and lives until this has taken it off the queue.
        unsafe { bindings::finish_wait(queue, wait.get()) };
        bindings::debug_fail_point();
        left
    }

    /// Waits to be notified, without the lock; sleeps, and no signal ends it.
    ///
    /// May also return for no reason.
    pub fn wait<T: ?Sized, B: Backend>(&self, guard: &mut Guard<'_, T, B>) {
        self.wait_internal(TASK_UNINTERRUPTIBLE, guard, MAX_SCHEDULE_TIMEOUT);
    }

    /// As [`Self::wait`], but a signal ends it: true if there is one.
    #[must_use = "a signal that is pending must be acted on"]
    pub fn wait_interruptible<T: ?Sized, B: Backend>(&self, guard: &mut Guard<'_, T, B>) -> bool {
        self.wait_internal(TASK_INTERRUPTIBLE, guard, MAX_SCHEDULE_TIMEOUT);
        crate::current!().signal_pending()
    }

    /// As [`Self::wait_interruptible`]; the task may be frozen, which here none is.
    #[must_use = "a signal that is pending must be acted on"]
    pub fn wait_interruptible_freezable<T: ?Sized, B: Backend>(
        &self,
        guard: &mut Guard<'_, T, B>,
    ) -> bool {
        let state = TASK_INTERRUPTIBLE | TASK_FREEZABLE;
        self.wait_internal(state, guard, MAX_SCHEDULE_TIMEOUT);
        crate::current!().signal_pending()
    }

    /// As [`Self::wait_interruptible`], for `jiffies` jiffies at most.
    #[must_use = "a signal that is pending must be acted on"]
    pub fn wait_interruptible_timeout<T: ?Sized, B: Backend>(
        &self,
        guard: &mut Guard<'_, T, B>,
        jiffies: Jiffies,
    ) -> CondVarTimeoutResult {
        let timeout = c_long::try_from(jiffies).unwrap_or(MAX_SCHEDULE_TIMEOUT);
        // CAST: What is left is never negative.
        let jiffies = self.wait_internal(TASK_INTERRUPTIBLE, guard, timeout) as Jiffies;
        if crate::current!().signal_pending() {
            CondVarTimeoutResult::Signal { jiffies }
        } else if jiffies == 0 {
            CondVarTimeoutResult::Timeout
        } else {
            CondVarTimeoutResult::Woken { jiffies }
        }
    }

    fn notify(&self, count: c_int) {
        let queue = self.wait_queue_head.get();
        // SAFETY: The queue is initialised.
        unsafe { bindings::__wake_up(queue, TASK_NORMAL, count, core::ptr::null_mut()) };
    }

    /// As [`Self::notify_one`], by a task that is about to sleep.
    #[doc(alias = "__wake_up_sync")]
    #[inline]
    pub fn notify_sync(&self) {
        // SAFETY: The queue is initialised.
        unsafe { bindings::__wake_up_sync(self.wait_queue_head.get(), TASK_NORMAL) };
    }

    /// Wakes the task that has waited longest, if any; in any context.
    #[doc(alias = "__wake_up")]
    #[inline]
    pub fn notify_one(&self) {
        self.notify(1);
    }

    /// Wakes all waiters, not those that come later; in any context.
    #[doc(alias = "__wake_up")]
    #[inline]
    pub fn notify_all(&self) {
        self.notify(0);
    }
}

/// The result of [`CondVar::wait_interruptible_timeout`].
pub enum CondVarTimeoutResult {
    /// The time is over.
    Timeout,
    /// A notification came.
    Woken {
        /// The time that was left.
        jiffies: Jiffies,
    },
    /// A signal came.
    Signal {
        /// The time that was left.
        jiffies: Jiffies,
    },
}
