// SPDX-License-Identifier: GPL-2.0-only
//! The context that the caller runs in.

use crate::bindings;

/// True in hardirq context, with interrupts disabled, as in an
/// [`HrTimerCallback`](crate::time::hrtimer::HrTimerCallback).
pub fn in_hardirq() -> bool {
    // SAFETY: `in_hardirq()` has no preconditions.
    unsafe { bindings::in_hardirq() }
}

/// True inside a soft interrupt handler: in the function of a `timer_list`, and in an RCU callback
/// (unless callbacks are offloaded, as a real kernel can have them).
pub fn in_serving_softirq() -> bool {
    // SAFETY: `in_serving_softirq()` has no preconditions.
    unsafe { bindings::in_serving_softirq() }
}
