// SPDX-License-Identifier: GPL-2.0-only
//! Memory by the C allocator, which frees without being told a size, as `kfree()` must.

use core::ffi::c_void;

/// Every block is aligned at least so, as `malloc()` promises on the platforms that we know.
const MALLOC_ALIGN: usize = 16;

/// A fresh block, or null.
pub fn alloc(size: usize, align: usize) -> *mut c_void {
    if align <= MALLOC_ALIGN {
        // SAFETY: Any size may be asked for.
        unsafe { libc::malloc(size) }
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
    // SAFETY: By the safety requirements.
    unsafe { libc::malloc_usable_size(ptr) }
}

/// Frees a block.
///
/// # Safety
///
/// `ptr` comes from [`alloc`] and was not freed.
pub unsafe fn free(ptr: *mut c_void) {
    // SAFETY: By the safety requirements.
    unsafe { libc::free(ptr) }
}
