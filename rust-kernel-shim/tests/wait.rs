// SPDX-License-Identifier: GPL-2.0-only
//! Wait queues, and condition variables above them.

use kernel::{
    bindings as c,
    prelude::*,
    sync::{new_condvar, new_mutex, Arc, CondVar, CondVarTimeoutResult, Mutex},
    testing::{console, expect_bug, vcpu},
    types::Opaque,
    workqueue,
};

#[test]
fn an_entry_that_was_exclusive_counts_no_more() {
    // SAFETY: All is initialised before it is used, and off the queue before it goes.
    let end = vcpu::fifo(|| unsafe {
        let wq = Opaque::<c::wait_queue_head>::uninit();
        let entries = [(); 2].map(|()| Opaque::<c::wait_queue_entry>::uninit());
        let (wq, [first, last]) = (wq.get(), entries.each_ref().map(Opaque::get));
        c::init_waitqueue_head(wq);
        c::init_wait(first);
        c::init_wait(last);
        assert!(c::prepare_to_wait_exclusive(
            wq,
            first,
            c::TASK_UNINTERRUPTIBLE.cast_signed()
        ));
        assert!(!c::prepare_to_wait_exclusive(
            wq,
            last,
            c::TASK_UNINTERRUPTIBLE.cast_signed()
        ));
        c::prepare_to_wait(wq, first, c::TASK_UNINTERRUPTIBLE.cast_signed());
        c::__wake_up(wq, c::TASK_NORMAL, 1, core::ptr::null_mut());
        // An entry begins with its link.
        let woken = [first, last].map(|entry| c::list_empty(entry.cast()));
        c::finish_wait(wq, first);
        c::finish_wait(wq, last);
        woken
    });
    assert_eq!(end, Ok([true; 2]));
}

#[pin_data]
struct Pair {
    #[pin]
    lock: Mutex<()>,
    #[pin]
    changed: CondVar,
}

#[test]
fn a_wait_says_whether_a_signal_has_ended_it() {
    let end = vcpu::fifo(|| {
        let pair = pin_init!(Pair {
            lock <- new_mutex!(()),
            changed <- new_condvar!(),
        });
        let pair = Arc::pin_init(pair, GFP_KERNEL).unwrap();
        let mut guard = pair.lock.lock();
        let (changed, guard) = (&pair.changed, &mut guard);
        let notify = || {
            let pair = pair.clone();
            let notify = move || pair.changed.notify_one();
            workqueue::system().try_spawn(GFP_KERNEL, notify).unwrap();
        };
        notify();
        assert!(!changed.wait_interruptible(guard));
        notify();
        assert!(!changed.wait_interruptible_freezable(guard));
        notify();
        let ended = changed.wait_interruptible_timeout(guard, 9);
        assert!(matches!(ended, CondVarTimeoutResult::Woken { jiffies: 9 }));
        // SAFETY: The task is the one that runs.
        unsafe {
            c::allow_signal(c::SIGUSR1);
            c::send_sig(c::SIGUSR1, c::get_current(), 1);
        }
        assert!(changed.wait_interruptible(guard));
        assert!(changed.wait_interruptible_freezable(guard));
        let ended = changed.wait_interruptible_timeout(guard, 9);
        assert!(matches!(ended, CondVarTimeoutResult::Signal { jiffies: 9 }));
    });
    assert_eq!(end, Ok(()));
}

#[test]
fn a_lock_that_is_free_is_told_from_one_that_is_held() {
    let lock = Opaque::<c::spinlock_t>::uninit();
    let warned = || console::said("rust-kernel-shim/c/src/sched/spinlock.rs");
    let before = warned();
    // SAFETY: The lock is initialised, and stays.
    unsafe {
        c::__spin_lock_init(lock.get(), c"lock".as_char_ptr(), core::ptr::null_mut());
        c::spin_lock(lock.get());
        c::spin_assert_is_held(lock.get());
        assert_eq!((c::spin_is_locked(lock.get()), warned()), (1, before));
        c::spin_unlock(lock.get());
        expect_bug("spin_is_locked", || c::spin_assert_is_held(lock.get()));
        assert_eq!(c::spin_is_locked(lock.get()), 0);
    }
    assert_eq!(warned() - before, usize::from(cfg!(feature = "debug")));
}
