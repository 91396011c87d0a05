// SPDX-License-Identifier: GPL-2.0-only
//! The annotation of code that is needed for fences to signal.
//!
//! It is for lockdep alone, which this machine does not have yet: as in a kernel without it, the
//! calls do nothing.

/// Begins a section without which some fence would not signal; returns what
/// [`dma_fence_end_signalling`] needs. They nest. From any context.
#[inline]
pub unsafe fn dma_fence_begin_signalling() -> bool {
    true
}

/// Ends such a section.
#[inline]
pub unsafe fn dma_fence_end_signalling(_cookie: bool) {}

/// Says that the caller might wait for a fence.
#[inline]
pub unsafe fn __dma_fence_might_wait() {}
