// SPDX-License-Identifier: GPL-2.0-only
//! Names of locks, by their addresses.
//!
//! The names are literals, so they are there forever; of two locks that fall into the same place
//! the one initialised first has lost its name. So there is nothing to free, and no lock.

use core::{
    ffi::{c_char, CStr},
    fmt, ptr,
    sync::atomic::{
        AtomicPtr, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

const PLACES: usize = 4096;

static NAMES: [(AtomicUsize, AtomicPtr<c_char>); PLACES] =
    [const { (AtomicUsize::new(0), AtomicPtr::new(ptr::null_mut())) }; PLACES];

fn place(addr: usize) -> &'static (AtomicUsize, AtomicPtr<c_char>) {
    // Fibonacci hashing: locks are aligned, and their addresses close to each other.
    let hash = (addr as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
    &NAMES[hash as usize % PLACES]
}

/// The lock at this address has a name, or none if that is null. From any context.
///
/// # Safety
///
/// The name is NUL-terminated, and lives forever.
pub unsafe fn name_lock(addr: usize, name: *const c_char) {
    if !super::ON {
        return;
    }
    let (lock, slot) = place(addr);
    if !name.is_null() || lock.load(Relaxed) == addr {
        slot.store(name.cast_mut(), Relaxed);
        // Pairs with the `Acquire` in `write_name()`: who sees the address sees the name. Where two
        // locks are named at the same time, one may get the other's name.
        lock.store(addr, Release);
    }
}

/// Writes the name of the lock at `addr`, after a space, if it is known.
#[allow(clippy::disallowed_methods, reason = "these are the host's characters")]
pub(super) fn write_name(addr: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    let (lock, name) = place(addr as usize);
    // Pairs with the `Release` in `name_lock()`.
    if lock.load(Acquire) as u64 != addr {
        return Ok(());
    }
    let name = name.load(Relaxed);
    if name.is_null() {
        return Ok(());
    }
    // SAFETY: A name that `name_lock()` was given lives forever.
    let name = unsafe { CStr::from_ptr(name) };
    write!(out, " `{}`", name.to_string_lossy())
}
