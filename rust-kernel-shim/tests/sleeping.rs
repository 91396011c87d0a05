// SPDX-License-Identifier: GPL-2.0-only
//! A sleep where there must be none is reported, whatever it is that sleeps.
#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use kernel::{
    new_condvar, new_spinlock,
    prelude::*,
    sync::{rcu, CondVar, SpinLock},
    testing::{console, report::reports_of, spawn, test_alone},
    time::{delay::fsleep, Delta},
};

#[pin_data]
struct Shared {
    #[pin]
    changed: CondVar,
    #[pin]
    held: SpinLock<()>,
    #[pin]
    spin: SpinLock<()>,
}

fn shared() -> Pin<KBox<Shared>> {
    let shared = pin_init!(Shared {
        changed <- new_condvar!(),
        held <- new_spinlock!(()),
        spin <- new_spinlock!(()),
    });
    KBox::pin_init(shared, GFP_KERNEL).unwrap()
}

#[test]
fn waiting_in_a_section_is_reported() {
    let line = line!() + 5;
    let (reports, end) = reports_of(|| {
        let shared = shared();
        let mut held = shared.held.lock();
        let _section = rcu::read_lock();
        let _ = shared.changed.wait_interruptible_timeout(&mut held, 1);
    });
    assert_eq!(end, Ok(()));
    let [report] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!(report.rule, "rcu-no-sleep");
    let at = format!("it sleeps at rust-kernel-shim/tests/sleeping.rs:{line}, in CondVar::wait");
    assert!(report.text.contains(&at), "{}", report.text);
}

#[test]
fn starting_a_task_in_a_section_is_reported() {
    let line = line!() + 3;
    let (reports, end) = reports_of(|| {
        let _section = rcu::read_lock();
        spawn(|| {});
    });
    assert_eq!(end, Ok(()));
    let [report] = &reports[..] else {
        panic!("{reports:?}");
    };
    let at = format!("it sleeps at rust-kernel-shim/tests/sleeping.rs:{line}, in spawn()\n");
    assert!(report.text.contains(&at), "{}", report.text);
}

#[test]
fn waiting_under_a_spinlock_is_reported() {
    let before = console::said("scheduling while atomic");
    let (_, end) = reports_of(|| {
        let shared = shared();
        let mut held = shared.held.lock();
        let _spinning = shared.spin.lock();
        let _ = shared.changed.wait_interruptible_timeout(&mut held, 1);
    });
    assert_eq!(end, Ok(()));
    assert_eq!(console::said("scheduling while atomic") - before, 1);
    // What the message ends with: one spinlock is held.
    assert_ne!(console::said("/0x00000001"), 0);
}

fn sleep_in_a_section() {
    let _section = rcu::read_lock();
    fsleep(Delta::from_micros(1));
}

/// Run by the next test, in a process of its own.
#[test]
#[ignore = "fails: run by a_report_that_no_machine_takes_fails_the_test()"]
fn freely() {
    sleep_in_a_section();
}

#[test]
fn a_report_that_no_machine_takes_fails_the_test() {
    let (passed, printed) = test_alone("freely", &[]);
    let said = "a report above was not expected: the rule `rcu-no-sleep` was broken";
    assert!(!passed && printed.contains(said), "{printed}");
    assert!(printed.contains("test freely ... FAILED"), "{printed}");
}

/// Run by the next test, in a process of its own.
#[test]
#[ignore = "panics: run by a_panic_shows_the_reports_that_it_may_come_from()"]
fn reported_and_panics() {
    let _ = reports_of(|| {
        sleep_in_a_section();
        panic!("on purpose");
    });
}

#[test]
fn a_panic_shows_the_reports_that_it_may_come_from() {
    let (passed, printed) = test_alone("reported_and_panics", &[]);
    assert!(
        !passed && printed.contains("rule rcu-no-sleep"),
        "{printed}"
    );
}
