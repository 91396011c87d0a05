// SPDX-License-Identifier: GPL-2.0-only
//! What a client may expect of the GPU, as a suite of KUnit: it is to pass here and in Linux.

use kernel::prelude::*;

#[kunit_tests(fake_gpu)]
mod tests {
    use crate::{
        Config,
        FakeGpu,
        Job, //
    };
    use dma_fence::Fence;
    use kernel::{
        prelude::*,
        sync::rcu,
        time::Jiffies, //
    };

    const OK: Option<Result> = Some(Ok(()));

    /// Longer than anything here takes, so a test that waits so long fails and does not hang.
    const LONG: Jiffies = 100_000;

    fn result(fence: &Fence) -> Option<Result> {
        let _in_time = fence.wait_timeout(LONG);
        fence.status()
    }

    #[test]
    fn a_job_signals_its_fence() -> Result {
        let gpu = FakeGpu::new(Config::default())?;
        let fence = gpu.context(0, c"client")?.submit(Job::Work(3), &[])?;
        assert_eq!(result(&fence), OK);
        assert_eq!(fence.driver_name(&rcu::read_lock()), c"detached-driver");
        gpu.remove();
        let stats = gpu.stats();
        assert_eq!((stats.jobs, stats.completed, stats.errored), (1, 1, 0));
        Ok(())
    }

    #[test]
    fn jobs_wait_for_fences_of_other_rings() -> Result {
        let gpu = FakeGpu::new(Config::default())?;
        let (first, second) = (gpu.context(0, c"first")?, gpu.context(1, c"second")?);
        let before = first.submit(Job::Work(3), &[])?;
        let after = second.submit(Job::Work(1), &[&before])?;
        assert_eq!(result(&after), OK);
        assert_eq!(before.status(), OK);
        assert!(before.timestamp() <= after.timestamp());
        Ok(())
    }

    #[test]
    fn a_hang_ends_the_guilty_and_spares_the_innocent() -> Result {
        let gpu = FakeGpu::new(Config::default())?;
        let (guilty, innocent) = (gpu.context(0, c"guilty")?, gpu.context(0, c"innocent")?);
        let hang = guilty.submit(Job::Hang, &[])?;
        let spared = innocent.submit(Job::Work(1), &[])?;
        assert_eq!(result(&hang), Some(Err(ETIME)));
        assert_eq!(result(&spared), OK);
        Ok(())
    }

    #[test]
    fn what_the_ring_does_not_understand_is_an_error() -> Result {
        let gpu = FakeGpu::new(Config::default())?;
        let fence = gpu.context(0, c"client")?.submit(Job::Fault, &[])?;
        assert_eq!(result(&fence), Some(Err(EIO)));
        Ok(())
    }

    #[test]
    fn removal_ends_all_jobs() -> Result {
        let gpu = FakeGpu::new(Config::default())?;
        let context = gpu.context(0, c"client")?;
        let fence = context.submit(Job::Hang, &[])?;
        gpu.remove();
        assert_eq!(fence.status(), Some(Err(ENODEV)));
        assert!(matches!(context.submit(Job::Work(1), &[]), Err(ENODEV)));
        Ok(())
    }
}
