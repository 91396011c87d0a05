// SPDX-License-Identifier: GPL-2.0-only
//! The names, which belong to the driver.

use super::{
    super::contract::{self, Call},
    dma_fence, dma_fence_ops, dma_fence_test_signaled_flag,
};
use core::ptr::NonNull;
use kernel::{ffi::c_char, str::CStrExt as _};

/// The ops, as long as their names may be asked for.
///
/// The bit and the pointer may be read in any order: one of them is enough to keep off, and who
/// finds both in time is inside the section that the driver waits for.
///
/// # Safety
///
/// See the module [`bindings`](super). Inside a read-side section.
unsafe fn live_ops(fence: *mut dma_fence) -> Option<NonNull<dma_fence_ops>> {
    // SAFETY: By the safety requirements.
    unsafe {
        let ops = (*fence).ops();
        ops.filter(|_| !dma_fence_test_signaled_flag(fence))
    }
}

/// The name of the driver, or "detached-driver" once the fence has signalled.
///
/// C: `const char __rcu *`: the string is asked for and used inside one read-side section. Rule
/// [names-in-one-rcu-section](../../../book/rules/names-in-one-rcu-section.html).
///
/// # Safety
///
/// See the module [`bindings`](super). Inside a read-side section.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_driver_name(fence: *mut dma_fence) -> *const c_char {
    contract::names_in_one_rcu_section(fence);
    // SAFETY: By the safety requirements; the op is mandatory.
    unsafe {
        match live_ops(fence).and_then(|ops| ops.as_ref().get_driver_name) {
            Some(get_driver_name) => {
                contract::call_begins(fence, Call::GetDriverName);
                let name = get_driver_name(fence);
                contract::call_ends();
                contract::name_given(fence, 0, name);
                contract::name_lent(fence, name);
                name
            }
            None => c"detached-driver".as_char_ptr(),
        }
    }
}

/// The name of the timeline, or "signaled-timeline" once the fence has signalled.
///
/// C: `const char __rcu *`: the string is asked for and used inside one read-side section. Rule
/// [names-in-one-rcu-section](../../../book/rules/names-in-one-rcu-section.html).
///
/// # Safety
///
/// See the module [`bindings`](super). Inside a read-side section.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_timeline_name(fence: *mut dma_fence) -> *const c_char {
    contract::names_in_one_rcu_section(fence);
    // SAFETY: By the safety requirements; the op is mandatory.
    unsafe {
        match live_ops(fence).and_then(|ops| ops.as_ref().get_timeline_name) {
            Some(get_timeline_name) => {
                contract::call_begins(fence, Call::GetTimelineName);
                let name = get_timeline_name(fence);
                contract::call_ends();
                contract::name_given(fence, 1, name);
                contract::name_lent(fence, name);
                name
            }
            None => c"signaled-timeline".as_char_ptr(),
        }
    }
}
