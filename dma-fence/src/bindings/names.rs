// SPDX-License-Identifier: GPL-2.0-only
//! The parts of a fence that belong to the driver: the names, and the table of ops.

use super::{
    super::contract::{self, Call},
    dma_fence, dma_fence_ops,
    fence::{live, SIGNALED},
};
use core::ffi::CStr;
use kernel::{ffi::c_char, str::CStrExt as _, sync::atomic::Relaxed};

/// The type of the ops that return a name.
type NameOp = Option<unsafe extern "C" fn(fence: *mut dma_fence) -> *const c_char>;

/// Returns what `op` of the fence does, or `detached` once the fence has signalled. The driver's name
/// is number 0, the timeline's number 1.
///
/// # Safety
///
/// Inside a read-side section.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn name(
    fence: *mut dma_fence,
    which: usize,
    op: impl Fn(&dma_fence_ops) -> NameOp,
    detached: &'static CStr,
) -> *const c_char {
    // SAFETY: The caller has a reference to the fence.
    let f = unsafe { live(fence) };
    contract::name(f);
    // The pointer and the bit may be read in any order: one of them is enough to keep off, and a
    // reader that finds both in time is inside the section that the driver waits for.
    let ops = f.ops().filter(|_| !f.test(SIGNALED));
    // SAFETY: What was attached inside the caller's section lives until that ends.
    let Some(op) = ops.and_then(|ops| op(unsafe { ops.as_ref() })) else {
        return detached.as_char_ptr();
    };
    contract::call_begin(f, Call::NAMES[which]);
    // SAFETY: The op is called on a fence that has it, inside a read-side section.
    let name = unsafe { op(fence) };
    contract::call_end();
    // SAFETY: What an op returns is a string, which lives as long as the caller's section.
    let string = || unsafe { CStr::from_char_ptr(name) };
    contract::name_returned(f, which, name, string);
    name
}

/// Returns the name of the driver, or "detached-driver" once the fence has signalled.
///
/// C: `const char __rcu *`: the string is asked for and used inside one read-side section. Rule
/// [names-in-one-rcu-section](../../../book/rules/names-in-one-rcu-section.html).
///
/// # Safety
///
/// Inside a read-side section.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_driver_name(fence: *mut dma_fence) -> *const c_char {
    contract::needs_fence!(fence, "dma_fence_driver_name", c"".as_char_ptr());
    // SAFETY: The caller has a reference, and is inside a read-side section.
    unsafe { name(fence, 0, |ops| ops.get_driver_name, c"detached-driver") }
}

/// Returns the name of the timeline, or "signaled-timeline" once the fence has signalled; as
/// [`dma_fence_driver_name`].
///
/// # Safety
///
/// Inside a read-side section.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_timeline_name(fence: *mut dma_fence) -> *const c_char {
    contract::needs_fence!(fence, "dma_fence_timeline_name", c"".as_char_ptr());
    // SAFETY: The caller has a reference, and is inside a read-side section.
    unsafe { name(fence, 1, |ops| ops.get_timeline_name, c"signaled-timeline") }
}

/// Returns the ops if they are attached, else null: `rcu_access_pointer(fence->ops)`.
///
/// Rules [no-ops-identity](../../../book/rules/no-ops-identity.html) and
/// [no-driver-data-after-signal](../../../book/rules/no-driver-data-after-signal.html).
///
/// # Safety
///
/// `fence` is valid. What the result points to is not looked at outside of RCU.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_ops_ptr(fence: *mut dma_fence) -> *const dma_fence_ops {
    // SAFETY: The fence is valid.
    let f = unsafe { live(fence) };
    let ops = f.ops.load(Relaxed);
    if !ops.is_null() {
        contract::ops_ptr(f);
    }
    ops
}

/// True while the ops are attached.
pub unsafe fn dma_fence_has_ops(fence: *mut dma_fence) -> bool {
    // SAFETY: The fence is valid.
    !unsafe { live(fence) }.ops.load(Relaxed).is_null()
}
