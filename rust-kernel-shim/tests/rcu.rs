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
    held_up_by(
        || unsafe { preempt_disable() },
        || unsafe { preempt_enable() },
    );
}

#[test]
fn sections_without_interrupts_hold_up_grace_periods() {
    held_up_by(
        || {
            unsafe { local_irq_save() };
        },
        || unsafe { local_irq_restore(0) },
    );
}

#[test]
fn only_read_lock_counts_as_held() {
    assert_eq!(unsafe { rcu_read_lock_held() }, 0);
    unsafe { preempt_disable() };
    assert_eq!(unsafe { rcu_read_lock_held() }, 0);
    unsafe { rcu_read_lock() };
    assert_eq!(unsafe { rcu_read_lock_held() }, 1);
    unsafe { rcu_read_unlock() };
    unsafe { preempt_enable() };
    assert_eq!(unsafe { rcu_read_lock_held() }, 0);
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
    unsafe { cpu_relax() };
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

/// Waits for itself, if it were let.
unsafe extern "C" fn waits(head: *mut callback_head) {
    let function = unsafe { *head.cast::<Waits>() }.function;
    unsafe { function() };
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Waits {
    head: callback_head,
    function: unsafe fn(),
}

/// A program of its own: a BUG in a callback ends it.
#[test]
#[ignore = "run by the test below"]
fn callback_that_waits() {
    let (under_a_baton, function) = match std::env::var("CALLBACK_WAITS").as_deref() {
        Ok("barrier") => (false, rcu_barrier as unsafe fn()),
        Ok("barrier-baton") => (true, rcu_barrier as unsafe fn()),
        Ok("grace-period") => (false, synchronize_rcu as unsafe fn()),
        Ok("grace-period-baton") => (true, synchronize_rcu as unsafe fn()),
        other => panic!("{other:?}"),
    };
    let queue = move || {
        let head = callback_head {
            next: std::ptr::null_mut(),
            func: None,
        };
        let waits_too = Box::leak(Box::new(Waits { head, function }));
        unsafe {
            call_rcu(std::ptr::from_mut(waits_too).cast(), Some(waits));
            rcu_barrier();
        }
    };
    if under_a_baton {
        let _ = baton::fifo(queue);
    } else {
        queue();
    }
}

#[test]
fn a_callback_that_waits_for_itself_is_a_bug() {
    for (case, function) in [
        ("barrier", "rcu_barrier"),
        ("barrier-baton", "rcu_barrier"),
        ("grace-period", "synchronize_rcu"),
        ("grace-period-baton", "synchronize_rcu"),
    ] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "callback_that_waits", "--ignored", "--nocapture"])
            .env("CALLBACK_WAITS", case)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{case}: {err}");
        let message = format!("{function}() in an RCU callback, whose end it would wait for");
        assert!(err.contains(&message), "{case}: {err}");
    }
}
