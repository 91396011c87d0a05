// SPDX-License-Identifier: GPL-2.0-only
//! Sleeping locks.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h)

use crate::ffi::{c_char, c_int};
use crate::{
    __wake_up, finish_wait, init_wait, init_waitqueue_head, lock_class_key, might_sleep,
    prepare_to_wait_exclusive, schedule, wait_queue_entry, wait_queue_head, TASK_NORMAL,
    TASK_UNINTERRUPTIBLE,
};
use core::{
    mem::MaybeUninit,
    ptr::{addr_of_mut, null_mut},
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};
use machine::atomic::AtomicBool;

/// A lock that sleeps while it waits.
#[repr(C)]
pub struct mutex {
    locked: AtomicBool,
    wait: wait_queue_head,
}

/// Makes `lock` an unlocked lock.
///
/// # Safety
///
/// `lock` is valid for writes; `name` is NUL-terminated and lives as long as the lock; `key` is
/// valid or null.
pub unsafe fn __mutex_init(lock: *mut mutex, _name: *const c_char, _key: *mut lock_class_key) {
    // SAFETY: By the safety requirements.
    unsafe {
        addr_of_mut!((*lock).locked).write(AtomicBool::new(false));
        init_waitqueue_head(addr_of_mut!((*lock).wait));
    }
}

/// Takes the lock if it is free: 1 if it was. Not from interrupt context.
///
/// # Safety
///
/// `lock` is initialised.
pub unsafe fn mutex_trylock(lock: *mut mutex) -> c_int {
    // Pairs with the `Release` of the unlock before.
    // SAFETY: By the safety requirements.
    (!unsafe { &(*lock).locked }.swap(true, Acquire)).into()
}

/// Takes the lock. Sleeps.
///
/// # Safety
///
/// `lock` is initialised, and the task does not hold it.
#[track_caller]
pub unsafe fn mutex_lock(lock: *mut mutex) {
    // SAFETY: Nothing is asked for.
    unsafe { might_sleep() };
    // SAFETY: By the safety requirements.
    if unsafe { mutex_trylock(lock) } != 0 {
        return;
    }
    let mut entry = MaybeUninit::<wait_queue_entry>::uninit();
    let entry = entry.as_mut_ptr();
    // SAFETY: By the safety requirements; the entry is off the queue before it goes.
    unsafe {
        init_wait(entry);
        loop {
            prepare_to_wait_exclusive(addr_of_mut!((*lock).wait), entry, TASK_UNINTERRUPTIBLE);
            if mutex_trylock(lock) != 0 {
                break;
            }
            schedule();
        }
        finish_wait(addr_of_mut!((*lock).wait), entry);
    }
}

/// Lets go of the lock.
///
/// # Safety
///
/// The task holds the lock.
pub unsafe fn mutex_unlock(lock: *mut mutex) {
    // SAFETY: By the safety requirements.
    unsafe {
        (*lock).locked.store(false, Release);
        __wake_up(addr_of_mut!((*lock).wait), TASK_NORMAL, 1, null_mut());
    }
}

/// Warns if nobody holds the lock; a debug kernel's check.
///
/// # Safety
///
/// `lock` is initialised.
pub unsafe fn mutex_assert_is_held(lock: *mut mutex) {
    #[cfg(feature = "debug")]
    // SAFETY: By the safety requirements.
    crate::WARN_ON!(!unsafe { &(*lock).locked }.load(Relaxed));
    #[cfg(not(feature = "debug"))]
    // SAFETY: By the safety requirements.
    let _ = unsafe { &(*lock).locked }.load(Relaxed);
}
