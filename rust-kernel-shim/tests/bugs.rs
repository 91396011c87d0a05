// SPDX-License-Identifier: GPL-2.0-only
//! What Linux itself says of a bug makes the test fail, and names the line of the driver.
#![cfg(feature = "debug")]

use kernel::{
    bindings::{self, rule::Rule},
    new_mutex, new_spinlock, new_srcu,
    prelude::*,
    sync::{rcu, Arc, Mutex, SpinLock, Srcu},
    testing::{
        expect_bug, explore,
        report::{reports_of, Report},
        spawn, test_alone,
        vcpu::{fifo, Stuck},
        Explorer, Outcome,
    },
    time::{delay::fsleep, Delta},
    warn_on, workqueue,
};
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    string::String,
};

fn spinlock() -> Pin<KBox<SpinLock<()>>> {
    KBox::pin_init(new_spinlock!(()), GFP_KERNEL).unwrap()
}

/// The number of the line on which memory is asked for under a spinlock.
const ALLOCATES: u32 = line!() + 5;

fn allocates_under_a_spinlock() {
    let lock = spinlock();
    let guard = lock.lock();
    let memory = KBox::new(1, GFP_KERNEL);
    drop(guard);
    drop(memory);
}

fn takes_a_mutex_under_a_spinlock() {
    let lock = spinlock();
    let mutex: Pin<KBox<Mutex<()>>> = KBox::pin_init(new_mutex!(()), GFP_KERNEL).unwrap();
    let _guard = lock.lock();
    let _inner = mutex.lock();
}

/// What `body` has reported, which is one thing.
fn one(body: fn()) -> Report {
    let (mut reports, end) = reports_of(body);
    assert_eq!(end, Ok(()));
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.remove(0)
}

#[test]
fn a_sleep_in_atomic_context_names_the_driver_first_and_us_second() {
    let report = one(allocates_under_a_spinlock);
    assert_eq!(report.rule, "");
    let start = format!(
        "BUG: sleeping function called from invalid context at \
         rust-kernel-shim/tests/bugs.rs:{ALLOCATES}, in Box::new()"
    );
    assert!(report.text.starts_with(&start), "{}", report.text);
    assert!(report.text.contains("preempt count 1"), "{}", report.text);
}

#[test]
fn a_line_is_accused_once() {
    let report = one(|| {
        for _ in 0..3 {
            takes_a_mutex_under_a_spinlock();
        }
    });
    assert!(report.text.contains("in Lock::lock()"), "{}", report.text);
}

#[test]
fn a_warning_names_the_function_that_was_called() {
    let report = one(|| {
        let count = bindings::REFCOUNT_INIT(0);
        // SAFETY: The count is valid. That it is 0 is the mistake.
        unsafe { bindings::refcount_inc((&raw const count).cast_mut()) };
    });
    let text = &report.text;
    assert!(
        text.starts_with("WARNING: rust-kernel-shim/tests/bugs.rs:"),
        "{text}"
    );
    assert!(
        text.contains(", in refcount_inc() (rust-kernel-shim/c/src/base/refcount.rs:"),
        "{text}"
    );
    assert!(
        text.contains(": refcount_t: addition on 0; use-after-free.\n"),
        "{text}"
    );
}

#[test]
fn work_that_leaks_a_lock_is_named() {
    let report = one(|| {
        let leaks = || core::mem::forget(spinlock_forever().lock());
        workqueue::system().try_spawn(GFP_KERNEL, leaks).unwrap();
    });
    let text = &report.text;
    assert!(
        text.starts_with("BUG: workqueue leaked atomic, lock or RCU: kworker["),
        "{text}"
    );
    assert!(text.contains("work_that_leaks_a_lock_is_named"), "{text}");
}

#[test]
fn work_that_comes_after_is_not_named() {
    static RULE: Rule = Rule::new("a-rule");
    let report = one(|| {
        let mutex: Arc<Mutex<()>> = Arc::pin_init(new_mutex!(()), GFP_KERNEL).unwrap();
        let (system, other) = (workqueue::system(), mutex.clone());
        let leaks = move || {
            core::mem::forget((other.lock(), other.clone()));
            bindings::debug_section_begins(&RULE, "a section");
        };
        system.try_spawn(GFP_KERNEL, leaks).unwrap();
        for _ in 0..2 {
            let waits = || bindings::debug_section_waits("a wait");
            system.try_spawn(GFP_KERNEL, waits).unwrap();
        }
    });
    let start = "BUG: workqueue leaked atomic, lock or RCU: kworker[";
    assert!(report.text.starts_with(start), "{}", report.text);
}

#[test]
fn work_that_leaks_a_section_that_may_sleep_is_named() {
    let (reports, end) = reports_of(|| {
        let users: Arc<Srcu> = Arc::pin_init(new_srcu!("users"), GFP_KERNEL).unwrap();
        let leaks = users.clone();
        let leaks = move || core::mem::forget(leaks.read_lock());
        workqueue::system().try_spawn(GFP_KERNEL, leaks).unwrap();
        fsleep(Delta::from_millis(1));
        users.synchronize();
    });
    assert!(matches!(end, Err(Stuck::Deadlock(_))), "{end:?}");
    let text = &reports[0].text;
    assert!(
        text.starts_with("BUG: workqueue leaked atomic, lock or RCU: kworker["),
        "{text}"
    );
    assert!(text.contains("holds srcu `users`, taken at"), "{text}");
}

