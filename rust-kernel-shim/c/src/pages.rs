// SPDX-License-Identifier: GPL-2.0-only
//! Pages of memory.
//!
//! C headers: [`include/linux/gfp.h`](srctree/include/linux/gfp.h),
//! [`include/linux/highmem.h`](srctree/include/linux/highmem.h)
//!
//! A page is where its bytes are, so that mapping it is nothing to do; and there is one node.

use crate::{
    ffi::{c_int, c_uint, c_void},
    gfp_t, kfree, krealloc_node_align, NUMA_NO_NODE,
};
use core::ptr::null;

/// The size of a page is two to the power of this.
pub const PAGE_SHIFT: c_uint = 12;
/// The size of a page, in bytes.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

/// A page.
#[repr(C)]
pub struct page {
    bytes: [u8; PAGE_SIZE],
}

/// Allocates two to the power of `order` pages, one after the other; null if there is no memory. May
/// sleep if the flags say so.
#[track_caller]
pub unsafe fn alloc_pages(flags: gfp_t, order: c_uint) -> *mut page {
    // SAFETY: No block to replace.
    unsafe {
        krealloc_node_align(null(), PAGE_SIZE << order, PAGE_SIZE, flags, NUMA_NO_NODE).cast()
    }
}

/// Frees pages. From any context.
///
/// # Safety
///
/// They are from [`alloc_pages`], as many, and not used any more.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __free_pages(page: *mut page, _order: c_uint) {
    // SAFETY: The caller says so.
    unsafe { kfree(page.cast()) }
}

/// Returns the address of a page's bytes, until [`kunmap_local`]. From any context.
pub unsafe fn kmap_local_page(page: *mut page) -> *mut c_void {
    page.cast()
}

/// Undoes [`kmap_local_page`]; the last one first.
pub unsafe fn kunmap_local(_addr: *const c_void) {}

/// Returns the node of a page.
pub unsafe fn page_to_nid(_page: *const page) -> c_int {
    0
}

/// Returns the page in which an address is that vmalloc() returned, or one behind it.
pub unsafe fn vmalloc_to_page(addr: *const c_void) -> *mut page {
    addr.map_addr(|addr| addr & !(PAGE_SIZE - 1))
        .cast_mut()
        .cast()
}

/// True if memory is mapped page by page: none is, here it is all the slab's.
pub unsafe fn is_vmalloc_addr(_addr: *const c_void) -> bool {
    false
}
