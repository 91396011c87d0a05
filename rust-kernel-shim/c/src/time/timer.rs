// SPDX-License-Identifier: GPL-2.0-only
//! Timers: functions that are called when their time has come.
//!
//! C header: [`include/linux/timer.h`](srctree/include/linux/timer.h)
//!
//! A kernel thread sleeps until the next timer is due, and calls the functions as an interrupt
//! would: they must not sleep. It is created for the first timer and ends with the last, so
//! that a machine without timers has nothing to wait for. Time is virtual on a virtual CPU, and
//! real otherwise; the grain is a jiffy.

use crate::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use crate::{
    globals, jiffies, kthread_create, list_add_tail, list_del_init, list_empty, list_head,
    lock_class_key, sched::spinlock::Relax, schedule_timeout, serve_softirq, set_current_state,
    task_struct, wake_up_process, INIT_LIST_HEAD, TASK_UNINTERRUPTIBLE,
};
use core::ptr::{addr_of, addr_of_mut, null_mut};
use machine::task;
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// The function may be called with interrupts disabled.
pub const TIMER_IRQSAFE: c_uint = 0x0020_0000;

/// A function to be called at a time.
#[repr(C)]
pub struct timer_list {
    /// First, so that the link's address is the timer's.
    entry: list_head,
    /// When it is due, in jiffies.
    pub expires: c_ulong,
    function: Option<unsafe extern "C" fn(timer: *mut timer_list)>,
    flags: c_uint,
}

/// The timers of one machine.
pub(crate) struct Timers(SpinMutex<Inner, Relax>);

/// # Invariants
///
/// `alive` is true exactly while there is a thread that will look at the list again; `task` is
/// that thread, once it runs.
struct Inner {
    /// Timers, the next to be due first; null links until it is first used.
    list: list_head,
    alive: bool,
    task: *mut task_struct,
    /// Whose function is being called.
    running: *mut timer_list,
}

// SAFETY: All that the pointers lead to is used under the lock.
unsafe impl Send for Inner {}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self(SpinMutex::new(Inner {
            list: list_head::new(),
            alive: false,
            task: null_mut(),
            running: null_mut(),
        }))
    }

    /// Takes the lock; from any context. From the first call on the timers stay where they are.
    fn lock(&self) -> SpinMutexGuard<'_, Inner> {
        let mut inner = self.0.lock();
        if inner.list.next.is_null() {
            // SAFETY: Ours.
            unsafe { INIT_LIST_HEAD(addr_of_mut!(inner.list)) };
        }
        inner
    }
}

impl Inner {
    /// Puts the timer behind those that are not due later.
    ///
    /// # Safety
    ///
    /// The timer is initialised, and not pending.
    unsafe fn insert(&mut self, timer: *mut timer_list) {
        let head = addr_of_mut!(self.list);
        // SAFETY: By the safety requirements; what is on the list is valid.
        unsafe {
            let mut next = (*head).next;
            while next != head && !before((*timer).expires, (*next.cast::<timer_list>()).expires) {
                next = (*next).next;
            }
            list_add_tail(addr_of_mut!((*timer).entry), next);
        }
    }

    /// Takes the timer off the list; false if it is not there.
    ///
    /// # Safety
    ///
    /// The timer is initialised.
    unsafe fn remove(&mut self, timer: *mut timer_list) -> bool {
        // SAFETY: By the safety requirements; the list is ours.
        unsafe {
            let entry = addr_of_mut!((*timer).entry);
            let pending = !list_empty(entry);
            list_del_init(entry);
            pending
        }
    }

    /// Has the thread look at the list again.
    fn kick(&mut self) {
        // SAFETY: The thread does not end before it has said so under the lock, and one that
        // was just created not before it was woken.
        unsafe {
            if !self.alive {
                self.alive = true;
                let name = crate::as_char_ptr(c"timers");
                let task = kthread_create(timer_thread, null_mut(), name);
                // An error pointer is -ENOMEM.
                crate::BUG_ON!(task.addr().cast_signed() == -(crate::ENOMEM as isize));
                wake_up_process(task);
            } else if !self.task.is_null() {
                wake_up_process(self.task);
            }
        }
    }
}

