// SPDX-License-Identifier: GPL-2.0-only
//! Mutexes that are taken in any order: who lets go, who waits, and what is said of mistakes.
#![cfg_attr(not(feature = "debug"), allow(dead_code, unused_imports))]

use kernel::{
    bindings::{self as c, ww_acquire_ctx, ww_class, ww_mutex},
    ffi::c_int,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, Completion,
    },
    testing::{expect_bug, report::reports_of, spawn, vcpu, Explorer},
    time::{delay::fsleep, Delta},
    types::Opaque,
};
use std::{boxed::Box, ptr::null_mut, string::String, vec::Vec};

c::DEFINE_WD_CLASS!(DIES, c"dies_acquire", c"dies_mutex");
c::DEFINE_WW_CLASS!(WOUNDS, c"wounds_acquire", c"wounds_mutex");

/// `N` free mutexes.
struct Mutexes<const N: usize>(Box<[Opaque<ww_mutex>; N]>);

// SAFETY: Mutexes may be used by any task.
unsafe impl<const N: usize> Send for Mutexes<N> {}
// SAFETY: As above.
unsafe impl<const N: usize> Sync for Mutexes<N> {}

impl<const N: usize> Mutexes<N> {
    fn new(class: &'static ww_class) -> Self {
        let new = Self(Box::new([(); N].map(|()| Opaque::uninit())));
        // SAFETY: The memory is the mutexes' own.
        (0..N).for_each(|n| unsafe { c::ww_mutex_init(new.at(n), class) });
        new
    }

    fn at(&self, n: usize) -> *mut ww_mutex {
        self.0[n].get()
    }
}

/// A context of this task, for the time of `body`.
fn with_context<R>(class: &'static ww_class, body: impl FnOnce(*mut ww_acquire_ctx) -> R) -> R {
    let ctx = Opaque::uninit();
    // SAFETY: It stays here until it ends.
    unsafe { c::ww_acquire_init(ctx.get(), class) };
    let result = body(ctx.get());
    // SAFETY: As above.
    unsafe { c::ww_acquire_fini(ctx.get()) };
    result
}

/// Takes both in that order, letting go as often as it is told to; how often that was.
///
/// # Safety
///
/// They are valid, of `class`, and none is held by the task.
unsafe fn take_both(class: &'static ww_class, mut order: [*mut ww_mutex; 2]) -> usize {
    with_context(class, |ctx| {
        let mut let_go = 0;
        // SAFETY: The caller's guarantees; what was taken is released.
        unsafe {
            assert_eq!(c::ww_mutex_lock(order[0], ctx), 0);
            while c::ww_mutex_lock(order[1], ctx) != 0 {
                let_go += 1;
                c::ww_mutex_unlock(order[0]);
                order.reverse();
                c::ww_mutex_lock_slow(order[0], ctx);
            }
            c::ww_acquire_done(ctx);
            order.iter().for_each(|&lock| c::ww_mutex_unlock(lock));
        }
        let_go
    })
}

/// The greatest number of times that two tasks had to let go, in all schedules with as many
/// preemptions.
fn opposite_orders(class: &'static ww_class, preemptions: usize) -> i32 {
    static MOST: [Atomic<i32>; 2] = [const { Atomic::new(0) }; 2];
    let most = &MOST[usize::from(core::ptr::eq(class, &WOUNDS))];
    let search = Explorer::new()
        .schedules(100_000)
        .search(preemptions, move || {
            let locks = Arc::new(Mutexes::<2>::new(class), GFP_KERNEL).unwrap();
            let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
            let count = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
            let (others, ends, counts) = (locks.clone(), done.clone(), count.clone());
            spawn(move || {
                // SAFETY: They are valid, and not held by the task.
                let n = unsafe { take_both(class, [others.at(1), others.at(0)]) };
                counts.store(n as i32, Relaxed);
                ends.complete_all();
            });
            // SAFETY: As above.
            let n = unsafe { take_both(class, [locks.at(0), locks.at(1)]) } as i32;
            done.wait_for_completion();
            let count = count.load(Relaxed);
            // One of the two is the older.
            assert!(n == 0 || count == 0, "{n} and {count}");
            if most.load(Relaxed) < n + count {
                most.store(n + count, Relaxed);
            }
        });
    let search = search.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(search.complete, "{search:?}");
    most.load(Relaxed)
}

