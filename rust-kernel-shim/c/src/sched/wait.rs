// SPDX-License-Identifier: GPL-2.0-only
//! Wait queues.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use crate::ffi::{c_char, c_int, c_long, c_uint, c_void};
use crate::{
    __spin_lock_init, get_current, list_add, list_add_tail, list_del_init, list_empty, list_head,
    lock_class_key, lockdep_others_go_on, schedule_timeout, spin_lock_irqsave,
    spin_unlock_irqrestore, spinlock_t, task_struct, wake_up_state, INIT_LIST_HEAD, TASK_NORMAL,
    TASK_RUNNING, TASK_UNINTERRUPTIBLE,
};
use core::{
    mem::MaybeUninit,
    ptr::{addr_of_mut, null, null_mut},
};
use machine::{
    blocked::{self, Thing},
    task,
};

/// Tasks that wait for something.
#[repr(C)]
pub struct wait_queue_head {
    pub(crate) lock: spinlock_t,
    head: list_head,
}

/// One task in a [`wait_queue_head`].
#[repr(C)]
pub struct wait_queue_entry {
    /// First, so that the link's address is the entry's.
    entry: list_head,
    task: *mut task_struct,
    flags: c_uint,
}

/// In an entry's flags: a wake-up wakes only as many of these as it says.
pub(crate) const WQ_FLAG_EXCLUSIVE: c_uint = 1;

/// Makes `wq` an empty queue.
pub unsafe fn init_waitqueue_head(wq: *mut wait_queue_head) {
    // SAFETY: `wq` is valid for writes: the caller's guarantee. Null is no name and no class.
    unsafe { __init_waitqueue_head(wq, null(), null_mut()) };
}

/// As [`init_waitqueue_head`], with a name and a class for the lock.
pub unsafe fn __init_waitqueue_head(
    wq: *mut wait_queue_head,
    name: *const c_char,
    key: *mut lock_class_key,
) {
    // SAFETY: `wq` is valid for writes, and name and key are as a lock's: the caller's guarantee.
    unsafe {
        __spin_lock_init(addr_of_mut!((*wq).lock), name, key);
        INIT_LIST_HEAD(addr_of_mut!((*wq).head));
    }
}

/// Initialises `entry` for the current task.
pub unsafe fn init_wait(entry: *mut wait_queue_entry) {
    // SAFETY: `entry` is valid for writes: the caller's guarantee.
    unsafe {
        (*entry).task = get_current();
        (*entry).flags = 0;
        INIT_LIST_HEAD(addr_of_mut!((*entry).entry));
    }
}

/// Queues `entry` if it is not queued, and sets the task's state. Call before looking at the
/// condition. Every wake-up of the queue wakes the task.
///
/// # Safety
///
/// Both are initialised; `entry` is the caller's own.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn prepare_to_wait(
    wq: *mut wait_queue_head,
    entry: *mut wait_queue_entry,
    state: c_int,
) {
    blocked::begin_wait(known(wq));
    // SAFETY: The caller's guarantees are the same.
    unsafe { prepare(wq, entry, state, 0) };
}

/// As [`prepare_to_wait`], in the order of arrival; a wake-up wakes only as many of these as it
/// says. True if the queue was empty.
///
/// # Safety
///
/// As [`prepare_to_wait`].
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn prepare_to_wait_exclusive(
    wq: *mut wait_queue_head,
    entry: *mut wait_queue_entry,
    state: c_int,
) -> bool {
    blocked::begin_wait(known(wq));
    // SAFETY: The caller's guarantees are the same.
    unsafe { prepare(wq, entry, state, WQ_FLAG_EXCLUSIVE) }
}

/// The queue, for what a debug kernel knows of tasks.
fn known(wq: *mut wait_queue_head) -> Thing {
    Thing::queue("a wake-up of wait queue", wq.addr())
}

/// # Safety
///
/// As [`prepare_to_wait`].
unsafe fn prepare(
    wq: *mut wait_queue_head,
    entry: *mut wait_queue_entry,
    state: c_int,
    flag: c_uint,
) -> bool {
    // SAFETY: The caller says that both are initialised, and `entry` its own. The lock is held.
    unsafe {
        let (link, head) = (addr_of_mut!((*entry).entry), addr_of_mut!((*wq).head));
        let flags = spin_lock_irqsave(addr_of_mut!((*wq).lock));
        (*entry).flags = (*entry).flags & !WQ_FLAG_EXCLUSIVE | flag;
        let first = list_empty(link) && list_empty(head);
        // Those that every wake-up wakes come first, for it stops at the last one that it may wake.
        match list_empty(link) {
            true if flag == 0 => list_add(link, head),
            true => list_add_tail(link, head),
            false => {}
        }
        task::current().set_state(state.cast_unsigned());
        spin_unlock_irqrestore(addr_of_mut!((*wq).lock), flags);
        first
    }
}

