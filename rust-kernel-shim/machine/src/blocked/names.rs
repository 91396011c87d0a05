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
        // Who reads the new name finds the old address gone. These pair with the `Acquire`s in
        // `write_name()`. Where two locks are named at the same time, one may get the other's name.
        lock.store(0, Relaxed);
        slot.store(name.cast_mut(), Release);
        lock.store(addr, Release);
    }
}

/// Writes the name of the lock at `addr`, after a space, if it is known.
#[allow(clippy::disallowed_methods, reason = "these are the host's characters")]
pub(super) fn write_name(addr: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    let (lock, name) = place(addr as usize);
    // These pair with the `Release`s in `name_lock()`: the name is that of the address, if it is
    // the same before and after.
    let before = lock.load(Acquire);
    let name = name.load(Acquire);
    if [before, lock.load(Relaxed)] != [addr as usize; 2] || name.is_null() {
        return Ok(());
    }
    // SAFETY: A name that `name_lock()` was given lives forever.
    let name = unsafe { CStr::from_ptr(name) };
    write!(out, " `{}`", name.to_string_lossy())
}
