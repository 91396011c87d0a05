// SPDX-License-Identifier: GPL-2.0-only
//! The annotation of code that is needed for fences to signal.
//!
//! It is for lockdep, which this machine does not have yet. A first check of a debug kernel stands
//! in for it: nothing inside may wait for memory or for a fence.

use super::super::contract;

/// Begins a section without which some fence would not signal; returns what
/// [`dma_fence_end_signalling`] needs. They nest. From any context.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_begin_signalling() -> bool {
    contract::begin_signalling();
    true
}

/// Ends such a section.
#[inline]
pub unsafe fn dma_fence_end_signalling(_cookie: bool) {
    contract::end_signalling();
}

/// Says that the caller might wait for a fence.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __dma_fence_might_wait() {
    contract::might_wait();
}
