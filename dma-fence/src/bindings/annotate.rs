// SPDX-License-Identifier: GPL-2.0-only
//! Hooks by which the safe API reports to the checks, which Linux does not have, and `BUG()`.
//!
//! From any context. A fence is known by its address alone, so these have no preconditions.

use super::{super::contract, dma_fence, dma_fence_cb};
use core::{ffi::CStr, fmt, panic::Location};

/// Ends the machine, with a message; nothing unwinds, since that would free what readers reach.
#[cold]
#[track_caller]
pub fn __dma_fence_bug(message: fmt::Arguments<'_>) -> ! {
    kernel::bindings::BUG!("{message}")
}

pub use kernel::bindings::{
    debug_fail_point as __dma_fence_debug_point, driver_code as __dma_fence_driver,
};

macro_rules! annotations {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) = $told:expr;)*) => {
        $($(#[$doc])*
        #[inline]
        #[cfg_attr(feature = "debug", track_caller)]
        pub fn $name($($arg: $type),*) {
            $told;
        })*
    };
}

annotations! {
    /// The ops of this fence, which was just initialised, reach the context at this address, its two
    /// names, and data in the fence's own memory.
    __dma_fence_debug_declare(fence: *mut dma_fence, context: usize, names: [&CStr; 2]) =
        contract::declare(fence.cast(), context, names);
    /// The contents of this memory are about to be dropped, without the memory being freed.
    __dma_fence_debug_drop(addr: usize, size: usize) = contract::drop_in_place(addr, size);
    /// The data of a fence is about to be dropped, without the fence's memory being freed.
    __dma_fence_debug_drop_data(fence: *mut dma_fence, addr: usize, size: usize) =
        contract::drop_data(fence.cast(), addr, size);
    /// The fences of this one's context signal in order.
    __dma_fence_debug_in_order(fence: *mut dma_fence) = contract::in_order(fence.cast());
    /// The fence can be found by others than its issuer from now on.
    __dma_fence_debug_publish(fence: *mut dma_fence) = contract::publish(fence.cast());
    /// Reports name `at` as the place where the callback was added.
    __dma_fence_debug_added_at(cb: *mut dma_fence_cb, at: &'static Location<'static>) =
        contract::add_callback_at(cb, at);
    /// The issuer's side of the fence is dropped without having signalled it.
    __dma_fence_debug_cancel(fence: *mut dma_fence) = contract::forget(fence.cast());
}

/// The fence is about to be signalled by its driver, without an error. `progress` returns how far
/// its hardware is, the number that this has to get to, and how many bits both have.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub fn __dma_fence_debug_done(
    fence: *mut dma_fence,
    progress: impl FnOnce() -> Option<(u64, u64, u32)>,
) {
    contract::done(fence.cast(), progress);
}
