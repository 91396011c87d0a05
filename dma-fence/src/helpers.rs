// SPDX-License-Identifier: GPL-2.0-only
//! The functions that have another shape in the kernel's bindings than in C.
//!
//! C header: [`include/linux/dma-fence.h`](srctree/include/linux/dma-fence.h)
//!
//! What is inline or a macro in C has a helper there, from which bindgen makes what Rust sees; some
//! take their arguments in another way. [`bindings`] is C, which drivers here are written against;
//! a file that was written for the kernel finds these in front of it.
//!
//! # Safety
//!
//! As of the functions of the same names in [`bindings`]; `flags` is valid for reads and writes.

// What is needed of all functions is said above, once.
#![allow(clippy::missing_safety_doc)]

use super::bindings::{self, dma_fence};
use kernel::ffi::c_ulong;

/// Takes another reference.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_get(fence: *mut dma_fence) {
    // SAFETY: The caller's guarantee.
    unsafe { bindings::dma_fence_get(fence) };
}

/// Takes the lock with interrupts off; whether they were on is in `flags` then.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_lock_irqsave(fence: *mut dma_fence, flags: *mut c_ulong) {
    // SAFETY: The caller's guarantees.
    unsafe { flags.write(bindings::dma_fence_lock_irqsave(fence)) };
}

/// Ends what [`dma_fence_lock_irqsave`] began.
#[inline]
pub unsafe fn dma_fence_unlock_irqrestore(fence: *mut dma_fence, flags: *mut c_ulong) {
    // SAFETY: The caller's guarantees.
    unsafe { bindings::dma_fence_unlock_irqrestore(fence, flags.read()) };
}
