// SPDX-License-Identifier: GPL-2.0-only
//! The driver: what an author copies.
//!
//! - A [`Context`] is a client's timeline on one ring: it submits jobs, which may wait for any
//!   fences, and returns a fence for each.
//! - A ring starts jobs in a work item (`pump.rs`) once what they wait for has signalled, those of
//!   one context in order.
//! - The interrupt handler (`irq.rs`) signals what is done. The interrupt is enabled only while
//!   a waiter or a callback wants to be told; all others poll (`ops.rs`).
//! - A watchdog (`watchdog.rs`) finds jobs whose interrupt was lost, and rings that hang, which it
//!   resets.
//!
//! # What keeps the contract
//!
//! - A job cannot fail once its fence exists: all memory is there by then, and what comes after
//!   does not allocate.
//! - Fences are decided under the ring's lock, once each, and signalled without it, in order, by
//!   one at a time.
//! - [`FakeGpu::remove`] ends what is left with ENODEV. When it returns, no handler and no
//!   work item of the driver runs any more.
#![forbid(unsafe_code)]

mod context;
mod irq;
mod job;
mod ops;
mod power;
mod pump;
mod remove;
mod ring;
mod state;
mod stats;
mod watchdog;
mod works;

pub use self::{
    context::Context,
    job::Job,
    stats::Stats, //
};

use self::{
    irq::{
        Registers,
        Rings, //
    },
    ring::Ring, //
};
use crate::device::{
    Device,
    Faults, //
};
use kernel::{
    prelude::*,
    sync::Arc,
    time::Jiffies, //
};

/// The configuration of a GPU and its driver.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The number of rings.
    pub rings: usize,
    /// The faults of its hardware.
    pub faults: Faults,
    /// The seed that decides when they happen.
    pub seed: u64,
    /// The time between two looks at a busy ring; `None` trusts the hardware to neither lose an
    /// interrupt nor hang. At most [`Config::LONGEST`], because [`FakeGpu::remove`] waits for it.
    pub watchdog: Option<Jiffies>,
}

impl Config {
    /// The longest time between two looks, in jiffies.
    pub const LONGEST: Jiffies = 1000;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rings: 2,
            faults: Faults::NONE,
            seed: 0,
            watchdog: Some(watchdog::PERIOD),
        }
    }
}

/// A GPU with its driver. Dropping it removes it, which sleeps.
pub struct FakeGpu {
    device: Arc<Device<Rings>>,
    rings: Arc<Rings>,
}

impl FakeGpu {
    /// Switches a GPU on and binds the driver to it. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL for a number of rings that there cannot be, or a watchdog that looks too seldom;
    /// ENOMEM.
    #[doc(alias = "probe")]
    pub fn new(config: Config) -> Result<Arc<Self>> {
        if config
            .watchdog
            .is_some_and(|period| period > Config::LONGEST)
        {
            return Err(EINVAL);
        }
        let device = Device::new(config.rings, config.faults, config.seed)?;
        let mut rings = KVec::with_capacity(config.rings, GFP_KERNEL)?;
        for index in 0..config.rings {
            let ring = Ring::new(Registers::new(&device, index), config.watchdog)?;
            rings.push(ring, GFP_KERNEL)?;
        }
        let rings = Rings::new(device.clone(), rings)?;
        let gpu = Arc::new(Self { device, rings }, GFP_KERNEL)?;
        gpu.device.connect(gpu.rings.clone());
        Ok(gpu)
    }

    /// A timeline on a ring. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if there is no such ring; ENOMEM.
    pub fn context(&self, ring: usize, name: &CStr) -> Result<Arc<Context>> {
        Context::new(self.rings.get(ring).ok_or(EINVAL)?, name)
    }

    /// Returns the counters. From any context.
    pub fn stats(&self) -> Stats {
        self.rings.stats()
    }
}

impl Drop for FakeGpu {
    fn drop(&mut self) {
        self.remove();
    }
}