#[test]
fn a_task_that_ends_in_a_section_is_named() {
    fn leaks() {
        core::mem::forget(rcu::read_lock());
    }
    let line = line!() - 2;
    let (spawned, first) = (one(|| drop(spawn(leaks))), one(leaks));
    for (report, task) in [(spawned, "test["), (first, "init[")] {
        let text = &report.text;
        let start = format!("BUG: task exits with a lock or in a section: {task}");
        assert!(text.starts_with(&start), "{text}");
        let place =
            format!("is in a read-side section, entered at rust-kernel-shim/tests/bugs.rs:{line}");
        assert!(text.contains(&place), "{text}");
    }
}

fn spinlock_forever() -> &'static SpinLock<()> {
    // SAFETY: It is never moved, nor freed.
    KBox::leak(unsafe { Pin::into_inner_unchecked(spinlock()) })
}

/// The message of the panic with which `body` ends.
fn panic_of(body: impl FnOnce()) -> String {
    *catch_unwind(AssertUnwindSafe(body))
        .expect_err("it panics")
        .downcast()
        .unwrap()
}

/// Run by the next test, in a process of its own: what they print is not expected.
#[test]
#[ignore = "fails: run by machines_fail_at_what_is_not_expected()"]
fn unexpected_in_a_machine() {
    let said = panic_of(|| fifo(allocates_under_a_spinlock).unwrap());
    assert!(
        said.contains(&format!("tests/bugs.rs:{ALLOCATES}")),
        "{said}"
    );
    let failure = Explorer::new().seed(7).run(allocates_under_a_spinlock);
    let failure = failure.unwrap_err();
    assert_eq!(failure.seed, 7);
    assert!(matches!(failure.outcome, Outcome::Bug(said) if said.contains("sleeping function")));
    println!("all as expected");
}

#[test]
fn machines_fail_at_what_is_not_expected() {
    let (passed, printed) = test_alone("unexpected_in_a_machine", &[]);
    assert!(passed && printed.contains("all as expected"), "{printed}");
}

/// Run by the test below, in a process of its own.
#[test]
#[ignore = "fails: run by free_threads_fail_at_their_next_call()"]
fn freely_and_goes_on() {
    allocates_under_a_spinlock();
    println!("not reached");
}

/// As the one above.
#[test]
#[ignore = "fails: run by free_threads_fail_their_process()"]
fn freely_at_the_end() {
    warn_on!(true);
}

/// As the one above.
#[test]
#[ignore = "fails: run by free_threads_fail_at_their_next_call()"]
fn freely_in_a_task() {
    let task = kernel::testing::spawn(|| {
        warn_on!(1 < 2);
    });
    while task.pid() != 0 {
        fsleep(Delta::from_millis(1));
    }
}

#[test]
fn free_threads_fail_at_their_next_call() {
    let (passed, printed) = test_alone("freely_and_goes_on", &[]);
    assert!(
        !passed && printed.contains("freely_and_goes_on ... FAILED"),
        "{printed}"
    );
    assert!(!printed.contains("not reached"), "{printed}");
    let (passed, printed) = test_alone("freely_in_a_task", &[]);
    assert!(
        !passed && printed.contains("freely_in_a_task ... FAILED"),
        "{printed}"
    );
}

#[test]
fn free_threads_fail_their_process() {
    let (passed, printed) = test_alone("freely_at_the_end", &[]);
    let said = "a report above was not expected: WARNING: rust-kernel-shim/tests/bugs.rs:";
    assert!(!passed && printed.contains(said), "{printed}");
    assert!(
        printed.contains("  thread freely_at_the_end\n"),
        "{printed}"
    );
}

#[test]
fn what_is_expected_is_no_failure() {
    let body = || expect_bug("sleeping function called", allocates_under_a_spinlock);
    body();
    assert_eq!(fifo(body), Ok(()));
    explore(body);
    // The machine is the caller's.
    expect_bug("sleeping function called", || {
        assert_eq!(fifo(allocates_under_a_spinlock), Ok(()))
    });
}

#[test]
fn a_bug_that_ends_a_machine_can_be_expected() {
    let end = expect_bug("mismatched owners", || {
        fifo(|| {
            let lock = || KBox::pin_init(new_mutex!(1), GFP_KERNEL).unwrap();
            let (right, wrong): (Pin<KBox<Mutex<u8>>>, _) = (lock(), lock());
            kernel::sync::LockedBy::new(&right, ()).access(&*wrong.lock());
        })
    });
    assert!(end.is_err());
}

#[test]
fn what_is_expected_has_to_come() {
    let said = panic_of(|| expect_bug("of another kind", || ()));
    assert_eq!(
        said,
        "expected a bug that says `of another kind`, but none did"
    );
    // One that another thread expects is not ours.
    std::thread::spawn(|| fifo(|| expect_bug("sleeping", allocates_under_a_spinlock)))
        .join()
        .unwrap()
        .unwrap();
}

#[test]
fn what_is_not_checked_is_only_logged() {
    kernel::testing::without_checks(allocates_under_a_spinlock);
}

#[test]
fn a_mutex_that_is_not_held_is_warned_of() {
    let mut mutex = core::mem::MaybeUninit::<bindings::mutex>::uninit();
    let mutex = mutex.as_mut_ptr();
    // SAFETY: The mutex is initialised first, and lives until the end; its name is a literal.
    unsafe {
        let name = kernel::str::CStrExt::as_char_ptr(c"mutex");
        bindings::__mutex_init(mutex, name, core::ptr::null_mut());
        expect_bug("WARNING", || bindings::mutex_assert_is_held(mutex));
        bindings::mutex_lock(mutex);
        bindings::mutex_assert_is_held(mutex);
        bindings::mutex_unlock(mutex);
    }
}
