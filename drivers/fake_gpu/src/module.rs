// SPDX-License-Identifier: GPL-2.0-only
//! The module: what happens when the driver is loaded.
#![forbid(unsafe_code)]

use crate::{
    module_parameters,
    workload,
    Config,
    FakeGpu,
    Job, //
};
use kernel::prelude::*;

/// The driver's module.
pub struct FakeGpuModule;

impl FakeGpuModule {
    /// A smoke test at load: where the other tests do not run, it is the only one.
    fn self_test() -> Result {
        let gpu = FakeGpu::new(Config::default())?;
        let (first, second) = (gpu.context(0, c"first")?, gpu.context(1, c"second")?);
        let before = first.submit(Job::Work(3), &[])?;
        let after = second.submit(Job::Work(1), &[&before])?;
        after.wait();
        let stuck = first.submit(Job::Hang, &[])?;
        stuck.wait();
        let results = [before.status(), after.status(), stuck.status()];
        gpu.remove();
        if results != [Some(Ok(())), Some(Ok(())), Some(Err(ETIME))] {
            return Err(EIO);
        }
        let stats = gpu.stats();
        pr_info!(
            "{} jobs: {} completed, {} errored, {} interrupts\n",
            stats.jobs,
            stats.completed,
            stats.errored,
            stats.interrupts
        );
        Ok(())
    }
}

impl kernel::Module for FakeGpuModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        match module_parameters::jobs.value() {
            0 => Self::self_test()?,
            jobs => workload::run(module_parameters::seed.value(), jobs)?,
        }
        pr_info!("loaded\n");
        Ok(Self)
    }
}

impl Drop for FakeGpuModule {
    fn drop(&mut self) {
        pr_info!("unloaded\n");
    }
}
