// SPDX-License-Identifier: GPL-2.0-only
//! The context that the caller runs in.

use crate::bindings;

/// True inside a hard interrupt handler, as the function of a timer is; with interrupts disabled.
pub fn in_hardirq() -> bool {
    // SAFETY: `in_hardirq()` has no preconditions.
    unsafe { bindings::in_hardirq() }
}

/// True inside a soft interrupt handler, as an RCU callback is.
pub fn in_serving_softirq() -> bool {
    // SAFETY: `in_serving_softirq()` has no preconditions.
    unsafe { bindings::in_serving_softirq() }
}
