// SPDX-License-Identifier: GPL-2.0-only
//! What locks, interrupts, items of work and tasks tell lockdep: each mistake beside what looks like
//! it and is right.
#![cfg(not(any(loom, tsan)))]

use kernel::{
    bindings::{
        __mutex_init, flush_work, init_work_with_key, lock_class_key, lockdep_depth, lockdep_prime,
        lockdep_set_class, lockdep_taken_in_irq, mutex_lock_nested, mutex_unlock, preempt_disable,
        queue_work, spin_lock, spin_lock_init, spin_lock_irq, spin_lock_irqsave, spin_lock_nested,
        spin_trylock, spin_unlock, spin_unlock_irq, spin_unlock_irqrestore, spinlock_t, system_wq,
        work_struct,
    },
    new_mutex, new_spinlock, new_spinlock_irq,
    prelude::*,
    sync::{Arc, LockClassKey, Mutex, SpinLock, SpinLockIrq},
    testing::{
        expect_report,
        report::reports_of,
        spawn,
        vcpu::{fifo, settle},
        without_checks,
    },
    workqueue,
};
use std::{
    mem::{forget, MaybeUninit},
    panic::catch_unwind,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        OnceLock,
    },
};

#[pin_data]
struct Locks {
    #[pin]
    a: SpinLock<()>,
    #[pin]
    b: SpinLock<()>,
    #[pin]
    irq: SpinLockIrq<()>,
    #[pin]
    m: Mutex<()>,
}

fn locks() -> Arc<Locks> {
    let locks = pin_init!(Locks {
        a <- new_spinlock!((), "a"),
        b <- new_spinlock!((), "b"),
        irq <- new_spinlock_irq!((), "irq"),
        m <- new_mutex!((), "m"),
    });
    Arc::pin_init(locks, GFP_KERNEL).unwrap()
}

/// Expects `body`, in a machine of its own, to break that rule if it is `wrong`, and else none.
#[track_caller]
fn judge(rule: &str, body: fn(wrong: bool)) {
    assert_eq!(fifo(move || body(false)), Ok(()));
    expect_report(rule, move || body(true));
}

#[test]
fn two_orders_by_two_tasks_one_after_the_other() {
    judge("lock-order", |wrong| {
        let locks = locks();
        drop((locks.a.lock(), locks.b.lock()));
        spawn(move || match wrong {
            true => drop((locks.b.lock(), locks.a.lock())),
            false => drop((locks.a.lock(), locks.b.lock())),
        });
    });
}

#[test]
fn a_lock_that_was_free_was_not_waited_for() {
    judge("lock-order", |wrong| {
        let locks = locks();
        drop((locks.a.lock(), locks.b.lock()));
        let _b = locks.b.lock();
        match wrong {
            true => drop(locks.a.lock()),
            false => drop(locks.a.try_lock()),
        }
    });
}

/// Two locks that one line has initialised.
fn nodes() -> [spinlock_t; 2] {
    let mut locks = [spinlock_t::new(), spinlock_t::new()];
    for lock in &mut locks {
        // SAFETY: It may be written, and the name is a literal.
        unsafe { spin_lock_init!(lock, c"node".as_char_ptr()) };
    }
    locks
}

#[test]
fn two_locks_of_a_class() {
    judge("lock-order", |wrong| {
        let [mut outer, mut inner] = nodes();
        // SAFETY: The locks are initialised, and released as they were taken.
        unsafe {
            spin_lock(&mut outer);
            match wrong {
                true => spin_lock(&mut inner),
                false => spin_lock_nested(&mut inner, 1),
            }
            spin_unlock(&mut inner);
            spin_unlock(&mut outer);
        }
    });
}