/// True if `a` comes before `b`; C: `time_before()`.
fn before(a: c_ulong, b: c_ulong) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// # Safety
///
/// None; it is a thread's function.
unsafe extern "C" fn timer_thread(_data: *mut c_void) -> c_int {
    globals::with(|globals| {
        loop {
            let mut inner = globals.timers.lock();
            inner.task = core::ptr::from_ref(task::current()).cast_mut();
            let next = inner.list.next;
            if core::ptr::eq(next, addr_of!(inner.list)) {
                inner.alive = false;
                inner.task = null_mut();
                return;
            }
            let timer: *mut timer_list = next.cast();
            // SAFETY: On the list, so it is valid.
            let left = unsafe { (*timer).expires }
                // SAFETY: Nothing is asked for.
                .wrapping_sub(unsafe { jiffies() })
                .cast_signed();
            if left > 0 {
                // Before the lock is released, so that no wake-up is lost.
                // SAFETY: Nothing is asked for.
                unsafe { set_current_state(TASK_UNINTERRUPTIBLE) };
                drop(inner);
                // SAFETY: Nothing is asked for.
                unsafe { schedule_timeout(left.min(c_long::MAX - 1)) };
                continue;
            }
            inner.running = timer;
            // SAFETY: On the list, so it is valid.
            let function = unsafe {
                list_del_init(next);
                (*timer).function
            };
            drop(inner);
            if let Some(function) = function {
                // SAFETY: Who started the timer vouches for the function.
                serve_softirq(|| unsafe { function(timer) });
            }
            globals.timers.lock().running = null_mut();
        }
    });
    0
}

/// Makes `timer` one that calls `func`.
///
/// # Safety
///
/// `timer` is valid for writes; `name` is NUL-terminated and lives as long as the timer; `key` is
/// valid or null.
pub unsafe fn timer_init_key(
    timer: *mut timer_list,
    func: Option<unsafe extern "C" fn(timer: *mut timer_list)>,
    flags: c_uint,
    _name: *const c_char,
    _key: *mut lock_class_key,
) {
    // SAFETY: By the safety requirements.
    unsafe {
        timer.write(timer_list {
            entry: list_head::new(),
            expires: 0,
            function: func,
            flags,
        });
        INIT_LIST_HEAD(addr_of_mut!((*timer).entry));
    }
}

/// Starts a timer, which is due at its `expires`. From any context.
///
/// # Safety
///
/// `timer` is initialised, not pending, and stays valid until its function is called or it is
/// deleted; the function may be called by another thread.
pub unsafe fn add_timer(timer: *mut timer_list) {
    globals::with(|globals| {
        let mut inner = globals.timers.lock();
        // SAFETY: By the safety requirements.
        unsafe { inner.insert(timer) };
        inner.kick();
    });
}

/// Starts a timer, or changes when it is due: `expires`, in jiffies; 1 if it was pending. From
/// any context.
///
/// # Safety
///
/// As [`add_timer`], but it may be pending.
pub unsafe fn mod_timer(timer: *mut timer_list, expires: c_ulong) -> c_int {
    globals::with(|globals| {
        let mut inner = globals.timers.lock();
        // SAFETY: By the safety requirements; off the list it is ours.
        let pending = unsafe {
            let pending = inner.remove(timer);
            (*timer).expires = expires;
            inner.insert(timer);
            pending
        };
        inner.kick();
        pending.into()
    })
}

/// Stops a timer: 1 if it was pending. Its function may still be running. From any context.
///
/// # Safety
///
/// `timer` is initialised.
pub unsafe fn timer_delete(timer: *mut timer_list) -> c_int {
    globals::with(|globals| {
        let mut inner = globals.timers.lock();
        // SAFETY: By the safety requirements.
        let pending = unsafe { inner.remove(timer) };
        if pending {
            // Perhaps there is nothing left to wait for.
            inner.kick();
        }
        pending.into()
    })
}

/// As [`timer_delete`], and waits until the function is not running either.
///
/// # Safety
///
/// `timer` is initialised, and the caller is not its function.
pub unsafe fn timer_delete_sync(timer: *mut timer_list) -> c_int {
    // SAFETY: By the safety requirements.
    let pending = unsafe { timer_delete(timer) };
    while globals::with(|globals| core::ptr::eq(globals.timers.lock().running, timer)) {
        // SAFETY: Nothing is asked for.
        unsafe { crate::cpu_relax() };
    }
    pending
}

/// True while the timer waits for its time. From any context.
///
/// # Safety
///
/// `timer` is initialised.
pub unsafe fn timer_pending(timer: *const timer_list) -> bool {
    globals::with(|globals| {
        let _inner = globals.timers.lock();
        // SAFETY: By the safety requirements; under the lock the link does not change.
        unsafe { !list_empty(addr_of!((*timer).entry)) }
    })
}
