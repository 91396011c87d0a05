// SPDX-License-Identifier: GPL-2.0-only
//! A bug ends the machine, and nothing unwinds: no destructor runs, and no caller catches it.
#![forbid(unsafe_code)]

use kernel::{
    new_mutex,
    prelude::*,
    sync::{LockedBy, Mutex},
    testing::{
        vcpu::{fifo, Stuck},
        Explorer, Outcome,
    },
};
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

static UNWOUND: AtomicBool = AtomicBool::new(false);

/// Notes that it was dropped.
struct Notes;

impl Drop for Notes {
    fn drop(&mut self) {
        UNWOUND.store(true, Relaxed);
        eprintln!("it was unwound");
    }
}

fn lock() -> Pin<KBox<Mutex<i32>>> {
    KBox::pin_init(new_mutex!(1), GFP_KERNEL).unwrap()
}

/// Opens data with the wrong lock, where a panic would be caught.
fn bug() {
    let (right, wrong) = (lock(), lock());
    let data = LockedBy::new(&right, 7);
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _notes = Notes;
        *data.access(&*wrong.lock())
    }));
    eprintln!("it was caught");
}

fn ended_at_bug(said: &str) {
    assert!(
        said.starts_with("kernel BUG at ") && said.contains("tests/end.rs:"),
        "{said}"
    );
    assert!(said.ends_with(": mismatched owners"), "{said}");
    assert!(!UNWOUND.load(Relaxed));
}

#[test]
fn a_bug_ends_a_machine() {
    match fifo(bug) {
        Err(Stuck::Bug(said)) => ended_at_bug(&said),
        end => panic!("{end:?}"),
    }
    // Others have machines of their own.
    assert_eq!(fifo(|| 7), Ok(7));
}

#[test]
fn a_bug_ends_a_schedule() {
    let end = Explorer::new().schedules(2).run(bug);
    match end.map_err(|failure| failure.outcome) {
        Err(Outcome::Bug(said)) => ended_at_bug(&said),
        end => panic!("{end:?}"),
    }
}

#[test]
#[ignore = "ends its process: run by a_bug_ends_all_free_threads()"]
fn bug_of_a_free_thread() {
    bug();
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_bug_ends_all_free_threads() {
    // Without --nocapture: what the machine says last is seen all the same.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bug_of_a_free_thread", "--ignored"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains(": mismatched owners\n"), "{said}");
    assert!(said.contains("  thread bug_of_a_free_thread\n"), "{said}");
    assert!(!said.contains("it was"), "{said}");
}
