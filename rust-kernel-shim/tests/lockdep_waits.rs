// SPDX-License-Identifier: GPL-2.0-only
//! Waits that lockdep takes for dependencies, seen on one harmless run: each mistake beside what looks
//! like it and is right.
#![cfg(not(any(loom, tsan)))]

use kernel::{
    new_mutex, new_srcu,
    prelude::*,
    sync::{Arc, Completion, Mutex, Srcu},
    testing::{
        expect_report, spawn,
        vcpu::{fifo, settle},
    },
    time::{delay::fsleep, Delta},
    workqueue,
};

#[pin_data]
struct Device {
    #[pin]
    m: Mutex<u32>,
    #[pin]
    other: Mutex<u32>,
    #[pin]
    done: Completion,
    #[pin]
    started: Completion,
    #[pin]
    users: Srcu,
    #[pin]
    others: Srcu,
}

fn device() -> Arc<Device> {
    let device = try_pin_init!(Device {
        m <- new_mutex!(0, "m"),
        other <- new_mutex!(0, "other"),
        done <- Completion::new(),
        started <- Completion::new(),
        users <- new_srcu!("users"),
        others <- new_srcu!("others"),
    });
    Arc::pin_init(device, GFP_KERNEL).unwrap()
}

fn work(body: impl FnOnce() + Send + 'static) {
    workqueue::system().try_spawn(GFP_KERNEL, body).unwrap();
}

/// Expects `body`, in a machine of its own, to break that rule if it is `wrong`, and else none.
#[track_caller]
fn judge(rule: &str, body: fn(wrong: bool)) {
    assert_eq!(fifo(move || body(false)), Ok(()));
    expect_report(rule, move || body(true));
}

#[test]
fn work_completes_what_is_waited_for_under_a_mutex_that_it_takes() {
    judge("lock-order", |wrong| {
        let device = device();
        let other = device.clone();
        work(move || {
            *other.m.lock() += 1;
            other.done.complete_all();
        });
        settle();
        let m = wrong.then(|| device.m.lock());
        device.done.wait_for_completion();
        drop(m);
    });
}

#[test]
fn a_task_completes_what_is_waited_for_under_a_mutex_that_it_takes() {
    judge("lock-order", |wrong| {
        let device = device();
        let other = device.clone();
        spawn(move || {
            *other.m.lock() += 1;
            other.done.complete_all();
        });
        settle();
        let m = match wrong {
            true => device.m.lock(),
            false => device.other.lock(),
        };
        device.done.wait_for_completion();
        drop(m);
    });
}

#[test]
fn the_wait_comes_first_and_another_one_is_under_the_mutex() {
    judge("lock-order", |wrong| {
        for under in [true, false] {
            let device = device();
            let other = device.clone();
            let held = (under && wrong).then(|| device.m.lock());
            work(move || {
                if !under {
                    *other.m.lock() += 1;
                }
                other.done.complete_all();
            });
            device.done.wait_for_completion();
            drop(held);
        }
    });
}

#[test]
fn the_mutex_is_held_across_what_waits_in_turn() {
    // The item holds nothing, but another one that it waits for takes the mutex.
    judge("lock-order", |wrong| {
        let device = device();
        let other = device.clone();
        work(move || {
            let m = other.m.lock();
            drop((other.other.lock(), m));
            other.done.complete_all();
        });
        settle();
        let held = match wrong {
            true => device.other.lock(),
            false => return,
        };
        device.done.wait_for_completion();
        drop(held);
    });
}

#[test]
fn readers_are_waited_for_by_one_of_them() {
    judge("lock-order", |wrong| {
        let device = device();
        let user = device.users.read_lock();
        match wrong {
            true => device.users.synchronize(),
            false => device.others.synchronize(),
        }
        drop(user);
        device.users.synchronize();
    });
}

#[test]
fn readers_are_waited_for_under_a_mutex_that_they_take() {
    judge("lock-order", |wrong| {
        let device = device();
        let user = device.users.read_lock();
        *device.m.lock() += 1;
        drop(user);
        let m = wrong.then(|| device.m.lock());
        device.users.synchronize();
        drop(m);
    });
}