// Only a debug kernel preempts at any step.
#[test]
#[cfg(feature = "debug")]
fn two_tasks_in_opposite_orders_both_finish_if_the_younger_dies() {
    assert!(opposite_orders(&DIES, 1) >= 1);
}

// Only a debug kernel preempts at any step.
#[test]
#[cfg(feature = "debug")]
fn two_tasks_in_opposite_orders_both_finish_if_the_younger_is_wounded() {
    // Who was wounded is not any more when it has let go.
    assert_eq!(opposite_orders(&WOUNDS, 2), 1);
}

#[test]
fn what_each_call_returns() {
    let end = vcpu::fifo(|| {
        let locks = Mutexes::<2>::new(&DIES);
        let (a, b) = (locks.at(0), locks.at(1));
        // SAFETY: The mutexes are valid, and each is released by the task that has it.
        unsafe {
            assert_eq!(c::ww_mutex_trylock(a, null_mut()), 1);
            assert_eq!(c::ww_mutex_trylock(a, null_mut()), 0);
            assert!(c::ww_mutex_is_locked(a) && !c::ww_mutex_is_locked(b));
            assert!(c::ww_mutex_ctx(a).is_null());
            c::ww_mutex_unlock(a);
            assert!(!c::ww_mutex_is_locked(a));
            with_context(&DIES, |ctx| {
                assert_eq!(c::ww_mutex_lock(a, ctx), 0);
                assert_eq!(c::ww_mutex_ctx(a), ctx);
                assert_eq!(c::ww_mutex_lock(a, ctx), -(c::EALREADY as c_int));
                assert_eq!(c::ww_mutex_trylock(b, ctx), 1);
                assert_eq!(
                    c::ww_mutex_lock_interruptible(b, ctx),
                    -(c::EALREADY as c_int)
                );
                c::ww_mutex_unlock(a);
                c::ww_mutex_unlock(b);
                assert!(c::ww_mutex_ctx(a).is_null());
            });
            c::ww_mutex_destroy(a);
            c::ww_mutex_destroy(b);
        }
    });
    assert_eq!(end, Ok(()));
}

/// What `body` returns while another task, which has a context that is older or younger, holds mutex 0.
fn beside(
    class: &'static ww_class,
    older: bool,
    body: fn(&Mutexes<2>, *mut ww_acquire_ctx) -> c_int,
) -> c_int {
    let locks = Arc::new(Mutexes::<2>::new(class), GFP_KERNEL).unwrap();
    let ends = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
    let (others, until) = (locks.clone(), ends.clone());
    let hold = move || {
        spawn(move || {
            with_context(class, |ctx| {
                // SAFETY: The mutex is valid, and free.
                unsafe {
                    assert_eq!(c::ww_mutex_lock(others.at(0), ctx), 0);
                    while until.load(Relaxed) == 0 {
                        fsleep(Delta::from_millis(1));
                    }
                    c::ww_mutex_unlock(others.at(0));
                }
            });
        });
        vcpu::settle();
    };
    let run = |ctx: *mut ww_acquire_ctx| {
        let result = body(&locks, ctx);
        ends.store(1, Relaxed);
        result
    };
    if older {
        with_context(class, |ctx| {
            hold();
            run(ctx)
        })
    } else {
        hold();
        with_context(class, run)
    }
}

#[test]
fn a_younger_one_dies_only_if_it_holds_something() {
    let end = vcpu::fifo(|| {
        let holds = |locks: &Mutexes<2>, ctx| {
            // SAFETY: The mutexes are valid, and what is taken is released.
            unsafe {
                assert_eq!(c::ww_mutex_lock(locks.at(1), ctx), 0);
                let ret = c::ww_mutex_lock(locks.at(0), ctx);
                c::ww_mutex_unlock(locks.at(1));
                ret
            }
        };
        let ret = beside(&DIES, false, holds);
        assert_eq!(ret, -(c::EDEADLK as c_int));
        let nothing = |locks: &Mutexes<2>, ctx| {
            // SAFETY: As above.
            unsafe {
                c::allow_signal(c::SIGUSR1);
                c::send_sig(c::SIGUSR1, c::get_current(), 1);
                c::ww_mutex_lock_interruptible(locks.at(0), ctx)
            }
        };
        // It waits, until a signal comes.
        assert_eq!(beside(&DIES, false, nothing), -(c::EINTR as c_int));
    });
    assert_eq!(end, Ok(()));
}

