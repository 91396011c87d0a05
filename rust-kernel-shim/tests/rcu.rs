// SPDX-License-Identifier: GPL-2.0-only
//! RCU as a user sees it, with free threads and under a baton.

#![allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks)]

use kernel::{bindings::*, ffi::c_void, str::CStrExt as _, testing::baton};
use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        Barrier,
    },
    thread,
};

/// Opens a section of some kind and closes it when told.
fn held_up_by(open: fn(), close: fn()) {
    let (opened, closed) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|s| {
        s.spawn(|| {
            open();
            opened.wait();
            // Long enough for a grace period that does not wait to be over.
            for _ in 0..1000 {
                thread::yield_now();
            }
            closed.store(true, SeqCst);
            close();
        });
        opened.wait();
        unsafe { synchronize_rcu() };
        assert!(
            closed.load(SeqCst),
            "the grace period ended inside the section"
        );
    });
}

#[test]
fn readers_hold_up_grace_periods() {
    held_up_by(
        || unsafe { rcu_read_lock() },
        || unsafe { rcu_read_unlock() },
    );
}

#[test]
fn sections_without_preemption_hold_up_grace_periods() {
    held_up_by(preempt_disable, preempt_enable);
}

#[test]
fn sections_without_interrupts_hold_up_grace_periods() {
    held_up_by(
        || {
            local_irq_save();
        },
        || local_irq_restore(0),
    );
}

#[test]
fn only_read_lock_counts_as_held() {
    assert_eq!(rcu_read_lock_held(), 0);
    preempt_disable();
    assert_eq!(rcu_read_lock_held(), 0);
    unsafe { rcu_read_lock() };
    assert_eq!(rcu_read_lock_held(), 1);
    unsafe { rcu_read_unlock() };
    preempt_enable();
    assert_eq!(rcu_read_lock_held(), 0);
}

static CALLED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn count(_head: *mut callback_head) {
    CALLED.fetch_add(1, SeqCst);
}

#[test]
fn barrier_waits_for_callbacks() {
    let mut heads = [callback_head {
        next: core::ptr::null_mut(),
        func: None,
    }; 100];
    for head in &mut heads {
        unsafe { call_rcu(head, Some(count)) };
    }
    unsafe { rcu_barrier() };
    assert_eq!(CALLED.load(SeqCst), 100);
}

/// What two tasks of a machine do, in the order in which they do it.
static ORDER: std::sync::Mutex<Vec<&str>> = std::sync::Mutex::new(Vec::new());

fn note(what: &'static str) {
    ORDER.lock().unwrap().push(what);
}

unsafe extern "C" fn reader(_data: *mut c_void) -> i32 {
    unsafe { rcu_read_lock() };
    note("reader in");
    // Lets the updater run, as a preempted reader would.
    cpu_relax();
    note("reader out");
    unsafe { rcu_read_unlock() };
    0
}

#[test]
fn under_a_baton_a_grace_period_ends_when_nobody_can_run() {
    let done = baton::fifo(|| {
        let task =
            unsafe { kthread_create(reader, core::ptr::null_mut(), c"reader".as_char_ptr()) };
        unsafe { wake_up_process(task) };
        note("updater waits");
        unsafe { synchronize_rcu() };
        note("updater done");
    });
    assert_eq!(done, Ok(()));
    let order = ORDER.lock().unwrap();
    assert_eq!(
        *order,
        ["updater waits", "reader in", "reader out", "updater done"]
    );
}
