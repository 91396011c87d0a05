// SPDX-License-Identifier: GPL-2.0-only
//! The GPU and its driver, as a program uses them.

#![forbid(unsafe_code)]

use dma_fence::{Fence, Ktime};
use fake_gpu::{Config, FakeGpu, FakeGpuModule, Fault, Faults, Job, Stats};
use kernel::{
    prelude::*,
    sync::{aref::ARef, rcu, Arc},
    testing::{device_gone, memory::fail_nth, vcpu},
    time::{delay::fsleep, Delta, Instant, Monotonic},
};
use std::vec::Vec;

const OK: Option<Result> = Some(Ok(()));

fn unwatched() -> Config {
    Config {
        watchdog: None,
        ..Config::default()
    }
}

/// As [`with_stats`], without them.
fn with_gpu<R: Send + 'static>(
    config: Config,
    body: impl FnOnce(&Arc<FakeGpu>) -> Result<R> + Send + 'static,
) -> Result<R> {
    with_stats(config, body).map(|(result, _stats)| result)
}

/// Runs `body` on a machine of its own, with a GPU; returns what that does, and the counters after
/// the GPU was removed.
fn with_stats<R: Send + 'static>(
    config: Config,
    body: impl FnOnce(&Arc<FakeGpu>) -> Result<R> + Send + 'static,
) -> Result<(R, Stats)> {
    vcpu::fifo(move || {
        let gpu = FakeGpu::new(config)?;
        let result = body(&gpu)?;
        gpu.remove();
        let stats = gpu.stats();
        assert_eq!(stats.jobs, stats.completed + stats.errored, "{stats:?}");
        vcpu::settle();
        assert_eq!(gpu.stats(), stats, "something of the driver still runs");
        drop(gpu);
        device_gone::<FakeGpuModule>();
        Ok((result, stats))
    })
    .map_err(|_| EDEADLK)?
}

fn ms(n: i64) -> Delta {
    Delta::from_millis(n)
}

fn wait_all(fences: &[ARef<Fence>]) -> Vec<Option<Result>> {
    let wait = |fence: &ARef<Fence>| {
        fence.wait();
        fence.status()
    };
    fences.iter().map(wait).collect()
}

#[test]
fn a_job_signals_its_fence() -> Result {
    with_gpu(Config::default(), |gpu| {
        let context = gpu.context(0, c"client")?;
        let fence = context.submit(Job::Work(3), &[])?;
        assert_eq!(fence.status(), None);
        assert_eq!(fence.driver_name(&rcu::read_lock()), c"fake_gpu");
        assert_eq!(fence.timeline_name(&rcu::read_lock()), c"client");
        fence.wait();
        assert_eq!(fence.status(), OK);
        assert_eq!(gpu.stats().interrupts, 1);
        Ok(())
    })
}

#[test]
fn jobs_wait_for_fences_of_other_rings() -> Result {
    with_gpu(Config::default(), |gpu| {
        let contexts = [gpu.context(0, c"first")?, gpu.context(1, c"second")?];
        let mut fences: Vec<ARef<Fence>> = Vec::new();
        for n in 0..40 {
            // Each waits for the two before, of which one is of the other ring.
            let before: Vec<&Fence> = fences.iter().rev().take(2).map(|f| &**f).collect();
            let fence = contexts[n % 2].submit(Job::Work(1 + n as u32 % 3), &before)?;
            fences.push(fence);
        }
        assert_eq!(wait_all(&fences), [OK; 40]);
        for pair in fences.windows(2) {
            assert!(pair[0].timestamp() <= pair[1].timestamp());
        }
        Ok(())
    })
}

