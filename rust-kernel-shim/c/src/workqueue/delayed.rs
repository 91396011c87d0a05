// SPDX-License-Identifier: GPL-2.0-only
//! Work that is queued when its time has come.
//!
//! C file mirrored: [`kernel/workqueue.c`](srctree/kernel/workqueue.c)

use super::{
    super::{debug::active, globals, jiffies, may_sleep, mod_timer, timer_delete, timer_list},
    enable_work,
    flush::{disable, wait_until_not_running},
    flush_work, queue_work_on, work_struct, workqueue_struct, PENDING,
};
use crate::{
    container_of,
    ffi::{c_int, c_ulong},
    lockdep_others_go_on,
};
use core::ptr::addr_of_mut;
use machine::task;

/// Work with a timer.
#[repr(C)]
pub struct delayed_work {
    /// The work that is queued when the timer expires.
    pub work: work_struct,
    /// Initialised by `timer_init_key()` with [`delayed_work_timer_fn`].
    pub timer: timer_list,
    wq: *mut workqueue_struct,
    cpu: c_int,
}

/// Queues the work whose time has come.
///
/// # Safety
///
/// `t` is the timer of a [`delayed_work`] that [`queue_delayed_work_on`] started.
pub unsafe extern "C" fn delayed_work_timer_fn(t: *mut timer_list) {
    globals::with(|globals| {
        let mut inner = globals.pools.lock();
        // SAFETY: The caller says that `t` is that of a delayed work, pending and on no list.
        unsafe {
            let dwork = container_of!(t, delayed_work, timer);
            inner.push((*dwork).wq, addr_of_mut!((*dwork).work));
        }
        globals.pools.kick(&mut inner);
    });
}

/// Queues the work after `delay` jiffies; false if it is pending or disabled. From any context.
///
/// # Safety
///
/// As [`queue_work_on`]; the timer is initialised too.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn queue_delayed_work_on(
    cpu: c_int,
    wq: *mut workqueue_struct,
    dwork: *mut delayed_work,
    delay: c_ulong,
) -> bool {
    // SAFETY: The caller's guarantees are those of `queue_work_on()`. Claimed work is ours.
    unsafe {
        let work = addr_of_mut!((*dwork).work);
        if delay == 0 {
            return queue_work_on(cpu, wq, work);
        }
        let since = active::since(&active::WORK);
        lockdep_others_go_on();
        globals::with(|globals| {
            // Under the lock, so that a task that finds it pending finds it with a timer, too.
            let _inner = globals.pools.lock();
            if !(*work).claim() {
                return false;
            }
            (*dwork).wq = wq;
            (*dwork).cpu = cpu;
            active::activated(work.expose_provenance(), since);
            let timer = addr_of_mut!((*dwork).timer);
            mod_timer(timer, jiffies().wrapping_add(delay));
            active::is_delayed(timer.addr());
            true
        })
    }
}

/// Cancels the work: true if it was pending. It may still be running. From any context.
pub unsafe fn cancel_delayed_work(dwork: *mut delayed_work) -> bool {
    // SAFETY: `dwork` is initialised: the caller's guarantee.
    let work = unsafe { addr_of_mut!((*dwork).work) };
    loop {
        let outcome = globals::with(|globals| {
            let mut inner = globals.pools.lock();
            // SAFETY: The caller says that `dwork` is initialised. What the timer had is ours.
            unsafe {
                if inner.remove(work) {
                    globals.pools.wake_flushers(&mut inner);
                    return Some(true);
                }
                if timer_delete(addr_of_mut!((*dwork).timer)) != 0 {
                    (*work).release();
                    return Some(true);
                }
                // If it is pending, its timer function is about to queue it.
                (!(*work).has(PENDING)).then_some(false)
            }
        });
        if let Some(cancelled) = outcome {
            return cancelled;
        }
        task::relax();
    }
}

/// As [`cancel_delayed_work`], and waits until it is not running either; meanwhile it cannot be
/// queued, by itself neither. May sleep.
///
/// # Safety
///
/// `dwork` is initialised, and not that of the caller.
#[track_caller]
pub unsafe fn cancel_delayed_work_sync(dwork: *mut delayed_work) -> bool {
    may_sleep();
    // SAFETY: `dwork` is initialised, and not the caller's own: its guarantee.
    unsafe {
        let work = addr_of_mut!((*dwork).work);
        disable(work);
        let cancelled = cancel_delayed_work(dwork);
        wait_until_not_running(work);
        enable_work(work);
        cancelled
    }
}

/// Queues the work at once if it waits for its time, and waits until it was run; false if there
/// is nothing to wait for. May sleep.
///
/// # Safety
///
/// As [`cancel_delayed_work_sync`].
#[track_caller]
pub unsafe fn flush_delayed_work(dwork: *mut delayed_work) -> bool {
    may_sleep();
    // SAFETY: `dwork` is initialised, and not the caller's own: its guarantee. A timer that is
    // deleted does not queue the work; this does.
    unsafe {
        let timer = addr_of_mut!((*dwork).timer);
        if timer_delete(timer) != 0 {
            delayed_work_timer_fn(timer);
        }
        flush_work(addr_of_mut!((*dwork).work))
    }
}
