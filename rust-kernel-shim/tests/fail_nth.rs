// SPDX-License-Identifier: GPL-2.0-only
//! Allocations of other tasks fail, each in its turn.

#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    sync::{Arc, Completion},
    testing::{
        explore,
        memory::{fail_nth, fail_nth_in},
        vcpu,
    },
    workqueue,
};

/// Has a worker allocate twice, after the caller has; returns which of the three went well.
fn allocate() -> [bool; 3] {
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
    let results = Arc::pin_init(kernel::new_mutex!([false; 3]), GFP_KERNEL).unwrap();
    let (told, its) = (done.clone(), results.clone());
    let works = move || {
        let went = [(); 2].map(|()| KBox::new(1, GFP_KERNEL).is_ok());
        its.lock()[1..].copy_from_slice(&went);
        told.complete_all();
    };
    workqueue::system().try_spawn(GFP_KERNEL, works).unwrap();
    let own = KBox::new(1, GFP_KERNEL).is_ok();
    results.lock()[0] = own;
    done.wait_for_completion();
    let results = *results.lock();
    results
}

fn each_in_its_turn() {
    let all = [true; 3];
    assert_eq!(
        fail_nth_in("kworker", 1, allocate),
        ([true, false, true], true)
    );
    assert_eq!(
        fail_nth_in("kworker", 2, allocate),
        ([true, true, false], true)
    );
    assert_eq!(fail_nth_in("kworker", 3, allocate), (all, false));
    assert_eq!(fail_nth_in("kworker", 0, allocate), (all, false));
    assert_eq!(fail_nth_in("kworker/H", 1, allocate), (all, false));
    // Over when it returns.
    assert_eq!(allocate(), all);
    // Of two that are nested the inner one has its turn first.
    let (results, reached) = fail_nth_in("kworker", 1, || {
        (fail_nth_in("kworker", 2, allocate), allocate())
    });
    assert_eq!(results, (([true, true, false], true), [true, false, true]));
    assert!(reached);
}

#[test]
fn of_a_worker_in_order() {
    assert_eq!(vcpu::fifo(each_in_its_turn), Ok(()));
}

#[test]
fn of_a_worker_under_every_schedule() {
    explore(each_in_its_turn);
}

#[test]
fn of_all_tasks() {
    let failed = vcpu::fifo(|| {
        let own = || KBox::new(1, GFP_KERNEL).is_err();
        // The completion, the results, the work, the caller's, and two of the worker.
        let reached = |nth| fail_nth_in("", nth, allocate);
        assert_eq!(reached(4), ([false, true, true], true));
        assert_eq!(reached(6), ([true, true, false], true));
        assert_eq!(reached(7), ([true; 3], false));
        fail_nth_in("", 1, own)
    });
    assert_eq!(failed, Ok((true, true)));
    // The caller's own alone.
    assert_eq!(
        vcpu::fifo(|| fail_nth(4, allocate)),
        Ok(([false, true, true], true))
    );
}

#[test]
#[should_panic(expected = "among threads that run freely")]
fn not_of_other_tests() {
    fail_nth_in("kworker", 1, || ());
}
