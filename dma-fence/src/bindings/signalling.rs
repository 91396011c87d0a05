// SPDX-License-Identifier: GPL-2.0-only
//! The annotation of code that is needed for fences to signal.
//!
//! A section is a map of lockdep's that is held as by a reader, and a task that waits for a fence
//! takes the map and releases it. So it is a circle if what is waited for inside a section is held
//! elsewhere across such a wait. What the memory that is reclaimed waits for is known from the start.
//! A wait inside a section is no circle to lockdep; that is a check of the contract's own.

use super::super::contract;
use core::ptr::null;
use kernel::bindings::{
    fs_reclaim, in_atomic, lock_acquire, lock_acquire_read_again, lock_is_held_type,
    lock_map_acquire, lock_map_release, lock_release, lockdep_map, lockdep_needs_held,
    lockdep_prime, lockdep_was_waited_for,
};

static dma_fence_lockdep_map: lockdep_map = lockdep_map::new(c"dma_fence_map");

/// Reclaim waits for GPUs, and is waited for under the locks of buffers. C: `dma_resv_lockdep()`.
pub(super) fn prime() {
    lockdep_prime(0, || {
        contract::prime_signalling();
        super::resv::primed(|| fs_reclaim(might_wait));
    });
}

#[cfg_attr(feature = "debug", track_caller)]
fn might_wait() {
    // SAFETY: The map is static.
    unsafe {
        let signalling = lock_is_held_type(&dma_fence_lockdep_map, 1) > 0;
        if signalling {
            lock_release(&dma_fence_lockdep_map, 0);
        }
        lock_map_acquire(&dma_fence_lockdep_map);
        lock_map_release(&dma_fence_lockdep_map, 0);
        if signalling {
            lock_acquire(&dma_fence_lockdep_map, 0, 1, 1, 1, null(), 0);
        }
    }
}

/// Begins a section without which some fence would not signal; returns what
/// [`dma_fence_end_signalling`] needs. They nest. From any context.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_begin_signalling() -> bool {
    if cfg!(not(feature = "debug")) {
        return true;
    }
    contract::begin_signalling();
    // SAFETY: The map is static.
    if !unsafe { lock_acquire_read_again(&dma_fence_lockdep_map) } && !begins_first() {
        return true;
    }
    // SAFETY: The map is static.
    unsafe { lockdep_needs_held(&dma_fence_lockdep_map) };
    false
}

/// The rest of it if there is something new in it; false if the task is in such a section, or could be.
#[inline(never)]
#[cfg_attr(feature = "debug", track_caller)]
fn begins_first() -> bool {
    prime();
    // SAFETY: The map is static; `in_atomic()` has no preconditions.
    unsafe {
        let is_in = lock_is_held_type(&dma_fence_lockdep_map, 1) != 0 || in_atomic();
        if !is_in {
            lock_acquire(&dma_fence_lockdep_map, 0, 1, 1, 1, null(), 0);
        }
        !is_in
    }
}

/// Ends such a section.
#[inline]
pub unsafe fn dma_fence_end_signalling(cookie: bool) {
    contract::end_signalling();
    if !cookie {
        // SAFETY: The map is static.
        unsafe { lock_release(&dma_fence_lockdep_map, 0) };
    }
}

/// The caller has waited for a fence, for however long it took.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub(super) fn has_waited() {
    // SAFETY: The map is static.
    unsafe { lockdep_was_waited_for(&dma_fence_lockdep_map) };
}

/// Says that the caller might wait for a fence.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __dma_fence_might_wait() {
    contract::might_wait();
    prime();
    might_wait();
}
