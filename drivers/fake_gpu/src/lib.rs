// SPDX-License-Identifier: GPL-2.0-only
//! A GPU that is not there, and the driver of it.
//!
//! [`device`] is the hardware: rings of commands in shared memory, an engine for each that writes
//! back how far it has got, interrupts, resets, a clock; and it can lose interrupts, tear its
//! write-back and hang, on demand.
//!
//! [`driver`] is what an author copies: it submits jobs that wait for fences and returns fences for
//! them, and keeps the exporter's contract whatever the hardware does.
//!
//! # Planted faults
//!
//! Four lines that are easily forgotten are marked `cfg(not(fault = "..."))`; built with one of
//! these set, the explored tests must fail, which `scripts/planted-faults` checks.

#![cfg_attr(not(CONFIG_RUST), no_std)]
#![cfg_attr(not(CONFIG_RUST), forbid(unsafe_code))]

pub mod device;
// UNTIL(kernel-dma-fence): it is in the kernel crate. In Linux the safe half is part of the module;
// rustfmt need not look for it here.
#[cfg(CONFIG_RUST)]
#[rustfmt::skip]
mod dma_fence;
pub mod driver;
mod kunit;
mod module;
mod rng;
mod workload;

pub use device::{
    Fault,
    Faults, //
};
pub use driver::{
    Config,
    Context,
    FakeGpu,
    Job,
    Stats, //
};
pub use module::FakeGpuModule;
pub use workload::MAX_JOBS;

use kernel::prelude::*;

module! {
    type: FakeGpuModule,
    name: "fake_gpu",
    authors: ["The dma-fence authors"],
    description: "GPU that is not there",
    license: "GPL",
    params: {
        jobs: u32 {
            default: 0,
            description: "Jobs of the workload that runs when it is loaded; at most 2000",
        },
        seed: u64 {
            default: 1,
            description: "What decides about that workload",
        },
    },
}
