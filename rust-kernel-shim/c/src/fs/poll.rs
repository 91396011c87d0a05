// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for a file to become ready.
//!
//! C headers: [`include/linux/poll.h`](srctree/include/linux/poll.h),
//! [`include/uapi/linux/eventpoll.h`](srctree/include/uapi/linux/eventpoll.h)

use super::file::{file, vfs_poll};
use crate::{
    ffi::{c_long, c_uint},
    finish_wait, get_current, init_wait, prepare_to_wait, schedule_timeout, set_current_state,
    signal_pending, wait_queue_entry, wait_queue_head, EINTR, TASK_INTERRUPTIBLE, TASK_RUNNING,
};
use core::{
    mem::{offset_of, MaybeUninit},
    ptr::{addr_of_mut, null_mut},
};

/// What is ready, a bit each.
pub type __poll_t = c_uint;

/// It can be read.
pub const EPOLLIN: __poll_t = 0x1;
/// It can be written.
pub const EPOLLOUT: __poll_t = 0x4;
/// It has failed.
pub const EPOLLERR: __poll_t = 0x8;
/// It is no longer there.
pub const EPOLLHUP: __poll_t = 0x10;
/// It can be read.
pub const EPOLLRDNORM: __poll_t = 0x40;
/// It can be written.
pub const EPOLLWRNORM: __poll_t = 0x100;

/// What is ready of a file that cannot say so.
pub const DEFAULT_POLLMASK: __poll_t = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;

/// C: `poll_queue_proc`.
pub type poll_queue_proc = Option<
    unsafe extern "C" fn(file: *mut file, wq: *mut wait_queue_head, table: *mut poll_table_struct),
>;

/// Told where to wait.
#[repr(C)]
pub struct poll_table_struct {
    /// Called with each queue.
    pub _qproc: poll_queue_proc,
    /// What is waited for.
    pub _key: __poll_t,
}

/// C: `poll_table`.
pub type poll_table = poll_table_struct;

/// Says that `wq` is woken when the file may have become ready.
///
/// # Safety
///
/// `wq` is initialised and lives as long as the file; `table` is valid or null.
pub unsafe fn poll_wait(file: *mut file, wq: *mut wait_queue_head, table: *mut poll_table) {
    // SAFETY: The caller's guarantees.
    unsafe {
        if let Some(qproc) = table.as_ref().and_then(|table| table._qproc) {
            qproc(file, wq, table);
            // Queued before what is ready is looked at; `wake_up()` has the other half.
            crate::smp_mb();
        }
    }
}

/// The number of queues on which a file has its pollers wait, at most.
const QUEUES: usize = 4;

/// One task that polls.
#[repr(C)]
struct poll_wqueues {
    pt: poll_table,
    entries: [MaybeUninit<wait_queue_entry>; QUEUES],
    /// The queue of each entry; null if it is not used.
    queues: [*mut wait_queue_head; QUEUES],
}

/// Queues the task on one more queue, or once more on one that has woken it.
///
/// # Safety
///
/// `table` is that of a `poll_wqueues`, and `wq` is initialised.
unsafe extern "C" fn pollwait(_file: *mut file, wq: *mut wait_queue_head, table: *mut poll_table) {
    // SAFETY: The caller's guarantees: `all` is the task's own. No reference is made to the
    // entries, which others reach by their links.
    unsafe {
        let all: *mut poll_wqueues = table.byte_sub(offset_of!(poll_wqueues, pt)).cast();
        let queues = (*all).queues;
        let Some(at) = queues.iter().position(|&q| q == wq || q.is_null()) else {
            crate::WARN!(true, "poll: more than {QUEUES} queues");
            return;
        };
        let entry = addr_of_mut!((*all).entries[at]).cast();
        if queues[at].is_null() {
            init_wait(entry);
            (*all).queues[at] = wq;
        }
        prepare_to_wait(wq, entry, TASK_INTERRUPTIBLE.cast_signed());
    }
}

/// Waits until one of `events` is ready, or the file has failed, or `timeout` jiffies are over:
/// what is ready of these, 0 after the time, -EINTR. May sleep.
///
/// C: `do_poll()`, for one file.
///
/// # Safety
///
/// The caller has a reference.
#[track_caller]
pub unsafe fn debug_poll(file: *mut file, events: __poll_t, timeout: c_long) -> c_long {
    let events = events | EPOLLERR | EPOLLHUP;
    let mut all = poll_wqueues {
        pt: poll_table {
            _qproc: if timeout == 0 { None } else { Some(pollwait) },
            _key: events,
        },
        entries: [const { MaybeUninit::uninit() }; QUEUES],
        queues: [null_mut(); QUEUES],
    };
    let mut left = timeout;
    let all = addr_of_mut!(all);
    // SAFETY: The caller has a reference. The entries are off their queues at the end.
    unsafe {
        let table = all.byte_add(offset_of!(poll_wqueues, pt)).cast();
        let result = loop {
            set_current_state(TASK_INTERRUPTIBLE);
            let mask = vfs_poll(file, table) & events;
            if mask != 0 || left == 0 {
                break mask as c_long;
            }
            if signal_pending(get_current()) != 0 {
                break -(EINTR as c_long);
            }
            left = schedule_timeout(left);
        };
        for (at, wq) in (*all).queues.into_iter().enumerate() {
            if !wq.is_null() {
                finish_wait(wq, addr_of_mut!((*all).entries[at]).cast());
            }
        }
        set_current_state(TASK_RUNNING);
        result
    }
}
