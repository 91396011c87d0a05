// SPDX-License-Identifier: GPL-2.0-only
//! Sleeping locks.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h)

use crate::ffi::{c_char, c_int, c_uint};
use crate::{
    __wake_up, init_waitqueue_head, lock_class_key,
    lockdep::{dep_map, for_a_mutex, How, What},
    may_sleep, wait_event, wait_queue_head, MAX_SCHEDULE_TIMEOUT, TASK_NORMAL, WQ_FLAG_EXCLUSIVE,
};
use core::{
    panic::Location,
    ptr::{addr_of_mut, null_mut},
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};
use machine::{
    atomic::AtomicBool,
    blocked::{self, Thing},
};

/// A lock that sleeps while it waits.
#[repr(C)]
pub struct mutex {
    locked: AtomicBool,
    dep_map: dep_map,
    wait: wait_queue_head,
}

/// Makes `lock` an unlocked lock.
pub unsafe fn __mutex_init(lock: *mut mutex, name: *const c_char, key: *mut lock_class_key) {
    // SAFETY: `lock` is valid for writes, and the name lives forever: the caller's guarantees.
    unsafe {
        blocked::name_lock(lock.addr(), name.cast());
        addr_of_mut!((*lock).locked).write(AtomicBool::new(false));
        addr_of_mut!((*lock).dep_map).write(dep_map::named(name, key, What::Mutex));
        init_waitqueue_head(addr_of_mut!((*lock).wait));
    }
}

/// The lock, for what a debug kernel knows of tasks.
fn known(lock: *mut mutex) -> Thing {
    Thing::lock("mutex", lock.addr())
}

/// Takes the lock if it is free: 1 if it was. Not from interrupt context.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn mutex_trylock(lock: *mut mutex) -> c_int {
    let at = Location::caller();
    // SAFETY: `lock` is initialised: the caller's guarantee.
    let acquired = unsafe { acquire(lock, at) };
    if acquired {
        // SAFETY: `lock` is initialised: the caller's guarantee.
        unsafe { &(*lock).dep_map }.acquire(lock.addr(), What::Mutex, How::TRYLOCK, at);
    }
    acquired.into()
}

/// As [`mutex_trylock`], called from there.
unsafe fn acquire(lock: *mut mutex, at: &'static Location<'static>) -> bool {
    // `Acquire`: pairs with the `Release` in `mutex_unlock`.
    // SAFETY: `lock` is initialised: the caller's guarantee.
    let acquired = !unsafe { &(*lock).locked }.swap(true, Acquire);
    if acquired {
        blocked::acquired(known(lock), at);
    }
    acquired
}

/// Takes the lock. May sleep.
///
/// # Safety
///
/// `lock` is initialised, and the task does not hold it.
#[track_caller]
pub unsafe fn mutex_lock(lock: *mut mutex) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { mutex_lock_nested(lock, 0) }
}

/// As [`mutex_lock`], where a lock of the same class may be held, of another `subclass`.
///
/// # Safety
///
/// As [`mutex_lock`].
#[track_caller]
pub unsafe fn mutex_lock_nested(lock: *mut mutex, subclass: c_uint) {
    let at = Location::caller();
    // CAST: There are eight subclasses.
    let how = How::sleeping(may_sleep(), subclass as u8);
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { &(*lock).dep_map }.acquire(lock.addr(), What::Mutex, how, at);
    // SAFETY: `lock` is initialised: the caller's guarantee.
    if unsafe { acquire(lock, at) } {
        return;
    }
    let _waits = blocked::waiting(known(lock));
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe {
        let (wait, taken) = (addr_of_mut!((*lock).wait), || acquire(lock, at));
        for_a_mutex(|| wait_event(wait, WQ_FLAG_EXCLUSIVE, MAX_SCHEDULE_TIMEOUT, taken));
    }
}

/// Releases the lock.
///
/// # Safety
///
/// The task holds the lock.
pub unsafe fn mutex_unlock(lock: *mut mutex) {
    // SAFETY: `lock` is initialised, and the task holds it: the caller's guarantee.
    unsafe {
        (*lock).dep_map.release(lock.addr(), What::Mutex);
        blocked::released(known(lock).id);
        // Pairs with the `Acquire` in `mutex_trylock`.
        (*lock).locked.store(false, Release);
        for_a_mutex(|| __wake_up(addr_of_mut!((*lock).wait), TASK_NORMAL, 1, null_mut()));
    }
}

/// Warns if the lock is free; a debug kernel's check.
pub unsafe fn mutex_assert_is_held(lock: *mut mutex) {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    crate::WARN_ON!(cfg!(feature = "debug") && !unsafe { &(*lock).locked }.load(Relaxed));
}
