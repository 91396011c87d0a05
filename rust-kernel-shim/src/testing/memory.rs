// SPDX-License-Identifier: GPL-2.0-only
//! The machine's books: what is allocated, and what is about to be freed.

use crate::bindings;

/// Blocks of memory that were allocated and not freed.
pub fn live_blocks() -> isize {
    bindings::slab_live()
}

/// True while an RCU callback of a thread that runs freely has not been called.
pub fn rcu_callbacks_pending() -> bool {
    bindings::rcu_callbacks_pending()
}

/// Waits until all RCU callbacks that were queued so far have been called.
pub fn rcu_barrier() {
    // SAFETY: A safe caller is in no read-side section whose end it could wait for here, or its
    // sleeping there is reported.
    unsafe { bindings::rcu_barrier() }
}
