// SPDX-License-Identifier: GPL-2.0-only
//! The memory of programs.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)
//!
//! What a program has mapped is a list of regions, and any other address is a bad one, as it would
//! be in Linux. The bytes are only read and written under a lock, here.

use crate::{
    ffi::{c_ulong, c_void},
    may_sleep,
};
use core::ptr::{copy_nonoverlapping, null_mut};
use spin::mutex::SpinMutex;

/// A part of a program's memory.
///
/// # Invariants
///
/// While it is mapped, `len` bytes at `start` are valid and used by nothing but this module.
pub struct user_region {
    start: *mut u8,
    len: usize,
    writable: bool,
    next: *mut user_region,
}

/// The regions of all programs, whose addresses differ.
struct Regions(*mut user_region);

// SAFETY: Regions may be used by any thread.
unsafe impl Send for Regions {}

static REGIONS: SpinMutex<Regions> = SpinMutex::new(Regions(null_mut()));

/// Maps memory for programs, for reading alone or for writing as well. From any context.
///
/// C: `mmap()`.
///
/// # Safety
///
/// `region` is valid for writes, and until it is unmapped used for nothing else; so are the bytes.
pub unsafe fn debug_mmap(region: *mut user_region, start: *mut u8, len: usize, writable: bool) {
    start.expose_provenance();
    let mut regions = REGIONS.lock();
    // SAFETY: The caller's guarantee.
    unsafe {
        region.write(user_region {
            start,
            len,
            writable,
            next: regions.0,
        });
    }
    regions.0 = region;
}

/// Unmaps memory: no call is in it then. From any context.
///
/// # Safety
///
/// It is mapped.
pub unsafe fn debug_munmap(region: *mut user_region) {
    let mut regions = REGIONS.lock();
    let mut at: *mut *mut user_region = &mut regions.0;
    // SAFETY: What is on the list is valid, under the lock; the region is on it.
    unsafe {
        while *at != region {
            at = &raw mut (**at).next;
        }
        *at = (*region).next;
    }
}

/// Calls `f` with where `n` bytes at an address of a program's are; false if they are not mapped,
/// or not for writing.
fn access(addr: usize, n: usize, write: bool, f: impl FnOnce(*mut u8)) -> bool {
    let regions = REGIONS.lock();
    let mut region = regions.0;
    while !region.is_null() {
        // SAFETY: On the list, so it is valid, under the lock.
        let this = unsafe { &*region };
        let at = addr.wrapping_sub(this.start.addr());
        if at <= this.len && n <= this.len - at && (this.writable || !write) {
            f(this.start.wrapping_add(at));
            return true;
        }
        region = this.next;
    }
    n == 0
}

/// Reads a program's memory: the number of bytes that could not be read, which is none or all. May
/// sleep.
///
/// # Safety
///
/// `to` is valid for writes of `n` bytes. `from` may be any address.
#[track_caller]
pub unsafe fn copy_from_user(to: *mut c_void, from: *const c_void, n: c_ulong) -> c_ulong {
    may_sleep();
    // SAFETY: `to` is valid: the caller's guarantee. The other bytes are, by the invariant.
    let copied = access(from.addr(), n, false, |from| unsafe {
        copy_nonoverlapping(from, to.cast(), n);
    });
    if copied {
        0
    } else {
        n
    }
}

/// Writes a program's memory: the number of bytes that could not be written, which is none or all.
/// May sleep.
///
/// # Safety
///
/// `from` is valid for reads of `n` bytes. `to` may be any address.
#[track_caller]
pub unsafe fn copy_to_user(to: *mut c_void, from: *const c_void, n: c_ulong) -> c_ulong {
    may_sleep();
    // SAFETY: `from` is valid: the caller's guarantee. The other bytes are, by the invariant.
    let copied = access(to.addr(), n, true, |to| unsafe {
        copy_nonoverlapping(from.cast(), to, n);
    });
    if copied {
        0
    } else {
        n
    }
}
