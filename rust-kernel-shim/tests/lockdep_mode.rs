// SPDX-License-Identifier: GPL-2.0-only
//! How much lockdep looks at, by the environment and by what a test says.
#![cfg(all(feature = "debug", not(any(loom, tsan))))]

use kernel::{
    bindings::{
        lock_is_held_type, lockdep_prime, lockdep_taken_in_irq, rcu_callback_map, rcu_lock_map,
        rcu_read_lock, rcu_read_unlock, spin_lock, spin_lock_init, spin_unlock, spinlock_t,
    },
    new_mutex,
    prelude::*,
    sync::{rcu, Arc, Completion, Mutex},
    testing::{report::reports_of, set_lockdep, test_alone, vcpu::settle, Explorer, Lockdep},
    workqueue,
};

#[pin_data]
struct Device {
    #[pin]
    a: Mutex<()>,
    #[pin]
    b: Mutex<()>,
    #[pin]
    done: Completion,
}

fn device() -> Arc<Device> {
    let device = pin_init!(Device {
        a <- new_mutex!((), "a"),
        b <- new_mutex!((), "b"),
        done <- Completion::new(),
    });
    Arc::pin_init(device, GFP_KERNEL).unwrap()
}

/// What Linux sees.
fn two_orders() {
    let device = device();
    drop((device.a.lock(), device.b.lock()));
    drop((device.b.lock(), device.a.lock()));
}

/// What it does not see.
fn a_wait() {
    let device = device();
    let other = device.clone();
    let item = move || {
        drop(other.a.lock());
        other.done.complete_all();
    };
    workqueue::system().try_spawn(GFP_KERNEL, item).unwrap();
    device.done.wait_for_completion();
    let _a = device.a.lock();
    device.done.wait_for_completion();
}

fn reports(mode: Option<Lockdep>) -> [usize; 2] {
    [two_orders, a_wait].map(|body| {
        let body = move || {
            if let Some(mode) = mode {
                set_lockdep(mode);
            }
            body();
            settle();
        };
        reports_of(body).0.len()
    })
}

/// Run by the next test, in a process of its own: the environment is read once.
#[test]
#[ignore = "needs an environment: run by the_environment_says_what_comes_first()"]
fn alone() {
    println!("seen: {:?}", reports(None));
}

#[test]
fn the_environment_says_what_comes_first() {
    for (mode, seen) in [
        ("off", "[0, 0]"),
        ("kernel", "[1, 0]"),
        ("strict", "[1, 1]"),
    ] {
        let (passed, printed) = test_alone("alone", &[("FENCE_LOCKDEP", mode)]);
        assert!(
            passed && printed.contains(&format!("seen: {seen}")),
            "{printed}"
        );
    }
    let (passed, printed) = test_alone("alone", &[("FENCE_LOCKDEP", "all")]);
    let said = "FENCE_LOCKDEP is `all`, but should be off, kernel or strict";
    assert!(!passed && printed.contains(said), "{printed}");
}

#[test]
fn a_test_has_the_last_word() {
    assert_eq!(reports(Some(Lockdep::Off)), [0, 0]);
    assert_eq!(reports(Some(Lockdep::Kernel)), [1, 0]);
    assert_eq!(reports(Some(Lockdep::Strict)), [1, 1]);
    let explorer = Explorer::new().schedules(1);
    assert!(explorer.lockdep(Lockdep::Kernel).run(a_wait).is_ok());
    assert!(explorer.lockdep(Lockdep::Strict).run(a_wait).is_err());
}

type Step = fn(&Device, lock: *mut spinlock_t);

/// Says what lockdep is to know, while it looks at nothing and again when it does, and breaks it.
fn says_twice(said: Step, breaks: Step) {
    let body = move || {
        let (device, mut lock) = (device(), spinlock_t::new());
        // SAFETY: It may be written, and the name is a literal.
        unsafe { spin_lock_init!(&raw mut lock, c"lock".as_char_ptr()) };
        for mode in [Lockdep::Off, Lockdep::Kernel] {
            set_lockdep(mode);
            said(&device, &raw mut lock);
        }
        breaks(&device, &raw mut lock);
    };
    assert_eq!(reports_of(body).0.len(), 1);
}

#[test]
fn what_was_said_while_nothing_was_looked_at_is_said_again() {
    says_twice(
        |device, _| lockdep_prime(1, || drop((device.a.lock(), device.b.lock()))),
        |device, _| drop((device.b.lock(), device.a.lock())),
    );
    says_twice(
        // SAFETY: It is initialised.
        |_, lock| unsafe { lockdep_taken_in_irq(lock, &"a test") },
        // SAFETY: As above.
        |_, lock| unsafe {
            spin_lock(lock);
            spin_unlock(lock);
        },
    );
}

#[test]
fn rcu_answers_by_its_own_maps() {
    // SAFETY: The maps are static, and each section ends.
    unsafe {
        let held = || [&rcu_lock_map, &rcu_callback_map].map(|map| lock_is_held_type(map, -1));
        assert_eq!(held(), [0, 0]);
        rcu_read_lock();
        assert_eq!(held(), [1, 0]);
        let guard = rcu::read_lock();
        rcu_read_unlock();
        assert_eq!(held(), [1, 0]);
        assert_eq!(lock_is_held_type(&rcu_lock_map, 0), 0);
        assert_eq!(lock_is_held_type(&rcu_lock_map, 1), 1);
        drop(guard);
        assert_eq!(held(), [0, 0]);
    }
}
