// SPDX-License-Identifier: GPL-2.0-only
//! Numbers for contexts.

use super::super::contract;
use kernel::{
    ffi::c_uint,
    sync::atomic::{Atomic, Full},
    WARN_ON,
};

kernel::bindings::global! {
    /// 0 is the stubs' context.
    static dma_fence_context_counter: Atomic<u64> = Atomic::new(1);
}

/// Returns the first of `num` consecutive context numbers that no other context has. From any
/// context.
///
/// Warns if `num` is 0.
pub unsafe fn dma_fence_context_alloc(num: c_uint) -> u64 {
    contract::context_alloc();
    WARN_ON!(num == 0);
    // Pairs with nothing here: fully ordered as C's `atomic64_fetch_add()`.
    dma_fence_context_counter.fetch_add(u64::from(num), Full)
}
