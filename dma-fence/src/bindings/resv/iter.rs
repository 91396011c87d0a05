// SPDX-License-Identifier: GPL-2.0-only
//! The fences of a reservation object, one after the other.

use super::{
    dma_fence, dma_fence_put, dma_resv, dma_resv_assert_held, dma_resv_list, dma_resv_usage,
    fences_list,
};
use crate::bindings::{dma_fence_get_rcu, state::is_signaled_in_section};
use core::{mem::replace, ptr::null_mut};
use kernel::{
    ffi::c_uint,
    sync::{
        atomic::{Acquire, Relaxed},
        rcu,
    },
};

/// Where a reader is in a list.
#[repr(C)]
pub struct dma_resv_iter {
    /// The object.
    pub obj: *mut dma_resv,
    /// The fences of this usage and of those before it are wanted.
    pub usage: dma_resv_usage,
    /// The present fence, with a reference, if the lock is not held; null if there is none.
    pub fence: *mut dma_fence,
    /// Its usage.
    pub fence_usage: dma_resv_usage,
    /// The index of the next.
    pub index: c_uint,
    /// The list, for a holder of the lock. For others its number: it may be gone between two steps.
    pub(super) fences: *mut dma_resv_list,
    /// How many fences it had.
    pub num_fences: c_uint,
    /// All that was found before counts no more.
    pub is_restarted: bool,
}

impl dma_resv_iter {
    /// Memory for [`dma_resv_iter_begin`].
    pub const fn new() -> Self {
        Self {
            obj: null_mut(),
            usage: 0,
            fence: null_mut(),
            fence_usage: 0,
            index: 0,
            fences: null_mut(),
            num_fences: 0,
            is_restarted: false,
        }
    }
}

impl Default for dma_resv_iter {
    fn default() -> Self {
        Self::new()
    }
}

/// Begins to read the fences of a usage and of those before it.
///
/// # Safety
///
/// The cursor is valid for writes.
pub unsafe fn dma_resv_iter_begin(
    cursor: *mut dma_resv_iter,
    obj: *mut dma_resv,
    usage: dma_resv_usage,
) {
    // SAFETY: The cursor is valid for writes.
    unsafe {
        (*cursor).obj = obj;
        (*cursor).usage = usage;
        (*cursor).fence = null_mut();
    }
}

/// Ends the reading: drops the reference to the present fence.
///
/// # Safety
///
/// The reading has begun.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_iter_end(cursor: *mut dma_resv_iter) {
    // SAFETY: The reference is the cursor's.
    unsafe { dma_fence_put((*cursor).fence) };
}

/// Returns the usage of the present fence.
///
/// # Safety
///
/// There is one.
pub unsafe fn dma_resv_iter_usage(cursor: *mut dma_resv_iter) -> dma_resv_usage {
    // SAFETY: The cursor is valid.
    unsafe { (*cursor).fence_usage }
}

/// True if the present fence is the first, maybe once more: all that was found before counts no more.
///
/// # Safety
///
/// There is a present fence.
pub unsafe fn dma_resv_iter_is_restarted(cursor: *mut dma_resv_iter) -> bool {
    // SAFETY: The cursor is valid.
    unsafe { (*cursor).is_restarted }
}

/// Begins anew; returns the list.
///
/// # Safety
///
/// The reading has begun, and this is a read-side section.
#[inline(never)]
unsafe fn restart_unlocked(cursor: *mut dma_resv_iter) -> *mut dma_resv_list {
    // SAFETY: A list that is found lives until the section ends.
    unsafe {
        let list = fences_list((*cursor).obj);
        (*cursor).index = 0;
        (*cursor).fences = dma_resv_list::number(list);
        // Pairs with the `Release` in `dma_resv_add_fence()`.
        (*cursor).num_fences = list
            .as_ref()
            .map_or(0, |list| list.num_fences.load(Acquire));
        (*cursor).is_restarted = true;
        list
    }
}

