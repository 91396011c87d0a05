// SPDX-License-Identifier: GPL-2.0-only
//! What was reached in a section of a machine that got stuck stays, and holds up no other machine.
#![forbid(unsafe_code)]

use dma_fence::{
    testing::{issue, Plain},
    FenceContext,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{rcu, Arc, LockedBy, Mutex},
    testing::{
        expect_bug, spawn,
        vcpu::{fifo, settle, Stuck},
        without_checks,
    },
};
use std::{
    boxed::Box,
    cell::RefCell,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::mpsc,
};

const NAME: &CStr = c"a driver whose name is found nowhere else";

/// A name found under a guard that is leaked, by a task of a machine that then `ends`, and what
/// the name has become after its timeline is gone.
fn leaked_name(ends: fn()) -> Result<Stuck> {
    let context = timeline();
    let (issued, fence) = issue(&context)?;
    let (found, name) = mpsc::channel::<&'static CStr>();
    let end = fifo(move || {
        let guard = KBox::leak(KBox::new(rcu::read_lock(), GFP_ATOMIC).unwrap());
        found.send(fence.driver_name(guard)).unwrap();
        without_checks(ends);
    });
    let name = name.recv().unwrap();
    assert_eq!(name, NAME);
    issued.signal(Ok(()));
    // This waits for a grace period, and not for the section that will never end.
    drop(context);
    let len = NAME.to_bytes_with_nul().len();
    for _ in 0..100 {
        core::mem::forget(KVec::from_elem(b'x', len, GFP_KERNEL)?);
    }
    assert_eq!(name, NAME);
    Ok(end.expect_err("it does not end by itself"))
}

#[test]
fn names_outlive_a_deadlock() -> Result {
    let end = leaked_name(|| {
        let lock = KBox::pin_init(new_mutex!(()), GFP_KERNEL).unwrap();
        let _first = lock.lock();
        let _second = lock.lock();
    });
    let said = end?.to_string();
    assert!(
        !cfg!(feature = "debug") || said.contains("waits for mutex `dma-fence/tests/stuck.rs:"),
        "{said}"
    );
    Ok(())
}

#[test]
fn names_outlive_a_bug() -> Result {
    let end = leaked_name(|| {
        let lock = || KBox::pin_init(new_mutex!(1), GFP_KERNEL).unwrap();
        let (right, wrong): (Pin<KBox<Mutex<u8>>>, _) = (lock(), lock());
        LockedBy::new(&right, ()).access(&*wrong.lock());
    });
    assert!(matches!(end?, Stuck::Bug(_)));
    Ok(())
}

fn timeline() -> Arc<FenceContext<Plain>> {
    Arc::pin_init(FenceContext::new(1, NAME, c"timeline", Plain), GFP_KERNEL).unwrap()
}

#[test]
fn a_guard_that_an_ended_task_has_leaked_holds_up_nothing() {
    let end = expect_bug("task exits with a lock or in a section", || {
        fifo(|| {
            spawn(|| core::mem::forget(rcu::read_lock()));
            settle();
            drop(timeline());
        })
    });
    assert_eq!(end, Ok(()));
}

#[test]
fn a_guard_that_a_panic_has_leaked_holds_up_nothing() {
    let body = || {
        core::mem::forget(rcu::read_lock());
        panic!("with a guard that was leaked");
    };
    assert!(catch_unwind(AssertUnwindSafe(|| fifo(body))).is_err());
    drop(timeline());
}

/// Runs a function when its thread ends, after its task has.
struct AtExit(RefCell<Option<Box<dyn FnOnce()>>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

std::thread_local! {
    static AT_EXIT: AtExit = const { AtExit(RefCell::new(None)) };
}

/// It ran as a part of the machine, without the run token: one that slept made the machine look
/// stuck, which then ended under the task that ran.
#[test]
fn a_thread_that_outlives_its_task_is_no_part_of_the_machine() {
    let context = timeline();
    let (issued, fence) = issue(&context).unwrap();
    let (go, gone) = mpsc::channel::<()>();
    let (asleep, sleeps) = mpsc::channel();
    let end = fifo(move || {
        spawn(move || {
            let at_exit = move || {
                gone.recv().unwrap();
                asleep.send(()).unwrap();
                fence.wait();
            };
            AT_EXIT.with(|slot| *slot.0.borrow_mut() = Some(Box::new(at_exit)));
        });
        settle();
        go.send(()).unwrap();
        sleeps.recv().unwrap();
        // The other thread is about to sleep, or does; this task has the run token all the time.
        for _ in 0..1000 {
            std::thread::yield_now();
        }
    });
    assert_eq!(end, Ok(()));
    issued.signal(Ok(()));
}
