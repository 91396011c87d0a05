// SPDX-License-Identifier: GPL-2.0-only
//! A software timeline: a counter, and fences that wait for its values.
//!
//! It does what the kernel's `drivers/dma-buf/sw_sync.c` does: a way for tests to make fences that
//! userspace signals. It is a small complete driver, meant to be
//! copied; one with hardware is what `scripts/new-driver` writes.

#![cfg_attr(not(CONFIG_RUST), no_std)]
#![cfg_attr(not(CONFIG_RUST), forbid(unsafe_code))]

// UNTIL(kernel-dma-fence): it is in the kernel crate. In Linux the safe half is part of the module;
// rustfmt need not look for it here.
#[cfg(CONFIG_RUST)]
#[rustfmt::skip]
mod dma_fence;
mod deadline;
mod kunit;
mod module;
mod registry;
mod sw_sync;
mod timeline;
mod workload;

pub use module::SwTimeline;
pub use sw_sync::{
    CreateFenceData,
    GetDeadline,
    SW_SYNC_GET_DEADLINE,
    SW_SYNC_IOC_CREATE_FENCE,
    SW_SYNC_IOC_INC, //
};
pub use timeline::Timeline;
pub use workload::MAX_JOBS;

use kernel::prelude::*;

module! {
    type: SwTimeline,
    name: "sw_timeline",
    authors: ["The dma-fence authors"],
    description: "Software timeline with fences by value",
    license: "GPL",
    params: {
        jobs: u32 {
            default: 0,
            description: "Fences of the workload that runs when it is loaded; at most 2000",
        },
        seed: u64 {
            default: 1,
            description: "What decides about that workload",
        },
    },
}
