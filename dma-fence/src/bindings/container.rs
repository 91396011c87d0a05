// SPDX-License-Identifier: GPL-2.0-only
//! Fences that are made of others, known by their ops.
//!
//! C headers: [`include/linux/dma-fence-array.h`](srctree/include/linux/dma-fence-array.h),
//! [`include/linux/dma-fence-chain.h`](srctree/include/linux/dma-fence-chain.h),
//! [`include/linux/dma-fence-unwrap.h`](srctree/include/linux/dma-fence-unwrap.h)

mod array;
mod chain;
mod unwrap;

pub use self::{array::*, chain::*, unwrap::*};

use super::{super::contract, dma_fence, dma_fence_ops, fence::live};
use core::ptr;
use kernel::sync::atomic::Relaxed;

unsafe fn has_ops(fence: *mut dma_fence, ops: &dma_fence_ops) -> bool {
    // Relaxed: it is only compared.
    // SAFETY: The caller has a reference to the fence.
    ptr::eq(unsafe { live(fence) }.ops.load(Relaxed), ops)
}

/// True if the fence is an array. From any context.
pub unsafe fn dma_fence_is_array(fence: *mut dma_fence) -> bool {
    contract::needs_fence!(fence, "dma_fence_is_array", false);
    // SAFETY: The caller has a reference to the fence.
    unsafe { has_ops(fence, &dma_fence_array_ops) }
}

/// True if the fence is a node of a chain. From any context.
pub unsafe fn dma_fence_is_chain(fence: *mut dma_fence) -> bool {
    contract::needs_fence!(fence, "dma_fence_is_chain", false);
    // SAFETY: The caller has a reference to the fence.
    unsafe { has_ops(fence, &dma_fence_chain_ops) }
}

/// True if the fence is made of others. From any context.
pub unsafe fn dma_fence_is_container(fence: *mut dma_fence) -> bool {
    contract::needs_fence!(fence, "dma_fence_is_container", false);
    // SAFETY: The caller has a reference to the fence.
    unsafe { dma_fence_is_array(fence) || dma_fence_is_chain(fence) }
}
