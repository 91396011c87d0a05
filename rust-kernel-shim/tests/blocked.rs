// SPDX-License-Identifier: GPL-2.0-only
//! What is said of tasks that are stuck: who waits for what, where, and who has it.
#![cfg(feature = "debug")]

use kernel::{
    bindings::{
        flush_work, init_work_with_key, kthread_stop, queue_work, synchronize_rcu, system_wq,
        work_struct,
    },
    new_condvar, new_mutex, new_spinlock,
    prelude::*,
    sync::{rcu, Arc, Completion, CondVar, Mutex, SpinLock},
    testing::{
        console, set_hung_task_timeout, spawn,
        vcpu::{fifo, settle, Stuck},
        without_checks, Explorer, Outcome,
    },
    time::{delay::fsleep, Delta},
    workqueue,
};
use std::{
    boxed::Box,
    ptr::null_mut,
    thread::{self, yield_now},
};

#[pin_data]
struct Things {
    #[pin]
    a: Mutex<()>,
    #[pin]
    b: Mutex<()>,
    #[pin]
    first: SpinLock<()>,
    #[pin]
    second: SpinLock<()>,
    #[pin]
    done: Completion,
    #[pin]
    queue: CondVar,
}

fn things() -> Arc<Things> {
    let things = pin_init!(Things {
        a <- new_mutex!((), "Things::a"),
        b <- new_mutex!((), "Things::b"),
        first <- new_spinlock!((), "Things::first"),
        second <- new_spinlock!((), "Things::second"),
        done <- Completion::new(),
        queue <- new_condvar!("Things::queue"),
    });
    Arc::pin_init(things, GFP_KERNEL).unwrap()
}

/// What a machine says of its end in a deadlock, of which lockdep has not warned.
fn deadlock(body: impl FnOnce() + Send + 'static) -> String {
    let end = fifo(|| without_checks(body)).expect_err("it ends in a deadlock");
    assert!(matches!(end, Stuck::Deadlock(_)), "{end}");
    end.to_string()
}

/// This line, so many above.
macro_rules! above {
    ($lines:literal) => {
        format!("rust-kernel-shim/tests/blocked.rs:{}", line!() - $lines)
    };
}

#[test]
fn a_cycle_is_said_in_one_sentence() {
    let said = deadlock(|| {
        let things = things();
        let other = things.clone();
        let a = things.a.lock();
        spawn(move || {
            let _b = other.b.lock();
            let _a = other.a.lock();
        });
        settle();
        let b = things.b.lock();
        drop((a, b));
    });
    let (held, taken) = (above!(3), above!(6));
    assert_eq!(
        said,
        format!(
            "deadlock: init/1 waits for mutex `Things::b` at {held}, held by test/2, \
             which waits for mutex `Things::a` at {taken}, held by init/1"
        )
    );
    // And what each holds, and since where.
    for (lock, taken) in [("a", above!(18)), ("b", above!(16))] {
        let line = format!("holds mutex `Things::{lock}`, taken at {taken}");
        assert_eq!(console::said(&line), 1, "{line}");
    }
    let line = format!("state:D pid:2     waits for mutex `Things::a` at {taken}");
    assert_eq!(console::said(&line), 1, "{line}");
}

#[test]
fn a_lock_is_taken_twice() {
    let said = deadlock(|| {
        let things = things();
        let first = things.a.lock();
        let second = things.a.lock();
        drop((first, second));
    });
    let (first, second) = (above!(4), above!(3));
    assert_eq!(
        said,
        format!(
            "deadlock: init/1 waits for mutex `Things::a` at {second}, though it has that itself: \
             it holds mutex `Things::a`, taken at {first}"
        )
    );
}

/// A lock that was released, in any order, is not held.
#[test]
fn what_was_released_is_not_held() {
    let said = deadlock(|| {
        let things = things();
        let (a, b) = (things.a.lock(), things.b.lock());
        drop(a);
        drop(b);
        drop(things.first.lock());
        assert!(things.a.try_lock().is_some());
        things.done.wait_for_completion();
    });
    let at = above!(2);
    assert_eq!(
        said,
        format!("deadlock: init/1 waits for a completion at {at}")
    );
    assert_eq!(console::said(&format!("waits for a completion at {at}")), 2);
    for taken in [above!(13), above!(10), above!(9)] {
        assert_eq!(console::said(&format!("taken at {taken}")), 0, "{taken}");
    }
}

#[test]
fn spinlocks_in_two_orders() {
    let body = || {
        let things = things();
        let other = things.clone();
        spawn(move || {
            let _second = other.second.lock();
            let _first = other.first.lock();
        });
        let _first = things.first.lock();
        let _second = things.second.lock();
    };
    let end = Explorer::new()
        .schedules(500)
        .run(move || without_checks(body));
    let Outcome::Deadlock(said) = end.expect_err("there is a schedule").outcome else {
        panic!("it is a deadlock");
    };
    for (lock, at) in [("first", above!(11)), ("second", above!(8))] {
        let waits = format!("waits for spinlock `Things::{lock}` at {at}, held by");
        assert!(said.contains(&waits), "{waits}\n{said}");
    }
}

