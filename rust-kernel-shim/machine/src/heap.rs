// SPDX-License-Identifier: GPL-2.0-only
//! Memory by the C allocator, which frees without being told a size, as `kfree()` must.

#[cfg(not(any(feature = "debug", sanitized, loom, miri)))]
mod cache;
/// Blocks come from the C allocator, and go to it.
#[cfg(any(feature = "debug", sanitized, loom, miri))]
mod cache {
    pub(super) use libc::free;

    pub(super) fn clear() {}

    pub(super) fn alloc(bytes: usize) -> *mut super::c_void {
        // SAFETY: Any size may be asked for.
        unsafe { libc::malloc(bytes) }
    }
}

use core::{
    ffi::c_void,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use std::sync::Mutex;

/// Every block is aligned at least so, as `malloc()` promises on the platforms that we know.
const MALLOC_ALIGN: usize = 16;

/// Has this thread keep no free blocks for itself, as one that has just begun.
pub(super) fn begin_anew() {
    cache::clear();
}

/// A fresh block, or null.
pub fn alloc(size: usize, align: usize) -> *mut c_void {
    if align <= MALLOC_ALIGN {
        cache::alloc(size)
    } else {
        let Some(size) = size.checked_next_multiple_of(align) else {
            return core::ptr::null_mut();
        };
        // SAFETY: `align` is a power of two and `size` a multiple of it.
        unsafe { libc::aligned_alloc(align, size) }
    }
}

/// The bytes that a block can hold: at least as many as were asked for.
///
/// # Safety
///
/// `ptr` comes from [`alloc`] and was not freed.
pub unsafe fn usable_size(ptr: *mut c_void) -> usize {
    // SAFETY: `ptr` is a live block of `malloc()`'s: the caller's guarantee.
    unsafe { libc::malloc_usable_size(ptr) }
}

/// What stands in memory of a debug kernel that is freed, as in
/// [`include/linux/poison.h`](srctree/include/linux/poison.h): a task that reads on does not find what
/// was in it.
const POISON_FREE: u8 = 0x6b;

/// True if a section was left open forever, see [`keep`].
static KEEPING: AtomicBool = AtomicBool::new(false);

/// The addresses of what was freed since, so that a leak checker does not take it for lost.
static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// From here on no block goes back to the host: a task that will never run again is inside a
/// section, and what it has reached there may be in use elsewhere; or a block was freed that the
/// kernel itself still needs. Which blocks these are is not
/// known, so it is all that there are; a process in which a machine got stuck ends soon.
pub fn keep() {
    KEEPING.store(true, Relaxed);
}

/// Frees a block.
///
/// # Safety
///
/// `ptr` comes from [`alloc`] and was not freed.
pub unsafe fn free(ptr: *mut c_void) {
    // An updater that has waited for the section's end sees that, see `abandon_section`.
    if KEEPING.load(Relaxed) {
        let mut kept = crate::lock(&KEPT);
        return kept.push(ptr.expose_provenance());
    }
    // SAFETY: `ptr` is a live block of `malloc()`'s, and no task uses it: the caller's guarantee.
    unsafe {
        if cfg!(feature = "debug") {
            ptr.cast::<u8>().write_bytes(POISON_FREE, usable_size(ptr));
        }
        cache::free(ptr);
    }
}
