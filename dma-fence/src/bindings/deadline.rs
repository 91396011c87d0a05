// SPDX-License-Identifier: GPL-2.0-only
//! Hints about when a fence is wanted.

use super::{
    super::contract::{self, Call},
    dma_fence,
    fence::live,
    state::is_signaled_in_section,
};
use kernel::bindings::{ktime_t, rcu_read_lock, rcu_read_unlock};

/// Tells the driver that a waiter hopes for the fence by `deadline` (ns, `CLOCK_MONOTONIC`), if it
/// has the op and the fence has not signalled. Polls then; the op is called without the lock. From
/// any context.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_set_deadline(fence: *mut dma_fence, deadline: ktime_t) {
    contract::needs_fence!(fence, "dma_fence_set_deadline");
    // SAFETY: The caller has a reference; inside the section the ops live, even if the fence is
    // signalled meanwhile.
    unsafe {
        rcu_read_lock();
        if let Some(op) = live(fence).ops().and_then(|ops| ops.as_ref().set_deadline) {
            tell(fence, deadline, op);
        }
        rcu_read_unlock();
    }
}

/// Tells the driver, unless the fence has signalled. Not inline, as most drivers have no such op.
///
/// # Safety
///
/// The caller is in the section in which it has found the op.
#[inline(never)]
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn tell(
    fence: *mut dma_fence,
    deadline: ktime_t,
    op: unsafe extern "C" fn(*mut dma_fence, ktime_t),
) {
    // SAFETY: The caller has a reference, and the ops live: its guarantees.
    unsafe {
        if !is_signaled_in_section(fence) {
            contract::call_begin(live(fence), Call::SetDeadline);
            op(fence, deadline);
            contract::call_end();
        }
    }
}
