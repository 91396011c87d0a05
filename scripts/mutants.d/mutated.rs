// SPDX-License-Identifier: GPL-2.0-only
//! Says which mutation was chosen; the rewritten functions ask.
//!
//! `MUTATED` is the number of the mutation. `MUTATED_COVERAGE` names a file of a byte for each,
//! which becomes 1 where a mutation was asked for. Nothing here allocates or locks: the functions
//! that ask may be an allocator's, or a lock's.

use std::{
    ffi::{c_char, c_int, c_long, c_void, CStr},
    ptr,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed},
};

extern "C" {
    fn getenv(name: *const c_char) -> *const c_char;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn lseek(fd: c_int, offset: c_long, whence: c_int) -> c_long;
    fn mmap(at: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: c_long)
        -> *mut c_void;
}

const UNREAD: usize = usize::MAX;
const NONE: usize = usize::MAX - 1;
static CHOSEN: AtomicUsize = AtomicUsize::new(UNREAD);
static COVERAGE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// Whether the function that asks is to return at once. Deprecated so that the compiler's warnings
/// name the places that are part of the build.
#[deprecated]
#[inline]
pub fn mutated(id: usize) -> bool {
    let mut chosen = CHOSEN.load(Relaxed);
    if chosen == UNREAD {
        chosen = read();
    }
    let coverage = COVERAGE.load(Relaxed);
    if !coverage.is_null() {
        // SAFETY: The file has a byte for each mutation, and stays mapped. Other threads write the
        // same number.
        unsafe { coverage.add(id).write_volatile(1) };
    }
    chosen == id
}

#[cold]
fn read() -> usize {
    // SAFETY: The names are NUL-terminated, and nothing changes the environment; what `getenv()`
    // returns is a string then. The file is mapped whole, for reading and writing, and stays so.
    unsafe {
        let path = getenv(c"MUTATED_COVERAGE".as_ptr());
        if !path.is_null() {
            let fd = open(path, 2);
            let mapped = mmap(ptr::null_mut(), lseek(fd, 0, 2) as usize, 3, 1, fd, 0);
            assert_ne!(mapped as isize, -1, "the coverage file cannot be mapped");
            COVERAGE.store(mapped.cast(), Relaxed);
        }
        let id = getenv(c"MUTATED".as_ptr());
        let id = if id.is_null() { "" } else { CStr::from_ptr(id).to_str().unwrap_or("") };
        let id = id.parse().unwrap_or(NONE);
        CHOSEN.store(id, Relaxed);
        id
    }
}