#[test]
fn an_older_one_waits_and_a_signal_ends_it() {
    let end = vcpu::fifo(|| {
        // Whatever it holds.
        let ret = beside(&DIES, true, |locks, ctx| {
            // SAFETY: The mutexes are valid, and what is taken is released.
            unsafe {
                c::allow_signal(c::SIGUSR1);
                c::send_sig(c::SIGUSR1, c::get_current(), 1);
                assert_eq!(c::ww_mutex_lock(locks.at(1), ctx), 0);
                let ret = c::ww_mutex_lock_interruptible(locks.at(0), ctx);
                c::ww_mutex_unlock(locks.at(1));
                ret
            }
        });
        assert_eq!(ret, -(c::EINTR as c_int));
    });
    assert_eq!(end, Ok(()));
}

/// A task takes a mutex before one gets it that waits for it, and holds what the task wants next. The
/// waiter is not the first of the queue, and so not woken by the release.
fn steals(class: &'static ww_class, older: bool) {
    let end = vcpu::fifo(move || {
        let locks = Arc::new(Mutexes::<2>::new(class), GFP_KERNEL).unwrap();
        let go = Arc::new(Atomic::new(i32::from(!older)), GFP_KERNEL).unwrap();
        let (first, waiter, told) = (locks.clone(), locks.clone(), go.clone());
        let pass = || fsleep(Delta::from_millis(10));
        let until = move |n| {
            while told.load(Relaxed) < n {
                fsleep(Delta::from_millis(1));
            }
        };
        spawn(move || {
            until(1);
            with_context(class, |ctx| {
                // SAFETY: The mutexes are valid, and what is taken is released.
                unsafe {
                    assert_eq!(c::ww_mutex_lock(waiter.at(1), ctx), 0);
                    until(2);
                    let ret = c::ww_mutex_lock(waiter.at(0), ctx);
                    c::ww_mutex_unlock(waiter.at(1));
                    if ret != 0 {
                        c::ww_mutex_lock_slow(waiter.at(0), ctx);
                    }
                    c::ww_mutex_unlock(waiter.at(0));
                }
            });
        });
        pass();
        with_context(class, |ctx| {
            go.store(1, Relaxed);
            // SAFETY: The mutexes are valid, and what is taken is released.
            unsafe {
                assert_eq!(c::ww_mutex_trylock(locks.at(0), null_mut()), 1);
                spawn(move || {
                    assert_eq!(c::ww_mutex_lock(first.at(0), null_mut()), 0);
                    c::ww_mutex_unlock(first.at(0));
                });
                pass();
                go.store(2, Relaxed);
                pass();
                c::ww_mutex_unlock(locks.at(0));
                assert_eq!(c::ww_mutex_lock(locks.at(0), ctx), 0);
                let ret = c::ww_mutex_lock(locks.at(1), ctx);
                assert_eq!(ret, if older { 0 } else { -(c::EDEADLK as c_int) });
                c::ww_mutex_unlock(locks.at(0));
                if ret != 0 {
                    c::ww_mutex_lock_slow(locks.at(1), ctx);
                }
                c::ww_mutex_unlock(locks.at(1));
            }
        });
    });
    assert_eq!(end, Ok(()));
}

#[test]
fn a_waiter_dies_of_an_older_one_that_was_faster() {
    steals(&DIES, true);
}

#[test]
fn a_younger_one_that_was_faster_is_wounded() {
    steals(&WOUNDS, false);
}

