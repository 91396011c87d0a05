// SPDX-License-Identifier: GPL-2.0-only
//! Numbers for contexts.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use kernel::{ffi::c_uint, WARN_ON};

/// 0 is the stubs' context.
static dma_fence_context_counter: AtomicU64 = AtomicU64::new(1);

/// Returns the first of `num` consecutive context numbers that no other context has. From any
/// context.
///
/// Warns if `num` is 0.
pub unsafe fn dma_fence_context_alloc(num: c_uint) -> u64 {
    WARN_ON!(num == 0);
    dma_fence_context_counter.fetch_add(num.into(), Relaxed)
}
