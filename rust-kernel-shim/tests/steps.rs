// SPDX-License-Identifier: GPL-2.0-only
//! The order of steps of the primitives, as other tasks see it.
//!
//! Each is so small that all its schedules with a preemption or two are tried.
#![cfg(feature = "debug")]

use kernel::{
    bindings as c,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        rcu, Arc, Completion,
    },
    testing::{spawn, Explorer},
    types::Opaque,
};
use std::mem::MaybeUninit;

/// Runs `body` under all schedules with at most so many preemptions.
#[track_caller]
fn search(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    match Explorer::new().schedules(100_000).search(preemptions, body) {
        Ok(search) => assert!(search.complete, "{search:?}"),
        Err(failure) => panic!("{failure}"),
    }
}

/// What C works on, for two tasks.
struct Shared<T>(Opaque<T>);

// SAFETY: What is in it synchronises itself, which is tested here.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: As for `Send`.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self(Opaque::uninit()), GFP_KERNEL).unwrap()
    }

    fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// Told once the other task has done its part.
fn ends() -> [Arc<Completion>; 2] {
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
    [done.clone(), done]
}

/// Who is on the queue is woken, even if it has not gone to sleep yet.
#[test]
fn a_task_on_a_queue_is_woken() {
    search(2, || {
        let (queue, entry) = (Shared::new(), Shared::new());
        let [done, ends] = ends();
        // SAFETY: Both are initialised before the other task starts, and the entry is off the queue
        // in the end. It begins with its link.
        unsafe {
            c::init_waitqueue_head(queue.get());
            c::init_wait(entry.get());
            let (its, other) = (queue.clone(), entry.clone());
            spawn(move || {
                while c::list_empty(other.get().cast()) {
                    c::cpu_relax();
                }
                c::__wake_up(its.get(), c::TASK_NORMAL, 1, core::ptr::null_mut());
                ends.complete_all();
            });
            c::prepare_to_wait(
                queue.get(),
                entry.get(),
                c::TASK_UNINTERRUPTIBLE.cast_signed(),
            );
            c::schedule();
            c::finish_wait(queue.get(), entry.get());
        }
        done.wait_for_completion();
    });
}

/// A completion may go as soon as its waiter has returned.
#[test]
fn a_completion_is_left_alone_once_its_waiter_has_returned() {
    search(2, || {
        let completion = Shared::<MaybeUninit<c::completion>>::new();
        let [done, ends] = ends();
        // SAFETY: Initialised before the other task starts.
        unsafe {
            c::init_completion(completion.get().cast());
            let other = completion.clone();
            spawn(move || {
                c::complete(other.get().cast());
                ends.complete_all();
            });
            c::wait_for_completion(completion.get().cast());
            // As if it were something else: a lock that is held, where the completion has its own.
            completion.get().write_bytes(1, 1);
        }
        done.wait_for_completion();
    });
}

/// Of a task that drops the last reference and one that wants another, one fails.
#[test]
fn no_reference_is_taken_to_what_has_none_left() {
    search(2, || {
        let (kref, taken) = (Shared::new(), Arc::new(Atomic::new(0), GFP_KERNEL).unwrap());
        let [done, ends] = ends();
        // SAFETY: The count is initialised before the other task starts, and stays.
        unsafe {
            c::kref_init(kref.get());
            let (other, its) = (kref.clone(), taken.clone());
            spawn(move || {
                its.store(c::kref_get_unless_zero(other.get()), Relaxed);
                ends.complete_all();
            });
            let last = c::kref_put(kref.get(), None);
            done.wait_for_completion();
            assert_eq!(last + taken.load(Relaxed), 1, "of two, so many succeed");
        }
    });
}

/// The section of a lock ends only after the lock was released.
#[test]
fn a_grace_period_waits_until_a_lock_is_released() {
    search(3, || {
        let (lock, taken) = (Shared::new(), Arc::new(Atomic::new(0), GFP_KERNEL).unwrap());
        let [done, ends] = ends();
        // SAFETY: Initialised before the other task starts, and released by the one that took it.
        unsafe {
            c::__spin_lock_init(lock.get(), core::ptr::null(), core::ptr::null_mut());
            let (other, its) = (lock.clone(), taken.clone());
            spawn(move || {
                c::spin_lock(other.get());
                its.store(1, Relaxed);
                // A point at which it can be stopped.
                its.load(Relaxed);
                c::spin_unlock(other.get());
                ends.complete_all();
            });
            let before = taken.load(Relaxed);
            rcu::synchronize_rcu();
            let after = c::spin_is_locked(lock.get());
            assert!(before == 0 || after == 0, "held for a grace period");
        }
        done.wait_for_completion();
    });
}
