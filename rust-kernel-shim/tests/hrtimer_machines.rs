// SPDX-License-Identifier: GPL-2.0-only

//! Timers that one machine starts, and another one stops or starts again.

#![forbid(unsafe_code)]

use kernel::{
    impl_has_hr_timer, new_mutex,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        Arc, ArcBorrow,
    },
    testing::{test_alone, vcpu, without_checks},
    time::{delay::fsleep, hrtimer::*, Delta, Monotonic},
};
use std::sync::mpsc;

#[pin_data]
struct Bell {
    #[pin]
    timer: HrTimer<Self>,
    rings: Atomic<i32>,
    inside: Atomic<i32>,
    most: Atomic<i32>,
    go: Atomic<i32>,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Bell { mode: RelativeMode<Monotonic>, field: self.timer }
}

impl HrTimerCallback for Bell {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        let inside = this.inside.fetch_add(1, Relaxed) + 1;
        let _ = this.most.fetch_add((inside > 1).into(), Relaxed);
        while this.go.load(Acquire) == 0 {
            std::thread::yield_now();
        }
        if this.go.load(Acquire) < 0 {
            without_checks(deadlock);
        }
        let _ = this.inside.fetch_add(-1, Relaxed);
        let _ = this.rings.fetch_add(1, Release);
        HrTimerRestart::NoRestart
    }
}

fn deadlock() {
    let lock = KBox::pin_init(new_mutex!(()), GFP_ATOMIC).unwrap();
    let _first = lock.lock();
    let _second = lock.lock();
}

fn bell(go: bool) -> Arc<Bell> {
    let init = pin_init!(Bell {
        timer <- HrTimer::new(),
        rings: Atomic::new(0),
        inside: Atomic::new(0),
        most: Atomic::new(0),
        go: Atomic::new(go.into()),
    });
    Arc::pin_init(init, GFP_KERNEL).unwrap()
}

const SECOND: Delta = Delta::from_secs(1);

#[test]
fn another_machine_stops_it() {
    let outer = vcpu::fifo(|| {
        let bell = bell(true);
        let handle = bell.clone().start(SECOND);
        let others = [2, 3].map(bell_after);
        let (cancelled, handle) = vcpu::fifo(move || cancel(handle)).unwrap();
        let (again, _handle) = vcpu::fifo(move || cancel(handle)).unwrap();
        assert_eq!((cancelled, again), (true, false));
        fsleep(SECOND * 5);
        for (other, _) in &others {
            assert_eq!(other.rings.load(Acquire), 1);
        }
        bell.rings.load(Acquire)
    });
    assert_eq!(outer, Ok(0));
}

fn cancel<H: HrTimerHandle>(mut handle: H) -> (bool, H) {
    (handle.cancel(), handle)
}

fn bell_after(seconds: i64) -> (Arc<Bell>, impl HrTimerHandle) {
    let bell = bell(true);
    (bell.clone(), bell.start(SECOND * seconds))
}

#[test]
fn another_machine_starts_it_again() {
    let outer = vcpu::fifo(|| {
        let bell = bell(true);
        let _handle = bell.clone().start(SECOND * 2);
        let other = bell.clone();
        let inner = vcpu::fifo(move || {
            let _handle = other.clone().start(SECOND);
            fsleep(SECOND * 3);
            other.rings.load(Acquire)
        });
        assert_eq!(inner, Ok(1));
        // Its time in this machine is the past.
        fsleep(SECOND * 3);
        bell.rings.load(Acquire)
    });
    assert_eq!(outer, Ok(1));
}

#[test]
fn no_two_machines_call_it_at_the_same_time() {
    let bell = bell(false);
    let mut handle = bell.clone().start(Delta::ZERO);
    while bell.inside.load(Relaxed) == 0 {
        std::thread::yield_now();
    }
    // The thread that runs freely calls it again, once it has returned.
    let other = bell.clone();
    let again = vcpu::fifo(move || {
        core::mem::forget(other.start(Delta::ZERO));
        fsleep(SECOND);
    });
    assert_eq!(again, Ok(()));
    bell.go.store(1, Release);
    while bell.rings.load(Acquire) < 2 {
        std::thread::yield_now();
    }
    assert!(!handle.cancel());
    assert_eq!(bell.most.load(Relaxed), 0);
}

#[test]
fn cancelling_waits_for_another_machine() {
    let bell = bell(false);
    let handle = bell.clone().start(Delta::ZERO);
    while bell.inside.load(Relaxed) == 0 {
        std::thread::yield_now();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| bell.go.store(1, Release));
        assert_eq!(vcpu::fifo(|| drop(handle)), Ok(()));
        assert_eq!(bell.rings.load(Acquire), 1);
    });
}

/// Cancels a timer of a machine that got stuck in the timer's function.
fn cancel_of_a_stuck_machine() {
    let (sent, handle) = mpsc::channel();
    let end = vcpu::fifo(move || {
        let bell = bell(true);
        bell.go.store(-1, Relaxed);
        sent.send(bell.start(SECOND)).unwrap();
        fsleep(SECOND * 2);
    });
    assert!(matches!(end, Err(vcpu::Stuck::Deadlock(_))), "{end:?}");
    drop(handle.recv().unwrap());
}

#[test]
fn cancelling_does_not_wait_for_a_stuck_machine() {
    let message = "a timer is cancelled whose function never returns: its machine got stuck";
    // Of threads that run freely it ends the process: one of its own.
    if std::env::var_os("FREE").is_some() {
        cancel_of_a_stuck_machine();
    }
    match vcpu::fifo(cancel_of_a_stuck_machine) {
        Err(vcpu::Stuck::Bug(said)) => assert!(said.contains(message), "{said}"),
        end => panic!("{end:?}"),
    }
    let test = "cancelling_does_not_wait_for_a_stuck_machine";
    let (passed, printed) = test_alone(test, &[("FREE", "")]);
    assert!(!passed && printed.contains(message), "{printed}");
}