#[test]
fn a_hang_ends_the_guilty_and_spares_the_innocent() -> Result {
    with_gpu(Config::default(), |gpu| {
        let (guilty, innocent) = (gpu.context(0, c"guilty")?, gpu.context(0, c"innocent")?);
        let fences = [
            guilty.submit(Job::Work(2), &[])?,
            innocent.submit(Job::Work(2), &[])?,
            guilty.submit(Job::Hang, &[])?,
            innocent.submit(Job::Work(2), &[])?,
            guilty.submit(Job::Work(2), &[])?,
            innocent.submit(Job::Work(2), &[])?,
        ];
        let results = wait_all(&fences);
        let error = |error| Some(Err(error));
        assert_eq!(results, [OK, OK, error(ETIME), OK, error(ECANCELED), OK]);
        assert_eq!(gpu.stats().resets, 1);
        // The guilty may go on.
        assert_eq!(wait_all(&[guilty.submit(Job::Work(1), &[])?]), [OK]);
        Ok(())
    })
}

#[test]
fn what_the_ring_does_not_understand_ends_at_once() -> Result {
    // Without a watchdog: an interrupt tells.
    with_gpu(unwatched(), |gpu| {
        let (guilty, innocent) = (gpu.context(0, c"guilty")?, gpu.context(0, c"innocent")?);
        let bad = guilty.submit(Job::Fault, &[])?;
        let good = innocent.submit(Job::Work(1), &[])?;
        assert_eq!(wait_all(&[bad, good]), [Some(Err(EIO)), OK]);
        Ok(())
    })
}

/// A workload of 30 jobs on two rings, each of which has two contexts.
fn workload(gpu: &Arc<FakeGpu>) -> Result<Vec<ARef<Fence>>> {
    let mut fences: Vec<ARef<Fence>> = Vec::new();
    let contexts = [(0, c"a"), (1, c"b"), (0, c"c"), (1, c"d")];
    let contexts = contexts.map(|(ring, name)| gpu.context(ring, name).unwrap());
    for n in 0..30 {
        let before = fences.iter().skip(n / 2).take(n % 3);
        let before: Vec<&Fence> = before.map(|fence| &**fence).collect();
        fences.push(contexts[n % 4].submit(Job::Work(n as u32 % 4), &before)?);
    }
    Ok(fences)
}

