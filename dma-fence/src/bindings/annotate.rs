// SPDX-License-Identifier: GPL-2.0-only
//! What the safe half says to the contract room; Linux has nobody to tell.

use super::{super::contract, dma_fence, dma_fence_cb};
use core::panic::Location;

/// The ops of this fence reach a context, two names, and data in the fence, which stand there. From
/// any context.
///
/// # Safety
///
/// `fence` was just initialised.
#[inline]
pub unsafe fn __dma_fence_debug_reaches(
    fence: *mut dma_fence,
    context: usize,
    names: [usize; 2],
    data: usize,
) {
    contract::declare(fence, context, names, data);
}

/// What stands in this memory is about to be dropped, without being freed itself. From any context.
///
/// # Safety
///
/// None; unsafe as every binding is.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __dma_fence_debug_drops(addr: usize, size: usize) {
    contract::drop_in_place(addr, size);
}

/// The fence may be seen by others from now on. From any context.
///
/// # Safety
///
/// See the module [`bindings`](super).
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __dma_fence_publishes(fence: *mut dma_fence) {
    contract::publish(fence);
}

/// Whoever wanted the callback that was just added did so there. From any context.
///
/// # Safety
///
/// None; unsafe as every binding is. `cb` is compared only.
#[inline]
pub unsafe fn __dma_fence_added_at(cb: *mut dma_fence_cb, at: &'static Location<'static>) {
    contract::add_callback_at(cb, at);
}

/// The issuer of the fence goes without having signalled it. From any context.
///
/// # Safety
///
/// See the module [`bindings`](super).
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __dma_fence_debug_forgets(fence: *mut dma_fence) {
    contract::forget(fence);
}