#[test]
fn a_grace_period_is_held_up() {
    let said = deadlock(|| {
        let things = things();
        let other = things.clone();
        spawn(move || {
            let _guard = rcu::read_lock();
            without_checks(|| other.done.wait_for_completion());
        });
        settle();
        // SAFETY: The function has no preconditions.
        unsafe { synchronize_rcu() };
    });
    let (waits, sleeps, entered) = (above!(2), above!(6), above!(7));
    assert_eq!(
        said,
        format!(
            "deadlock: init/1 waits for a grace period at {waits}, held up by test/2, \
             which waits for a completion at {sleeps} \
             while it is in a read-side section, entered at {entered}"
        )
    );
    let line = format!("  is in a read-side section, entered at {entered}");
    assert_eq!(console::said(&line), 1, "{line}");
}

#[test]
fn the_end_of_a_thread() {
    let said = deadlock(|| {
        let things = things();
        let task = spawn(move || {
            let mut a = things.a.lock();
            loop {
                things.queue.wait(&mut a);
            }
        });
        settle();
        // SAFETY: The task is there.
        unsafe { kthread_stop(task.as_ptr()) };
    });
    let (stops, waits) = (above!(2), above!(7));
    assert_eq!(
        said,
        format!(
            "deadlock: init/1 waits for the end of test/2 at {stops}, \
             which waits for a wake-up of wait queue `Things::queue` at {waits}"
        )
    );
}

/// The first task has nothing to do with it.
#[test]
fn a_thread_is_left_behind() {
    let said = deadlock(|| {
        let things = things();
        spawn(move || things.done.wait_for_completion());
    });
    let at = above!(2);
    assert_eq!(
        said,
        format!("deadlock: test/2 waits for a completion at {at}; one other task waits")
    );
}

#[test]
fn an_item_of_work() {
    /// # Safety
    ///
    /// None.
    unsafe extern "C" fn func(_: *mut work_struct) {
        let things = things();
        things.done.wait_for_completion();
    }
    let said = deadlock(|| {
        let work = Box::leak(Box::<work_struct>::new_uninit()).as_mut_ptr();
        // SAFETY: The memory is valid forever, and so are the name and no key.
        unsafe {
            init_work_with_key(work, Some(func), false, c"work".as_char_ptr(), null_mut());
            queue_work(system_wq, work);
            settle();
            flush_work(work);
        }
    });
    let (waits, queued, sleeps) = (above!(3), above!(5), above!(12));
    let work = format!("work item `work` (queued at {queued})");
    assert_eq!(
        said,
        format!(
            "deadlock: init/1 waits for {work} at {waits}, run by kworker/2, \
             which waits for a completion at {sleeps} while it runs {work}"
        )
    );
}

fn endless(body: impl FnOnce() + Send + 'static) -> String {
    let end = fifo(body).expect_err("it has no end");
    assert!(matches!(end, Stuck::Endless(_)), "{end}");
    end.to_string()
}

#[test]
fn time_goes_on_forever() {
    let said = endless(|| loop {
        fsleep(Delta::from_millis(10));
    });
    let at = above!(2);
    assert_eq!(
        said,
        format!("no end: init/1 sleeps with a timeout at {at}")
    );
}

#[test]
fn a_task_polls_forever() {
    let said = endless(|| loop {
        drop(rcu::read_lock());
    });
    // Where a section begins or ends.
    let at = above!(3);
    assert_eq!(said, format!("no end: init/1 runs at {at}"));
}

#[test]
fn free_threads_are_named_once_they_hang() {
    let before = set_hung_task_timeout(1_000_000);
    assert_eq!(set_hung_task_timeout(1_000_000), 1_000_000);
    let things = things();
    let other = things.clone();
    let mutex = things.a.lock();
    let spin = things.first.lock();
    let run = |name: &str, f: fn(&Things)| {
        let things = things.clone();
        let thread = thread::Builder::new().name(name.into());
        thread.spawn(move || f(&things)).unwrap()
    };
    let threads = [
        run("hangs-at-mutex", |things| drop(things.a.lock())),
        run("hangs-at-spin", |things| drop(things.first.lock())),
        run("waits", |things| things.done.wait_for_completion()),
    ];
    let places = [above!(4), above!(3), above!(2)];
    // This one hangs forever: a cycle of its own.
    run("takes-twice", |things| {
        without_checks(|| {
            let first = things.b.lock();
            let second = things.b.lock();
            drop((first, second));
        });
    });
    let cycle = format!(
        " waits for mutex `Things::b` at {}, though it has that itself: \
         it holds mutex `Things::b`, taken at {}",
        above!(7),
        above!(9)
    );
    while console::said(&cycle) == 0 {
        yield_now();
    }
    assert_eq!(console::said("BUG: deadlock: takes-twice/"), 1);
    for name in ["hangs-at-mutex", "hangs-at-spin", "waits"] {
        let named = format!("INFO: task {name}:");
        while console::said(&named) == 0 {
            yield_now();
        }
    }
    drop((mutex, spin));
    other.done.complete_all();
    for thread in threads {
        thread.join().unwrap();
    }
    set_hung_task_timeout(before);
    let things = [
        "mutex `Things::a`",
        "spinlock `Things::first`",
        "a completion",
    ];
    for (thing, at) in things.into_iter().zip(places) {
        let line = format!("waits for {thing} at {at}");
        assert_eq!(console::said(&line), 1, "{line}");
    }
}

#[test]
fn no_place_of_ours_is_said() {
    let said = deadlock(|| {
        let things = things();
        let waits = move || things.done.wait_for_completion();
        workqueue::system().try_spawn(GFP_KERNEL, waits).unwrap();
    });
    assert!(said.ends_with("; one other task waits"), "{said}");
    assert_ne!(console::said("for the end of all other tasks"), 0);
    assert_eq!(console::said("for the end of all other tasks at "), 0);
}