/// Goes to the next fence of the usage that has not signalled, and takes a reference; returns the list
/// that it is in.
///
/// # Safety
///
/// The reading has begun, of this list, which was found in this read-side section.
#[cfg_attr(feature = "debug", track_caller)]
#[inline(always)]
unsafe fn walk_unlocked(
    cursor: *mut dma_resv_iter,
    mut list: *mut dma_resv_list,
) -> *mut dma_resv_list {
    // SAFETY: The list lives until the section ends, and so does the memory of its fences.
    unsafe {
        loop {
            dma_fence_put(replace(&mut (*cursor).fence, null_mut()));
            let index = (*cursor).index;
            if index >= (*cursor).num_fences {
                return list;
            }
            let (fence, usage) = dma_resv_list::entry(list, index);
            (*cursor).index = index + 1;
            (*cursor).fence_usage = usage;
            (*cursor).fence = dma_fence_get_rcu(fence);
            if (*cursor).fence.is_null() {
                list = restart_unlocked(cursor);
            } else if !is_signaled_in_section(fence) && (*cursor).usage >= usage {
                return list;
            }
        }
    }
}

/// Returns the first fence of the usage that has not signalled, null if there is none; it has a
/// reference until the next call. Polls fences. From any context that may take their locks.
///
/// # Safety
///
/// The reading has begun.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_iter_first_unlocked(cursor: *mut dma_resv_iter) -> *mut dma_fence {
    let _section = rcu::Guard::new();
    // SAFETY: The reading has begun; the list is used in this section alone.
    unsafe {
        loop {
            let list = restart_unlocked(cursor);
            if walk_unlocked(cursor, list) == fences_list((*cursor).obj) {
                return (*cursor).fence;
            }
        }
    }
}

/// Returns the next such fence, or after [`dma_resv_iter_is_restarted`] the first. As
/// [`dma_resv_iter_first_unlocked`].
///
/// # Safety
///
/// The reading has begun.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_iter_next_unlocked(cursor: *mut dma_resv_iter) -> *mut dma_fence {
    let _section = rcu::Guard::new();
    // SAFETY: As above. A list with the number of the one that was read is that one.
    unsafe {
        (*cursor).is_restarted = false;
        let mut list = fences_list((*cursor).obj);
        if dma_resv_list::number(list) != (*cursor).fences {
            list = restart_unlocked(cursor);
        }
        while walk_unlocked(cursor, list) != fences_list((*cursor).obj) {
            list = restart_unlocked(cursor);
        }
        (*cursor).fence
    }
}

/// Returns the first fence of the usage, whether it has signalled or not; null if there is none.
///
/// # Safety
///
/// The reading has begun, and the task holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_iter_first(cursor: *mut dma_resv_iter) -> *mut dma_fence {
    // SAFETY: The task holds the lock, and with it the list.
    unsafe {
        dma_resv_assert_held((*cursor).obj);
        (*cursor).index = 0;
        (*cursor).fences = fences_list((*cursor).obj);
        let fence = dma_resv_iter_next(cursor);
        (*cursor).is_restarted = true;
        fence
    }
}

/// Returns the next such fence.
///
/// # Safety
///
/// As of [`dma_resv_iter_first`], which came first.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_iter_next(cursor: *mut dma_resv_iter) -> *mut dma_fence {
    // SAFETY: The task holds the lock, and with it the list.
    unsafe {
        dma_resv_assert_held((*cursor).obj);
        (*cursor).is_restarted = false;
        let list = (*cursor).fences;
        let count = list
            .as_ref()
            .map_or(0, |list| list.num_fences.load(Relaxed));
        while (*cursor).index < count {
            let (fence, usage) = dma_resv_list::entry(list, (*cursor).index);
            (*cursor).index += 1;
            (*cursor).fence_usage = usage;
            if usage <= (*cursor).usage {
                return fence;
            }
        }
        null_mut()
    }
}

/// Calls `f` with each fence of the object, signalled or not, to which it gives a reference, and with its
/// usage, as they are at one time; in a read-side section. Polls none. From any context.
///
/// # Safety
///
/// The object is initialised.
pub(crate) unsafe fn each_slot(
    obj: *mut dma_resv,
    mut f: impl FnMut(*mut dma_fence, dma_resv_usage),
) {
    let _section = rcu::Guard::new();
    // SAFETY: What is found lives until the section ends.
    unsafe {
        let list = fences_list(obj);
        // Pairs with the `Release` in `dma_resv_add_fence()`.
        let count = list
            .as_ref()
            .map_or(0, |list| list.num_fences.load(Acquire));
        for n in 0..count {
            let (fence, usage) = dma_resv_list::entry(list, n);
            let fence = dma_fence_get_rcu(fence);
            if !fence.is_null() {
                f(fence, usage);
            }
        }
    }
}