#[test]
fn waiters_get_it_by_age() {
    let end = vcpu::fifo(|| {
        let locks = Arc::new(Mutexes::<1>::new(&DIES), GFP_KERNEL).unwrap();
        let order = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
        // SAFETY: It is valid, and free.
        unsafe { assert_eq!(c::ww_mutex_trylock(locks.at(0), null_mut()), 1) };
        let go: Vec<_> = (0..3)
            .map(|_| Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap())
            .collect();
        for (n, go) in go.iter().enumerate() {
            let (locks, order, go) = (locks.clone(), order.clone(), go.clone());
            spawn(move || {
                with_context(&DIES, |ctx| {
                    go.wait_for_completion();
                    // SAFETY: It is valid, and not held by the task.
                    unsafe {
                        assert_eq!(c::ww_mutex_lock(locks.at(0), ctx), 0);
                        order.store(order.load(Relaxed) * 10 + n as i32 + 1, Relaxed);
                        c::ww_mutex_unlock(locks.at(0));
                    }
                });
            });
            vcpu::settle();
        }
        // The youngest comes first.
        for go in go.iter().rev() {
            go.complete_all();
            vcpu::settle();
        }
        // SAFETY: The task has it.
        unsafe { c::ww_mutex_unlock(locks.at(0)) };
        vcpu::settle();
        order.load(Relaxed)
    });
    assert_eq!(end, Ok(123));
}

#[test]
#[cfg(feature = "debug")]
fn what_is_done_wrong_is_warned_of() {
    let locks = Mutexes::<3>::new(&DIES);
    let (a, b) = (locks.at(0), locks.at(1));
    // SAFETY: All are valid; what is done wrong leaves them so.
    unsafe {
        with_context(&DIES, |ctx| {
            expect_bug("contending_lock", || c::ww_mutex_lock_slow(a, ctx));
            c::ww_acquire_done(ctx);
            expect_bug("done_acquire", || c::ww_mutex_lock(b, ctx));
            expect_bug("done_acquire", || c::ww_acquire_done(ctx));
            expect_bug("ww_mutex_is_locked", || c::ww_mutex_destroy(b));
            c::ww_mutex_unlock(b);
            c::ww_mutex_unlock(a);
        });
    }
}

/// What is said of `body`, the name of the rule first.
fn said(body: fn(&Mutexes<3>)) -> String {
    let (reports, _) = reports_of(move || body(&Mutexes::new(&DIES)));
    let said = reports.iter();
    said.map(|report| std::format!("{}: {}\n", report.rule, report.text))
        .collect()
}

#[test]
#[cfg(all(feature = "debug", not(any(loom, tsan))))]
fn what_lockdep_says_of_classes() {
    // SAFETY: The mutexes are valid, and released as they were taken.
    unsafe {
        let right = said(|locks| {
            with_context(&DIES, |ctx| {
                for order in [[0, 1, 2], [2, 1, 0]] {
                    for n in order {
                        assert_eq!(c::ww_mutex_lock(locks.at(n), ctx), 0);
                    }
                    assert_eq!(c::ww_mutex_is_held(locks.at(2)), 1);
                    order.iter().for_each(|&n| c::ww_mutex_unlock(locks.at(n)));
                }
            });
            assert_eq!(c::ww_mutex_is_held(locks.at(2)), 0);
        });
        assert_eq!(right, "");
        let without = said(|locks| {
            assert_eq!(c::ww_mutex_lock(locks.at(0), null_mut()), 0);
            assert_eq!(c::ww_mutex_lock(locks.at(1), null_mut()), 0);
            c::ww_mutex_unlock(locks.at(1));
            c::ww_mutex_unlock(locks.at(0));
        });
        assert!(without.starts_with("lock-order: "), "{without}");
        let two = said(|_| with_context(&DIES, |_| with_context(&DIES, |_| {})));
        assert!(two.starts_with("lock-order: "), "{two}");
        let inside = said(|locks| {
            assert_eq!(c::ww_mutex_lock(locks.at(0), null_mut()), 0);
            with_context(&DIES, |_| {});
            c::ww_mutex_unlock(locks.at(0));
        });
        assert!(inside.starts_with("lock-order: "), "{inside}");
        let nothing = said(|_| {
            let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
            let other = done.clone();
            spawn(move || with_context(&DIES, |_| other.complete_all()));
            with_context(&DIES, |_| done.wait_for_completion());
        });
        // A context alone holds nothing up.
        assert_eq!(nothing, "");
    }
}
