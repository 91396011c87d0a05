// SPDX-License-Identifier: GPL-2.0-only
//! Fences that are made of others, known by their ops.
//!
//! C headers: [`include/linux/dma-fence-array.h`](srctree/include/linux/dma-fence-array.h),
//! [`include/linux/dma-fence-chain.h`](srctree/include/linux/dma-fence-chain.h)
//!
//! There is no way to make one yet; so far only the question can be asked.

use super::{dma_fence, dma_fence_ops};
use core::{ptr, sync::atomic::Ordering::Relaxed};
use kernel::{ffi::c_char, str::CStrExt as _};

macro_rules! name {
    ($function:ident, $name:literal) => {
        /// # Safety
        ///
        /// None; the type of an op asks for it.
        unsafe extern "C" fn $function(_fence: *mut dma_fence) -> *const c_char {
            $name.as_char_ptr()
        }
    };
}

name!(dma_fence_array_get_driver_name, c"dma_fence_array");
name!(dma_fence_chain_get_driver_name, c"dma_fence_chain");
name!(get_timeline_name, c"unbound");

/// The ops of arrays.
pub static dma_fence_array_ops: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(dma_fence_array_get_driver_name),
    get_timeline_name: Some(get_timeline_name),
    enable_signaling: None,
    signaled: None,
    wait: None,
    release: None,
    set_deadline: None,
};

/// The ops of links of chains.
pub static dma_fence_chain_ops: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(dma_fence_chain_get_driver_name),
    get_timeline_name: Some(get_timeline_name),
    enable_signaling: None,
    signaled: None,
    wait: None,
    release: None,
    set_deadline: None,
};

/// # Safety
///
/// See the module [`bindings`](super).
unsafe fn has_ops(fence: *mut dma_fence, ops: &dma_fence_ops) -> bool {
    // SAFETY: By the safety requirements.
    ptr::eq(unsafe { &*fence }.ops.load(Relaxed), ops)
}

/// True if the fence is an array. From any context.
///
/// # Safety
///
/// See the module [`bindings`](super).
pub unsafe fn dma_fence_is_array(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { has_ops(fence, &dma_fence_array_ops) }
}

/// True if the fence is a link of a chain. From any context.
///
/// # Safety
///
/// See the module [`bindings`](super).
pub unsafe fn dma_fence_is_chain(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { has_ops(fence, &dma_fence_chain_ops) }
}

/// True if the fence is made of others. From any context.
///
/// # Safety
///
/// See the module [`bindings`](super).
pub unsafe fn dma_fence_is_container(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { dma_fence_is_array(fence) || dma_fence_is_chain(fence) }
}