#[test]
fn two_locks_of_what_were_one_class() {
    judge("lock-order", |wrong| {
        let [mut outer, mut inner] = nodes();
        static mut KEY: lock_class_key = lock_class_key::new();
        // SAFETY: As above; the key and the name are static.
        unsafe {
            if !wrong {
                lockdep_set_class(&mut inner, c"array".as_char_ptr(), &raw mut KEY);
            }
            spin_lock(&mut outer);
            spin_lock(&mut inner);
            spin_unlock(&mut inner);
            spin_unlock(&mut outer);
        }
    });
}

#[test]
fn keys_of_ones_own() {
    judge("lock-order", |wrong| {
        let keys: [_; 2] = std::array::from_fn(|_| {
            KBox::pin_init(LockClassKey::new_dynamic(), GFP_KERNEL).unwrap()
        });
        let mut locks = [const { MaybeUninit::uninit() }; 2];
        // SAFETY: The locks are initialised, and released as they were taken. The keys outlive them.
        unsafe {
            for (lock, key) in locks.iter_mut().zip(&keys) {
                __mutex_init(lock.as_mut_ptr(), c"mutex".as_char_ptr(), key.as_ptr());
            }
            let [first, second] = locks.each_mut().map(MaybeUninit::as_mut_ptr);
            for [outer, inner] in [[first, second], [second, first]] {
                let outer = if wrong { outer } else { first };
                let inner = if wrong { inner } else { second };
                mutex_lock_nested(outer, 0);
                mutex_lock_nested(inner, 0);
                mutex_unlock(inner);
                mutex_unlock(outer);
            }
        }
    });
}

#[test]
fn a_lock_of_soft_interrupts_is_held_with_them_on() {
    judge("irq-lock-order", |wrong| {
        let locks = locks();
        let other = locks.clone();
        let taken = move || match wrong {
            true => drop(other.a.lock()),
            false => drop(other.irq.lock()),
        };
        workqueue::system_bh().try_spawn(GFP_KERNEL, taken).unwrap();
        settle();
        drop((locks.a.lock(), locks.irq.lock()));
    });
}

#[test]
fn a_lock_under_one_of_interrupts_is_held_with_them_on() {
    judge("irq-lock-order", |wrong| {
        let [mut of_irq, mut other] = nodes();
        let locks = locks();
        // SAFETY: The lock is initialised, and released as it was taken.
        unsafe {
            lockdep_taken_in_irq(&mut of_irq, &"a test");
            drop(locks.a.lock());
            let flags = spin_lock_irqsave(&mut of_irq);
            match wrong {
                true => drop(locks.a.lock()),
                false => drop(locks.irq.lock()),
            }
            spin_unlock_irqrestore(&mut of_irq, flags);
            // One of its own class counts as one that interrupts take.
            spin_lock_irq(&mut other);
            spin_unlock_irq(&mut other);
        }
    });
}

#[test]
fn interrupts_come_on_inside_a_lock_that_they_take() {
    judge("irq-lock-order", |wrong| {
        let (mut list, mut timeline) = (spinlock_t::new(), spinlock_t::new());
        // SAFETY: The locks are initialised, and released as they were taken.
        unsafe {
            lockdep_taken_in_irq(&mut list, &"a test");
            spin_lock_irq(&mut list);
            if wrong {
                spin_lock_irq(&mut timeline);
                spin_unlock_irq(&mut timeline);
            } else {
                let flags = spin_lock_irqsave(&mut timeline);
                spin_unlock_irqrestore(&mut timeline, flags);
            }
            spin_unlock_irq(&mut list);
        }
    });
}

#[test]
fn of_each_lock_that_was_never_initialised_it_is_said_that_interrupts_take_it() {
    judge("irq-lock-order", |wrong| {
        let (mut first, mut second) = (spinlock_t::new(), spinlock_t::new());
        // SAFETY: The locks are initialised, and released as they were taken.
        unsafe {
            lockdep_taken_in_irq(&mut first, &"a test");
            lockdep_taken_in_irq(&mut second, &"a test");
            if wrong {
                spin_lock(&mut second);
                spin_unlock(&mut second);
            }
        }
    });
}

