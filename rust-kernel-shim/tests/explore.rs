// SPDX-License-Identifier: GPL-2.0-only
//! Exploring finds what is there to be found, and nothing else.
#![cfg(feature = "debug")]

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        rcu, Arc, Completion, SpinLock,
    },
    testing::{
        expect_report, explore, spawn, test_alone, without_checks, Explorer, Failure, Outcome,
    },
    time::{delay::fsleep, Delta},
};

#[pin_data]
struct Shared {
    #[pin]
    a: SpinLock<u32>,
    #[pin]
    b: SpinLock<u32>,
    #[pin]
    done: Completion,
    count: Atomic<i32>,
}

fn shared() -> Arc<Shared> {
    Arc::pin_init(
        try_pin_init!(Shared {
            a <- new_spinlock!(0),
            b <- new_spinlock!(0),
            done <- Completion::new(),
            count: Atomic::new(0),
        }),
        GFP_KERNEL,
    )
    .unwrap()
}

fn found(body: impl Fn() + Copy + Send + Sync + 'static) -> Failure {
    let failure = Explorer::new()
        .schedules(500)
        .run(body)
        .expect_err("there is something");
    // The seed replays it.
    let again = Explorer::new().seed(failure.seed).schedules(1).run(body);
    assert_eq!(again.map_err(|f| f.outcome), Err(failure.outcome.clone()));
    failure
}

#[test]
fn nothing_is_found_where_nothing_is() {
    explore(|| {
        let shared = shared();
        for _ in 0..3 {
            let other = shared.clone();
            spawn(move || {
                *other.a.lock() += 1;
                *other.b.lock() += 1;
                if other.count.fetch_add(1, Relaxed) == 2 {
                    other.done.complete_all();
                }
            });
        }
        shared.done.wait_for_completion();
        assert_eq!((*shared.a.lock(), *shared.b.lock()), (3, 3));
    });
}

#[test]
fn a_race_is_found() {
    let failure = found(|| {
        let shared = shared();
        let other = shared.clone();
        spawn(move || {
            // Two steps instead of one.
            let count = other.count.load(Relaxed);
            other.count.store(count + 1, Relaxed);
            other.done.complete_all();
        });
        let count = shared.count.load(Relaxed);
        shared.count.store(count + 1, Relaxed);
        shared.done.wait_for_completion();
        assert_eq!(shared.count.load(Relaxed), 2, "an addition was lost");
    });
    match failure.outcome {
        Outcome::Panic(message) => assert!(message.contains("an addition was lost"), "{message}"),
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn two_locks_in_two_orders_are_found() {
    fn body() {
        let shared = shared();
        let other = shared.clone();
        spawn(move || {
            let a = other.a.lock();
            let b = other.b.lock();
            drop((b, a));
            other.done.complete_all();
        });
        let b = shared.b.lock();
        let a = shared.a.lock();
        drop((a, b));
        shared.done.wait_for_completion();
    }
    let failure = found(|| without_checks(body));
    assert!(matches!(failure.outcome, Outcome::Deadlock(_)), "{failure}");
    // By lockdep on any schedule, whether it ends in a deadlock or not.
    expect_report("lock-order", body);
}

#[test]
fn a_wait_without_an_end_is_found() {
    let failure = found(|| {
        let shared = shared();
        let other = shared.clone();
        spawn(move || {
            // Forgets that the flag may be set between the look and the wait.
            if other.count.load(Acquire) == 0 {
                other.done.wait_for_completion();
            }
        });
        let waiting = *shared.a.lock() == 1;
        shared.count.store(1, Release);
        if waiting {
            shared.done.complete_all();
        }
    });
    assert!(matches!(failure.outcome, Outcome::Deadlock(_)), "{failure}");
}

/// What is reported before no task goes on is why, and is named first.
#[test]
fn a_report_before_a_wait_without_an_end_is_found() {
    let failure = found(|| {
        let guard = rcu::read_lock();
        fsleep(Delta::from_micros(1));
        drop(guard);
        shared().done.wait_for_completion();
    });
    assert_eq!(failure.outcome, Outcome::Broken("rcu-no-sleep"));
}

#[test]
fn a_leak_is_found() {
    let failure = found(|| {
        core::mem::forget(KBox::new(1, GFP_KERNEL));
    });
    assert_eq!((failure.schedule, failure.outcome), (1, Outcome::Leak(1)));
}

#[test]
fn a_circle_is_found() {
    let failure = has_no_end(|| {
        let shared = shared();
        while shared.count.load(Relaxed) == 0 {}
    });
    let printed = failure.to_string();
    assert!(printed.contains("FENCE_SEED=1 replays it"), "{printed}");
}

fn has_no_end(body: impl Fn() + Send + Sync + 'static) -> Failure {
    let failure = Explorer::new().schedules(1).run(body);
    let failure = failure.expect_err("it does not end");
    assert!(matches!(failure.outcome, Outcome::Endless(_)), "{failure}");
    failure
}

#[test]
fn one_that_only_sleeps_is_found() {
    has_no_end(|| loop {
        fsleep(Delta::from_micros(5));
    });
}

#[test]
fn one_that_sleeps_while_the_first_task_has_ended_is_found() {
    has_no_end(|| {
        spawn(|| loop {
            fsleep(Delta::from_micros(5));
        });
    });
}

#[test]
fn one_that_only_settles_is_found() {
    has_no_end(|| loop {
        kernel::testing::vcpu::settle();
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn no_schedule_at_all_is_refused() {
    let test = "nothing_is_found_where_nothing_is";
    let (passed, printed) = test_alone(test, &[("FENCE_SCHEDULES", "0")]);
    let message = "FENCE_SCHEDULES is `0`, but should be at least 1";
    assert!(!passed && printed.contains(message), "{printed}");
}

/// Run by the next test, in a process of its own.
#[test]
#[ignore = "panics: run by a_panic_says_under_which_schedule_it_came()"]
fn panics() {
    explore(|| panic!("on purpose"));
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_panic_says_under_which_schedule_it_came() {
    let (passed, printed) = test_alone("panics", &[]);
    let said = "under a schedule that FENCE_SEED=1 replays:";
    assert!(!passed && printed.contains(said), "{printed}");
}

/// A job that is done while a watchdog sleeps, which must not find it pending.
fn done_in_time() {
    let shared = shared();
    let job = shared.clone();
    spawn(move || {
        for _ in 0..20 {
            job.count.add(1, Relaxed);
        }
    });
    fsleep(Delta::from_millis(1));
    assert_eq!(shared.count.load(Relaxed), 20);
}

#[test]
fn timers_wait_for_tasks_if_they_are_told_to() {
    let patient = Explorer::new().schedules(200).timers_wait();
    assert_eq!(patient.run(done_in_time), Ok(()));
    found(done_in_time);
}