#[test]
fn a_reader_waits_for_who_waits_for_readers() {
    judge("lock-order", |wrong| {
        let device = device();
        let other = device.clone();
        work(move || {
            other.users.synchronize();
            other.done.complete_all();
        });
        device.done.wait_for_completion();
        let user = match wrong {
            true => device.users.read_lock(),
            false => device.others.read_lock(),
        };
        device.done.wait_for_completion();
        drop(user);
    });
}

#[test]
fn readers_nest_and_take_what_they_like() {
    let end = fifo(|| {
        let device = device();
        let (user, other) = (device.users.read_lock(), device.others.read_lock());
        let again = device.users.read_lock();
        *device.m.lock() += 1;
        drop((again, other, user));
        let (other, m) = (device.others.read_lock(), device.other.lock());
        drop((device.users.read_lock(), m, other));
        device.users.synchronize();
        device.others.synchronize();
    });
    assert_eq!(end, Ok(()));
}

#[test]
fn a_mutex_that_is_not_free_hides_none_before_it() {
    judge("lock-order", |wrong| {
        let device = device();
        let [first, second] = [device.clone(), device.clone()];
        spawn(move || {
            let _other = first.other.lock();
            fsleep(Delta::from_millis(1));
        });
        settle();
        spawn(move || {
            *second.m.lock() += 1;
            *second.other.lock() += 1;
            second.done.complete_all();
        });
        fsleep(Delta::from_millis(2));
        let m = wrong.then(|| device.m.lock());
        device.done.wait_for_completion();
        drop(m);
    });
}

/// Those that the order in which things happen permits.
#[test]
fn who_waits_knows_that_it_is_over() {
    // The item says that it has come so far, and only then is the mutex taken.
    let handshake = move || {
        let device = device();
        let other = device.clone();
        work(move || {
            *other.m.lock() += 1;
            other.started.complete_all();
            other.done.complete_all();
        });
        settle();
        device.started.wait_for_completion();
        let _m = device.m.lock();
        device.done.wait_for_completion();
    };
    // The task that waits was started by the one that completes, behind the mutex.
    let started = move || {
        let device = device();
        *device.m.lock() += 1;
        let other = device.clone();
        spawn(move || {
            let _m = other.m.lock();
            other.done.wait_for_completion();
        });
        device.done.complete_all();
    };
    // So was the item.
    let queued = move || {
        let device = device();
        let other = device.clone();
        work(move || {
            *device.m.lock() += 1;
            work(move || {
                let _m = other.m.lock();
                other.done.wait_for_completion();
            });
            device.done.complete_all();
        });
        settle();
    };
    // A thread begins under the mutex, and then goes round its loop without.
    let thread = move || {
        let device = device();
        let other = device.clone();
        device.started.complete_all();
        spawn(move || {
            *other.m.lock() += 1;
            other.started.wait_for_completion();
            other.done.complete_all();
        });
        settle();
        let _m = device.m.lock();
        device.done.wait_for_completion();
    };
    let sleeps = move || {
        let device = device();
        let other = device.clone();
        spawn(move || {
            *other.m.lock() += 1;
            fsleep(Delta::from_millis(1));
            other.done.complete_all();
        });
        fsleep(Delta::from_millis(2));
        let _m = device.m.lock();
        device.done.wait_for_completion();
    };
    // One item after the other, by one worker.
    let items = move || {
        let device = device();
        let [first, second] = [device.clone(), device.clone()];
        work(move || *first.m.lock() += 1);
        work(move || second.done.complete_all());
        settle();
        let _m = device.m.lock();
        device.done.wait_for_completion();
    };
    // A mutex that was free was not waited for.
    let trylock = move || {
        let device = device();
        let other = device.clone();
        work(move || {
            drop(other.m.try_lock());
            other.done.complete_all();
        });
        settle();
        let _m = device.m.lock();
        device.done.wait_for_completion();
    };
    assert_eq!(fifo(handshake), Ok(()));
    assert_eq!(fifo(started), Ok(()));
    assert_eq!(fifo(queued), Ok(()));
    assert_eq!(fifo(thread), Ok(()));
    assert_eq!(fifo(sleeps), Ok(()));
    assert_eq!(fifo(items), Ok(()));
    assert_eq!(fifo(trylock), Ok(()));
}
