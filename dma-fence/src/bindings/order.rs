// SPDX-License-Identifier: GPL-2.0-only
//! Which of two fences of a context is later.

use super::{super::contract, dma_fence, dma_fence_is_signaled, fence::live, fence::SEQNO64};
use core::ptr::null_mut;
use kernel::WARN_ON;

/// True if number `f1` is later than `f2`, in the way in which the numbers of `fence` compare: as
/// 32 bits with wraparound, or with all 64. From any context.
#[inline]
pub unsafe fn __dma_fence_is_later(fence: *mut dma_fence, f1: u64, f2: u64) -> bool {
    // SAFETY: The caller has a reference to the fence.
    if unsafe { live(fence) }.test(SEQNO64) {
        f1 > f2
    } else {
        // CAST: The low halves are what counts, and the sign of their difference.
        (f1 as u32).wrapping_sub(f2 as u32).cast_signed() > 0
    }
}

/// True if `f1` is later than `f2`; false, with a warning, if their contexts differ. From any
/// context.
///
/// Rule [compare-same-context](../../../book/rules/compare-same-context.html).
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_is_later(f1: *mut dma_fence, f2: *mut dma_fence) -> bool {
    contract::needs_fence!(f1, "dma_fence_is_later", false);
    contract::needs_fence!(f2, "dma_fence_is_later", false);
    // SAFETY: The caller has references to both fences.
    unsafe {
        contract::is_later(live(f1), live(f2));
        if WARN_ON!((*f1).context != (*f2).context) {
            return false;
        }
        __dma_fence_is_later(f1, (*f1).seqno, (*f2).seqno)
    }
}

/// As [`dma_fence_is_later`], or true if they are the same fence.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_is_later_or_same(f1: *mut dma_fence, f2: *mut dma_fence) -> bool {
    // SAFETY: The caller has references to both fences.
    f1 == f2 || unsafe { dma_fence_is_later(f1, f2) }
}

/// The later one, or null if that has signalled; null, with a warning, if their contexts differ.
/// Polls as [`dma_fence_is_signaled`] does.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_later(f1: *mut dma_fence, f2: *mut dma_fence) -> *mut dma_fence {
    contract::needs_fence!(f1, "dma_fence_later", null_mut());
    contract::needs_fence!(f2, "dma_fence_later", null_mut());
    // SAFETY: The caller has references to both fences.
    unsafe {
        contract::is_later(live(f1), live(f2));
        if WARN_ON!((*f1).context != (*f2).context) {
            return null_mut();
        }
        let later = if dma_fence_is_later(f1, f2) { f1 } else { f2 };
        if dma_fence_is_signaled(later) {
            null_mut()
        } else {
            later
        }
    }
}
