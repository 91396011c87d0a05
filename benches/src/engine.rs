// SPDX-License-Identifier: GPL-2.0-only
//! What the kernel's C calls where it uses the allocator and the grace periods here.
#![cfg(feature = "peer")]

use kernel::bindings::{self, callback_head, __GFP_ZERO, GFP_KERNEL, NUMA_NO_NODE};
use std::{ffi::c_void, ptr};

#[no_mangle]
unsafe extern "C" fn engine_read_lock() {
    // SAFETY: C pairs it with the other.
    unsafe { bindings::rcu_read_lock() }
}

#[no_mangle]
unsafe extern "C" fn engine_read_unlock() {
    // SAFETY: C pairs it with the other.
    unsafe { bindings::rcu_read_unlock() }
}

#[no_mangle]
unsafe extern "C" fn engine_call_rcu(head: *mut callback_head, func: bindings::rcu_callback_t) {
    // SAFETY: C leaves the head alone until the function is called.
    unsafe { bindings::call_rcu(head, func) }
}

#[no_mangle]
unsafe extern "C" fn engine_synchronize_rcu() {
    // SAFETY: C calls it outside of sections.
    unsafe { bindings::synchronize_rcu() }
}

#[no_mangle]
unsafe extern "C" fn engine_rcu_barrier() {
    // SAFETY: C calls it outside of sections.
    unsafe { bindings::rcu_barrier() }
}

#[no_mangle]
unsafe extern "C" fn engine_alloc(size: usize, zeroed: bool) -> *mut c_void {
    let flags = GFP_KERNEL | if zeroed { __GFP_ZERO } else { 0 };
    // SAFETY: It is a new block.
    unsafe { bindings::krealloc_node_align(ptr::null(), size, 8, flags, NUMA_NO_NODE) }
}

#[no_mangle]
unsafe extern "C" fn engine_free(p: *const c_void) {
    // SAFETY: C frees what it had allocated by the function above.
    unsafe { bindings::kfree(p) }
}

#[no_mangle]
unsafe extern "C" fn engine_realloc(p: *const c_void, size: usize) -> *mut c_void {
    // SAFETY: C has the block from one of these functions.
    unsafe { bindings::krealloc_node_align(p, size, 8, GFP_KERNEL, NUMA_NO_NODE) }
}
