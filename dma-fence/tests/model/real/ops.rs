// SPDX-License-Identifier: GPL-2.0-only
//! The ops and the callback through which the implementation calls the user.

use super::{user, ScriptedCallback};
use crate::model::call::{Slot, Spec};
use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_cb, dma_fence_ops};
use core::ptr::null;
use kernel::{
    bindings::{
        krealloc_node_align, ktime_t, spin_is_locked, __GFP_ZERO, GFP_KERNEL, NUMA_NO_NODE,
    },
    ffi::{c_char, c_long},
    str::CStrExt as _,
};

/// The memory of a fence that has these ops.
#[repr(C)]
struct ScriptedFence {
    // First, so that freeing the fence frees all of it.
    base: dma_fence,
    slot: Slot,
}

/// Memory for the fence of a place.
pub(super) fn alloc(slot: Slot) -> *mut dma_fence {
    // SAFETY: No block to replace; the memory has room for what is written.
    unsafe {
        let fence: *mut ScriptedFence = krealloc_node_align(
            null(),
            size_of::<ScriptedFence>(),
            align_of::<ScriptedFence>(),
            GFP_KERNEL | __GFP_ZERO,
            NUMA_NO_NODE,
        )
        .cast();
        assert!(!fence.is_null(), "the host has no memory");
        (&raw mut (*fence).slot).write(slot);
        fence.cast()
    }
}

/// Is the lock of the fence held by anyone?
pub(super) fn lock_held(fence: *mut dma_fence) -> bool {
    // SAFETY: The callers pass fences that are alive, and so are their locks.
    unsafe { spin_is_locked(c::dma_fence_spinlock(fence)) != 0 }
}

static TABLES: [dma_fence_ops; 32] = {
    let mut tables = [const { with(0) }; 32];
    let mut bits = 1;
    while bits < tables.len() {
        tables[bits] = with(bits);
        bits += 1;
    }
    tables
};

const fn with(bits: usize) -> dma_fence_ops {
    dma_fence_ops {
        get_driver_name: Some(get_driver_name),
        get_timeline_name: Some(get_timeline_name),
        enable_signaling: if bits & 1 != 0 {
            Some(enable_signaling)
        } else {
            None
        },
        signaled: if bits & 2 != 0 { Some(signaled) } else { None },
        wait: if bits & 4 != 0 { Some(wait) } else { None },
        release: if bits & 8 != 0 { Some(release) } else { None },
        set_deadline: if bits & 16 != 0 {
            Some(set_deadline)
        } else {
            None
        },
    }
}

/// The ops that a fence has.
pub(super) fn table(spec: &Spec) -> &'static dma_fence_ops {
    let bits = [
        spec.enable_signaling.is_some(),
        spec.signaled.is_some(),
        spec.wait.is_some(),
        spec.release,
        spec.set_deadline,
    ];
    &TABLES[bits
        .iter()
        .rev()
        .fold(0, |n, &bit| n << 1 | usize::from(bit))]
}

/// # Safety
///
/// `fence` was made by [`alloc`] and is not freed.
unsafe fn slot(fence: *mut dma_fence) -> Slot {
    // SAFETY: By the safety requirements.
    unsafe { (*fence.cast::<ScriptedFence>()).slot }
}

/// # Safety
///
/// As [`slot`].
unsafe extern "C" fn get_driver_name(fence: *mut dma_fence) -> *const c_char {
    // SAFETY: By the safety requirements.
    let slot = unsafe { slot(fence) };
    [c"drv-a", c"drv-b", c"drv-c", c"drv-d"][slot].as_char_ptr()
}

/// # Safety
///
/// As [`slot`].
unsafe extern "C" fn get_timeline_name(fence: *mut dma_fence) -> *const c_char {
    // SAFETY: By the safety requirements.
    let slot = unsafe { slot(fence) };
    [c"tl-a", c"tl-b", c"tl-c", c"tl-d"][slot].as_char_ptr()
}

/// # Safety
///
/// As [`slot`].
unsafe extern "C" fn enable_signaling(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    let slot = unsafe { slot(fence) };
    user().is_some_and(|user| user.op_enable_signaling(slot, lock_held(fence)))
}

/// # Safety
///
/// As [`slot`].
unsafe extern "C" fn signaled(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    let slot = unsafe { slot(fence) };
    user().is_some_and(|user| user.op_signaled(slot, lock_held(fence)))
}

/// # Safety
///
/// As [`slot`].
unsafe extern "C" fn wait(fence: *mut dma_fence, intr: bool, timeout: c_long) -> c_long {
    // SAFETY: By the safety requirements.
    let slot = unsafe { slot(fence) };
    let value = user().and_then(|user| user.op_wait(slot, lock_held(fence), timeout as i64, intr));
    match value {
        Some(value) => value as c_long,
        // SAFETY: The caller of the op holds a reference.
        None => unsafe { c::dma_fence_default_wait(fence, intr, timeout) },
    }
}

/// # Safety
///
/// As [`slot`]; the last reference is gone.
unsafe extern "C" fn release(fence: *mut dma_fence) {
    // SAFETY: By the safety requirements.
    let slot = unsafe { slot(fence) };
    if let Some(user) = user() {
        user.op_release(slot, lock_held(fence));
    }
    // SAFETY: By the safety requirements; the memory is from `alloc`.
    unsafe { c::dma_fence_free(fence) };
}

/// # Safety
///
/// As [`slot`].
unsafe extern "C" fn set_deadline(fence: *mut dma_fence, deadline: ktime_t) {
    // SAFETY: By the safety requirements.
    let slot = unsafe { slot(fence) };
    if let Some(user) = user() {
        user.op_set_deadline(slot, lock_held(fence), deadline);
    }
}

/// The function of all callbacks.
///
/// # Safety
///
/// `fence` is as [`slot`] wants it, `cb` the base of a [`ScriptedCallback`].
pub(super) unsafe extern "C" fn callback(fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: By the safety requirements.
    unsafe {
        let (slot, index) = (slot(fence), (*cb.cast::<ScriptedCallback>()).index);
        if let Some(user) = user() {
            user.callback(index, slot, c::dma_fence_error(fence), lock_held(fence));
        }
    }
}