/// Waits until `condition` holds, which is checked after each wake-up; at most `left` jiffies, of
/// which it returns what is left, at least 1, or 0 if it does not hold. May sleep.
///
/// C: `___wait_event()`. An exclusive waiter has [`WQ_FLAG_EXCLUSIVE`] as its `flag`, others 0.
#[track_caller]
pub(crate) unsafe fn wait_event(
    wq: *mut wait_queue_head,
    flag: c_uint,
    mut left: c_long,
    condition: impl Fn() -> bool,
) -> c_long {
    let mut entry = MaybeUninit::<wait_queue_entry>::uninit();
    let entry = entry.as_mut_ptr();
    // SAFETY: The caller says that `wq` is initialised. The entry is off the queue at the end.
    unsafe {
        init_wait(entry);
        loop {
            prepare(wq, entry, TASK_UNINTERRUPTIBLE.cast_signed(), flag);
            if condition() {
                left = left.max(1);
                break;
            }
            if left == 0 {
                break;
            }
            left = schedule_timeout(left);
        }
        finish_wait(wq, entry);
    }
    left
}

/// Takes `entry` off the queue and makes the task runnable again.
///
/// # Safety
///
/// As [`prepare_to_wait`].
pub unsafe fn finish_wait(wq: *mut wait_queue_head, entry: *mut wait_queue_entry) {
    blocked::end_wait(known(wq).id);
    task::current().set_state(TASK_RUNNING);
    // SAFETY: The caller says that both are initialised, and `entry` its own. The lock is held.
    unsafe {
        let flags = spin_lock_irqsave(addr_of_mut!((*wq).lock));
        list_del_init(addr_of_mut!((*entry).entry));
        spin_unlock_irqrestore(addr_of_mut!((*wq).lock), flags);
    }
}

/// Wakes the tasks that are in one of the states `state`, but of the exclusive ones only `nr`,
/// or all if `nr` is 0, and takes them off the queue.
///
/// # Safety
///
/// `wq` is initialised, and the caller holds its lock.
pub(crate) unsafe fn wake_locked(wq: *mut wait_queue_head, state: c_uint, nr: c_int) {
    // SAFETY: `wq` is initialised: the caller's guarantee.
    let head = unsafe { addr_of_mut!((*wq).head) };
    let mut woken = 0;
    // SAFETY: The caller holds the lock. An entry and its task live while the entry is on the list.
    unsafe {
        let mut link = (*head).next;
        while link != head && (nr == 0 || woken < nr) {
            let next = (*link).next;
            let entry: *mut wait_queue_entry = link.cast();
            let (task, exclusive) = ((*entry).task, (*entry).flags & WQ_FLAG_EXCLUSIVE);
            // Off the list first: once it is woken the entry may be freed.
            list_del_init(link);
            woken += wake_up_state(task, state) * exclusive.cast_signed();
            link = next;
        }
    }
}

/// Wakes the tasks that are in one of the states `state`, but of the exclusive ones only `nr`, or
/// all if `nr` is 0, and takes them off the queue. `key` is for queues with functions of their
/// own, of which there are none. From any context.
pub unsafe fn __wake_up(wq: *mut wait_queue_head, state: c_uint, nr: c_int, _key: *mut c_void) {
    // Who comes later finds the condition.
    lockdep_others_go_on();
    // SAFETY: `wq` is initialised: the caller's guarantee. It is changed under its lock.
    unsafe {
        let flags = spin_lock_irqsave(addr_of_mut!((*wq).lock));
        wake_locked(wq, state, nr);
        spin_unlock_irqrestore(addr_of_mut!((*wq).lock), flags);
    }
}

/// As [`__wake_up`] for one exclusive task, by a task that is about to sleep. From any context.
pub unsafe fn __wake_up_sync(wq: *mut wait_queue_head, state: c_uint) {
    // SAFETY: `wq` is initialised: the caller's guarantee.
    unsafe { __wake_up(wq, state, 1, null_mut()) }
}

/// Wakes all tasks of the queue. From any context.
pub unsafe fn wake_up_all(wq: *mut wait_queue_head) {
    // SAFETY: `wq` is initialised: the caller's guarantee.
    unsafe { __wake_up(wq, TASK_NORMAL, 0, null_mut()) }
}
