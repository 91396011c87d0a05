// SPDX-License-Identifier: GPL-2.0-only
//! Where threads run that do an operation together.
//!
//! Two threads on one processor wait for each other otherwise than two on processors of their own,
//! and where the host puts them is chance: so each is put where it belongs.

use nix::{
    sched::{sched_getaffinity, sched_setaffinity, CpuSet},
    unistd::Pid,
};
use std::sync::OnceLock;

/// The calling thread, as the host has it.
const THIS: Pid = Pid::from_raw(0);

/// The processors that this process may use, and their numbers.
fn all() -> (&'static CpuSet, &'static [usize]) {
    static ALL: OnceLock<(CpuSet, Vec<usize>)> = OnceLock::new();
    let (all, numbers) = ALL.get_or_init(|| {
        let all = sched_getaffinity(THIS).unwrap_or_default();
        let is_one = |&cpu: &usize| all.is_set(cpu).unwrap_or(false);
        (all, (0..CpuSet::count()).filter(is_one).collect())
    });
    (all, numbers)
}

/// Puts the calling thread on that one alone. Where the host refuses, it stays where it is.
fn put_on(cpu: usize) {
    let mut one = CpuSet::new();
    let _ = one.set(cpu).and_then(|()| sched_setaffinity(THIS, &one));
}

/// Calls `f` with the thread on the first processor, if there are more.
pub(crate) fn on_the_first<R>(f: impl FnOnce() -> R) -> R {
    if let (_, [first, _, ..]) = all() {
        put_on(*first);
    }
    let result = f();
    let _ = sched_setaffinity(THIS, all().0);
    result
}

/// Puts the calling thread, which works with one on the first processor, on the second.
#[no_mangle]
pub(crate) extern "C" fn on_the_second() {
    if let (_, [_, second, ..]) = all() {
        put_on(*second);
    }
}

/// Puts the calling thread, and those that it makes, on the last processor: it is the least busy, often.
pub(crate) fn on_the_last() {
    if let (_, [.., last]) = all() {
        put_on(*last);
    }
}
