// SPDX-License-Identifier: GPL-2.0-only
//! Drivers that break a rule of the contract, and the same that keep it.
//!
//! No type can keep these rules: all of this is safe code. Each pair differs by a few lines; what
//! is reported is in the rule's page in Documentation/rules/.

#![no_std]
#![forbid(unsafe_code)]

dma_fence::examples! {
    "drivers/broken/src":
    unload_after_detach = "unload-after-detach";
    signal_eventually = "signal-eventually";
    callback_atomic = "callback-atomic";
    rcu_no_sleep = "rcu-no-sleep";
}