#[test]
fn a_lock_is_released_twice() {
    judge("lock-context", |wrong| {
        let mut lock = spinlock_t::new();
        // SAFETY: The lock is initialised; it stays free if it is released again.
        unsafe {
            assert_eq!(spin_trylock(&mut lock), 1);
            spin_unlock(&mut lock);
            if wrong {
                preempt_disable();
                spin_unlock(&mut lock);
            }
        }
    });
}

#[test]
fn a_task_ends_with_a_lock() {
    judge("lock-context", |wrong| {
        let locks = locks();
        let other = locks.clone();
        spawn(move || {
            let guard = other.m.lock();
            if wrong {
                forget(guard);
            }
        });
        settle();
    });
}

#[test]
fn the_memory_of_a_lock_goes() {
    judge("lock-context", |wrong| {
        let lock = KBox::pin_init(new_mutex!(()), GFP_KERNEL).unwrap();
        let guard = lock.lock();
        match wrong {
            true => forget(guard),
            false => drop(guard),
        }
    });
}

#[test]
fn work_is_waited_for_under_a_lock_that_it_takes() {
    static LOCKS: OnceLock<Arc<Locks>> = OnceLock::new();
    /// The item takes the lock only then, so that nothing waits in vain.
    static FIRST: AtomicBool = AtomicBool::new(true);
    static mut KEY: lock_class_key = lock_class_key::new();

    extern "C" fn run(_work: *mut work_struct) {
        if FIRST.swap(false, Relaxed) {
            drop(LOCKS.get().unwrap().m.lock());
        }
    }

    // It is no machine's own.
    LOCKS.get_or_init(locks);
    judge("lock-order", |wrong| {
        let locks = LOCKS.get().unwrap();
        FIRST.store(true, Relaxed);
        let mut work = MaybeUninit::<work_struct>::uninit();
        let work = work.as_mut_ptr();
        // SAFETY: The item is initialised, and lives until it was flushed; any thread may run it.
        unsafe {
            let name = c"run".as_char_ptr();
            init_work_with_key(work, Some(run), true, name, &raw mut KEY);
            queue_work(system_wq, work);
            settle();
            queue_work(system_wq, work);
            let guard = wrong.then(|| locks.m.lock());
            flush_work(work);
            drop(guard);
        }
    });
}

#[test]
fn each_machine_sees_for_itself_what_is_seen() {
    for first in [true, false, true] {
        let end = fifo(move || {
            let locks = locks();
            match first {
                true => drop((locks.a.lock(), locks.b.lock())),
                false => drop((locks.b.lock(), locks.a.lock())),
            }
            assert_eq!(lockdep_depth(), 0);
        });
        assert_eq!(end, Ok(()));
    }
}

#[test]
fn what_is_wrong_on_purpose_is_not_seen() {
    let (reports, end) = reports_of(|| {
        let locks = locks();
        without_checks(|| {
            drop((locks.a.lock(), locks.b.lock()));
            drop((locks.b.lock(), locks.a.lock()));
        });
        drop((locks.b.lock(), locks.a.lock()));
    });
    assert!(reports.is_empty() && end == Ok(()), "{reports:?}");
}

#[test]
fn what_is_said_of_another_task_where_nothing_is_checked_is_said_again() {
    judge("lock-order", |wrong| {
        let locks = locks();
        let prime = || lockdep_prime(1, || drop((locks.a.lock(), locks.b.lock())));
        without_checks(prime);
        prime();
        if wrong {
            drop((locks.b.lock(), locks.a.lock()));
        }
    });
}

#[test]
fn what_is_said_of_another_task_ends_with_a_panic() {
    let said = fifo(|| {
        let primed =
            catch_unwind(|| lockdep_prime(1, || lockdep_prime(2, || panic!("on purpose"))));
        let locks = locks();
        let _a = locks.a.lock();
        (primed.is_err(), lockdep_depth())
    });
    let debug = cfg!(feature = "debug");
    assert_eq!(said, Ok((debug, debug.into())));
}