#[test]
fn every_fault_ends_in_bounded_time() -> Result {
    for fault in Fault::ALL {
        let config = Config {
            faults: Faults::NONE.with(fault, 1000),
            seed: 7,
            ..Config::default()
        };
        let ((good, elapsed), stats) = with_stats(config, |gpu| {
            let start = Instant::<Monotonic>::now();
            let results = wait_all(&workload(gpu)?);
            let good = results.iter().filter(|&&result| result == OK).count();
            Ok((good, start.elapsed()))
        })?;
        let name = fault.name();
        assert!(elapsed < Delta::from_secs(10), "{name}: {elapsed:?}");
        assert_eq!(stats.completed + stats.errored, 30, "{name}");
        match fault {
            Fault::Hang => assert!(good < 30 && stats.resets > 0),
            _ => assert_eq!((good, stats.resets), (30, 0), "{name}"),
        }
        match fault {
            Fault::LostInterrupt => assert_eq!(stats.interrupts, 0),
            Fault::SpuriousInterrupt => assert!(stats.spurious > 0),
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn a_seed_decides_about_faults() -> Result {
    let run = |seed| {
        let all = Fault::ALL.iter();
        let faults = all.fold(Faults::NONE, |faults, &fault| faults.with(fault, 100));
        let config = Config {
            faults,
            seed,
            ..Config::default()
        };
        with_stats(config, |gpu| Ok(wait_all(&workload(gpu)?)))
    };
    assert_eq!(run(1)?, run(1)?);
    let different = (2..10).map(run).collect::<Result<Vec<_>>>()?;
    assert!(different.windows(2).any(|pair| pair[0] != pair[1]));
    Ok(())
}

#[test]
fn fences_outlive_the_gpu() -> Result {
    vcpu::fifo(|| {
        let gpu = FakeGpu::new(Config::default())?;
        let other = FakeGpu::new(Config::default())?;
        let context = gpu.context(0, c"client")?;
        // Waits for what does not come.
        let never = other.context(0, c"other")?.submit(Job::Hang, &[])?;
        let fences = [
            context.submit(Job::Work(1), &[])?,
            context.submit(Job::Work(10_000), &[])?,
            context.submit(Job::Work(1), &[&never])?,
        ];
        fsleep(ms(20));
        gpu.remove();
        let stats = gpu.stats();
        let error = Some(Err(ENODEV));
        let results: Vec<_> = fences.iter().map(|fence| fence.status()).collect();
        assert_eq!(results, [OK, error, error]);
        assert_eq!((stats.jobs, stats.completed, stats.errored), (3, 1, 2));
        assert_eq!(context.submit(Job::Work(1), &[]).err(), Some(ENODEV));
        drop((context, gpu));
        vcpu::settle();
        for fence in &fences {
            assert_eq!(fence.driver_name(&rcu::read_lock()), c"detached-driver");
        }
        Ok(())
    })
    .map_err(|_| EDEADLK)?
}

#[test]
fn suspended_rings_start_nothing() -> Result {
    with_gpu(Config::default(), |gpu| {
        let context = gpu.context(0, c"client")?;
        let before = context.submit(Job::Work(5), &[])?;
        vcpu::settle();
        gpu.suspend();
        assert_eq!(before.status(), OK, "the ring has run empty");
        let after = context.submit(Job::Work(1), &[])?;
        fsleep(Delta::from_secs(10));
        assert_eq!(after.status(), None);
        gpu.resume();
        assert_eq!(wait_all(&[after]), [OK]);
        Ok(())
    })
}

#[test]
fn a_deadline_boosts_the_clock() -> Result {
    let took = |hurry: bool| {
        with_gpu(Config::default(), move |gpu| {
            let start = Instant::<Monotonic>::now();
            let fence = gpu.context(0, c"client")?.submit(Job::Work(100), &[])?;
            if hurry {
                fence.set_deadline(Ktime::now());
            }
            fence.wait();
            Ok(start.elapsed())
        })
    };
    let (usual, boosted) = (took(false)?, took(true)?);
    let at_least = 3 * boosted.as_nanos();
    assert!(usual.as_nanos() > at_least, "{usual:?}, {boosted:?}");
    Ok(())
}

#[test]
fn polling_needs_no_interrupt() -> Result {
    with_gpu(Config::default(), |gpu| {
        let fence = gpu.context(0, c"client")?.submit(Job::Work(3), &[])?;
        while fence.status().is_none() {
            fsleep(ms(1));
        }
        assert_eq!(gpu.stats().interrupts, 0);
        Ok(())
    })
}

#[test]
fn there_is_no_such_gpu_or_ring() -> Result {
    let none = Config {
        rings: 0,
        ..Config::default()
    };
    assert_eq!(FakeGpu::new(none).err(), Some(EINVAL));
    let drowsy = Config {
        watchdog: Some(Config::LONGEST + 1),
        ..Config::default()
    };
    assert_eq!(FakeGpu::new(drowsy).err(), Some(EINVAL));
    with_gpu(Config::default(), |gpu| {
        assert_eq!(gpu.context(2, c"client").err(), Some(EINVAL));
        assert_eq!(gpu.stats(), Stats::default());
        Ok(())
    })
}

#[test]
fn a_submission_that_fails_has_not_happened() -> Result {
    with_gpu(Config::default(), |gpu| {
        let context = gpu.context(0, c"client")?;
        let before = gpu.context(1, c"other")?.submit(Job::Work(1000), &[])?;
        let mut nth = 1;
        // Every allocation fails once.
        loop {
            let jobs = gpu.stats().jobs;
            let (fence, reached) =
                fail_nth(nth, || context.submit(Job::Work(1), &[&before, &before]));
            if !reached {
                assert!(fence.is_ok());
                return Ok(());
            }
            assert_eq!(fence.err(), Some(ENOMEM));
            assert_eq!(gpu.stats().jobs, jobs);
            nth += 1;
        }
    })
}

#[test]
fn jobs_that_wait_for_room_start_without_being_polled() -> Result {
    with_gpu(unwatched(), |gpu| {
        let context = gpu.context(0, c"client")?;
        let mut fences = Vec::new();
        for _ in 0..100 {
            fences.push(context.submit(Job::Work(1), &[])?);
        }
        for _ in 0..10 {
            fsleep(ms(10));
        }
        assert!(fences.iter().all(|fence| fence.status() == OK));
        Ok(())
    })
}
