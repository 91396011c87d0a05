// SPDX-License-Identifier: GPL-2.0-only
//! Tests of threads that run freely, of which something was reported.
//!
//! What is found wrong is found in the midst of what the kernel does, where nothing may unwind. So
//! the test is marked, and panics where a driver calls the kernel's safe half the next time: a
//! place at which the driver itself could panic. A test that comes to none passes as far as its
//! harness knows; the process fails all the same.

use super::{
    cpu::{self, Count},
    vcpu,
};
use core::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    thread,
};

crate::per_thread! {
    /// The number of the test that this thread is or works for; 0 until it is asked for.
    static TEST: Cell<u64> = Cell::new(0);
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// What was said, by the numbers of the tests.
static FAILED: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());

/// How many are in there.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn failed() -> MutexGuard<'static, BTreeMap<u64, String>> {
    super::lock(&FAILED)
}

/// The number of the test that this thread is, or works for.
pub fn this_test() -> u64 {
    if TEST.get() == 0 {
        TEST.set(NEXT.fetch_add(1, Relaxed));
    }
    TEST.get()
}

/// Calls `f` while this thread works for another test: the one that has asked for it.
pub fn work_for<R>(test: u64, f: impl FnOnce() -> R) -> R {
    let before = TEST.replace(test);
    let result = f();
    TEST.set(before);
    result
}

/// Has the test that this thread works for fail, with what was said. From any context.
pub fn fail(said: &str) {
    if vcpu::with(|_| ()).is_none() {
        let mut failed = failed();
        failed.entry(this_test()).or_insert_with(|| said.into());
        COUNT.store(failed.len(), Relaxed);
    }
}

/// Panics if this thread's test is to fail: a driver could do that here.
#[inline]
#[track_caller]
pub fn point() {
    if COUNT.load(Relaxed) != 0 {
        look();
    }
}

#[cold]
#[track_caller]
fn look() {
    let in_interrupt =
        cpu::with(|cpu| cpu.open(Count::Hardirq) != 0 || cpu.open(Count::Softirq) != 0);
    if in_interrupt || thread::panicking() || vcpu::with(|_| ()).is_some() {
        return;
    }
    let mut failed = failed();
    let said = failed.remove(&TEST.get());
    COUNT.store(failed.len(), Relaxed);
    drop(failed);
    if let Some(said) = said {
        panic!("{said}");
    }
}
