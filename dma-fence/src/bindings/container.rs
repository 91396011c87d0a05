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

macro_rules! ops {
    ($(#[$doc:meta])* $ops:ident, $driver_name:literal) => {
        $(#[$doc])*
        pub static $ops: dma_fence_ops = {
            extern "C" fn driver_name(_fence: *mut dma_fence) -> *const c_char {
                $driver_name.as_char_ptr()
            }
            extern "C" fn timeline_name(_fence: *mut dma_fence) -> *const c_char {
                c"unbound".as_char_ptr()
            }
            dma_fence_ops {
                get_driver_name: Some(driver_name),
                get_timeline_name: Some(timeline_name),
                ..pin_init::zeroed()
            }
        };
    };
}

ops!(
    /// The ops of arrays.
    dma_fence_array_ops, c"dma_fence_array"
);
ops!(
    /// The ops of links of chains.
    dma_fence_chain_ops, c"dma_fence_chain"
);

unsafe fn has_ops(fence: *mut dma_fence, ops: &dma_fence_ops) -> bool {
    // SAFETY: The caller has a reference to the fence.
    ptr::eq(unsafe { &*fence }.ops.load(Relaxed), ops)
}

/// True if the fence is an array. From any context.
pub unsafe fn dma_fence_is_array(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference to the fence.
    unsafe { has_ops(fence, &dma_fence_array_ops) }
}

/// True if the fence is a link of a chain. From any context.
pub unsafe fn dma_fence_is_chain(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference to the fence.
    unsafe { has_ops(fence, &dma_fence_chain_ops) }
}

/// True if the fence is made of others. From any context.
pub unsafe fn dma_fence_is_container(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference to the fence.
    unsafe { dma_fence_is_array(fence) || dma_fence_is_chain(fence) }
}
