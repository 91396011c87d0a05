// SPDX-License-Identifier: GPL-2.0-only
//! The GPU and its driver under many schedules.
//!
//! `FENCE_SCHEDULES` is how many are tried, and `FENCE_SEED` replays one.

#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use dma_fence::{testing::register, Complete, Fence};
use fake_gpu::{Config, Context, FakeGpu, FakeGpuModule, Fault, Faults, Job};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc, Completion},
    testing::{insmod, memory::fail_nth, spawn, vcpu, Explorer},
    time::{delay::fsleep, Delta, Instant, Monotonic},
};
use std::vec::Vec;

/// Runs `body` under 200 schedules, or as many as the environment says.
fn explore(body: impl Fn() -> Result + Send + Sync + 'static) {
    let explorer = Explorer::new().schedules(200).from_environment();
    if let Err(failure) = explorer.run(move || body().expect("it went well")) {
        panic!("{failure}");
    }
}

/// Hardware that can be relied on: if a task sleeps forever, that is the driver's fault.
const RELIABLE: Config = Config {
    rings: 2,
    faults: Faults::NONE,
    seed: 0,
    watchdog: None,
};

/// Hardware that hangs, and a driver that looks.
const WATCHED: Config = Config {
    watchdog: Some(8),
    ..RELIABLE
};

/// A task that can be waited for.
struct Task(Arc<Completion>);

impl Task {
    fn start(body: impl FnOnce() + Send + 'static) -> Result<Self> {
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let told = done.clone();
        spawn(move || {
            body();
            told.complete_all();
        });
        Ok(Self(done))
    }

    fn join(self) {
        self.0.wait_for_completion();
    }
}

/// Removes the GPU and looks at the counters: each of the jobs has come to one end, which is that
/// of its fence, and nothing of the driver runs any more.
fn check(gpu: Arc<FakeGpu>, fences: &[ARef<Fence>]) {
    gpu.remove();
    let stats = gpu.stats();
    vcpu::settle();
    assert_eq!(gpu.stats(), stats, "something of the driver still runs");
    let count = |wanted: bool| {
        let ended =
            |fence: &&ARef<Fence>| fence.status().map(|result| result.is_ok()) == Some(wanted);
        fences.iter().filter(ended).count() as u64
    };
    assert_eq!(stats.jobs, fences.len() as u64);
    assert_eq!(
        (stats.completed, stats.errored),
        (count(true), count(false)),
        "a job has come to two ends, or to none"
    );
}

/// Submits jobs on `context`, each of which waits for the one before, of another ring.
fn submit(contexts: &[Arc<Context>], jobs: usize) -> Result<Vec<ARef<Fence>>> {
    let mut fences: Vec<ARef<Fence>> = Vec::new();
    for n in 0..jobs {
        let before = fences.iter().skip(n / 2).take(n % 2);
        let before: Vec<&Fence> = before.map(|fence| &**fence).collect();
        let context = &contexts[n % contexts.len()];
        fences.push(context.submit(Job::Work(n as u32 % 3), &before)?);
    }
    Ok(fences)
}

/// A task for each of `fences`, which waits for it.
fn wait_for<'a>(fences: impl Iterator<Item = &'a ARef<Fence>>) -> Result<Vec<Task>> {
    let wait = |fence: ARef<Fence>| Task::start(move || fence.wait());
    fences.cloned().map(wait).collect()
}

fn contexts(gpu: &FakeGpu) -> Result<Vec<Arc<Context>>> {
    let names = [c"a", c"b", c"c", c"d"].into_iter().enumerate();
    names.map(|(n, name)| gpu.context(n % 2, name)).collect()
}

#[test]
fn no_task_sleeps_forever() {
    explore(|| {
        let gpu = FakeGpu::new(RELIABLE)?;
        let fences = submit(&contexts(&gpu)?, 6)?;
        let waiters = wait_for(fences.iter())?;
        // Only the interrupt signals this one: it never polls.
        let told = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        if let Ok(registration) = register(&fences[5], Complete::new(told.clone())) {
            told.wait_for_completion();
            drop(registration);
        }
        waiters.into_iter().for_each(Task::join);
        check(gpu, &fences);
        Ok(())
    });
}

#[test]
fn a_hang_and_an_unload_lose_nothing() {
    explore(|| {
        let gpu = FakeGpu::new(WATCHED)?;
        let contexts = contexts(&gpu)?;
        let mut fences = submit(&contexts, 10)?;
        fences.push(contexts[0].submit(Job::Hang, &[&fences[3]])?);
        fences.append(&mut submit(&contexts[1..], 9)?);
        let waiters = wait_for(fences.iter().step_by(3))?;
        // Long enough for a reset, but maybe not for what comes after.
        fences[10].wait();
        check(gpu, &fences);
        waiters.into_iter().for_each(Task::join);
        Ok(())
    });
}

#[test]
fn an_unload_at_any_time_loses_nothing() {
    explore(|| {
        let gpu = FakeGpu::new(RELIABLE)?;
        let fences = submit(&contexts(&gpu)?, 8)?;
        fences[2].wait();
        check(gpu, &fences);
        Ok(())
    });
}

#[test]
fn a_reset_may_meet_a_job_that_is_done() {
    explore(|| {
        // So impatient that it takes a ring that works for one that hangs.
        let config = Config {
            watchdog: Some(0),
            ..RELIABLE
        };
        let gpu = FakeGpu::new(config)?;
        let contexts = contexts(&gpu)?;
        let fences = submit(&contexts, 12)?;
        // These ask, so that a fence may signal before the driver knows.
        let mut askers = Vec::new();
        for fences in fences.chunks(4) {
            let fences = fences.to_vec();
            askers.push(Task::start(move || {
                while fences.iter().any(|fence| fence.status().is_none()) {
                    fsleep(Delta::from_micros(20));
                }
            })?);
        }
        askers.into_iter().for_each(Task::join);
        check(gpu, &fences);
        Ok(())
    });
}

#[test]
fn a_probe_that_fails_leaves_nothing() {
    // What it leaves is a failure of the exploration.
    explore(|| {
        for nth in 1.. {
            let (gpu, reached) = fail_nth(nth, || FakeGpu::new(RELIABLE));
            if !reached {
                return gpu.map(drop);
            }
            assert_eq!(gpu.err(), Some(ENOMEM));
        }
        Ok(())
    });
}

#[test]
fn jobs_that_wait_for_room_start() {
    explore(|| {
        let gpu = FakeGpu::new(RELIABLE)?;
        let context = gpu.context(0, c"a")?;
        let mut fences = Vec::new();
        for _ in 0..40 {
            fences.push(context.submit(Job::Work(1), &[])?);
        }
        fsleep(Delta::from_millis(10));
        fences[39].wait();
        check(gpu, &fences);
        Ok(())
    });
}

#[test]
fn a_fault_is_told_without_being_polled() {
    for config in [RELIABLE, WATCHED] {
        explore(move || {
            let gpu = FakeGpu::new(config)?;
            let fence = gpu.context(0, c"a")?.submit(Job::Fault, &[])?;
            fsleep(Delta::from_millis(50));
            fence.wait();
            assert_eq!(fence.error(), Some(EIO));
            gpu.suspend();
            check(gpu, &[fence]);
            Ok(())
        });
    }
}

#[test]
fn a_resume_waits_until_the_rings_are_empty() {
    explore(|| {
        let gpu = FakeGpu::new(RELIABLE)?;
        let context = gpu.context(0, c"a")?;
        let begin = Instant::<Monotonic>::now();
        let long = context.submit(Job::Work(1000), &[])?;
        let other = gpu.clone();
        let suspending = Task::start(move || other.suspend())?;
        fsleep(Delta::from_millis(2));
        gpu.resume();
        let short = context.submit(Job::Work(1), &[])?;
        suspending.join();
        // Maybe the suspend came only after the first one.
        gpu.resume();
        short.wait();
        // Of one timeline, so the long one was before it.
        assert!(begin.elapsed().as_millis_ceil() >= 100, "work was lost");
        check(gpu, &[long, short]);
        Ok(())
    });
}

/// It may come at any moment of the handler's.
#[test]
fn a_remove_waits_for_the_handler() {
    explore(|| {
        let gpu = FakeGpu::new(Config {
            rings: 1,
            ..RELIABLE
        })?;
        // It stays: the last one of a timeline waits for a grace period, and so for handlers.
        let context = gpu.context(0, c"a")?;
        let fence = context.submit(Job::Work(0), &[])?;
        let waiters = wait_for([&fence].into_iter())?;
        // As long as the interrupt takes to come.
        fsleep(Delta::from_micros(100));
        check(gpu, &[fence]);
        waiters.into_iter().for_each(Task::join);
        Ok(())
    });
}

#[test]
fn after_a_remove_all_fences_have_signalled() {
    explore(|| {
        let gpu = FakeGpu::new(WATCHED)?;
        let fences = submit(&contexts(&gpu)?, 6)?;
        let all_over = |fences: &[ARef<Fence>]| {
            assert!(fences.iter().all(|fence| fence.is_signaled()));
        };
        let (other, same) = (gpu.clone(), fences.clone());
        let removing = Task::start(move || {
            other.remove();
            all_over(&same);
        })?;
        let other = gpu.clone();
        let suspending = Task::start(move || other.suspend())?;
        gpu.remove();
        all_over(&fences);
        removing.join();
        suspending.join();
        check(gpu, &fences);
        Ok(())
    });
}

/// An allocation fails, the device loses interrupts or has them late, readers are slow, and the module
/// is unloaded late.
#[test]
fn all_faults_at_once_lose_nothing() {
    let explorer = Explorer::new().schedules(200).failing_allocation(100);
    let explorer = explorer.slow_readers().late_unload();
    let body = || {
        let rates = [Fault::LostInterrupt, Fault::LateInterrupt];
        let faults = rates
            .into_iter()
            .fold(Faults::NONE, |faults, fault| faults.with(fault, 200));
        // Its line is its own, so the schedule decides by the seed.
        let seed = vcpu::drawn(1 << 16) as u64;
        let Ok(module) = insmod::<FakeGpuModule>() else {
            return;
        };
        let Ok(gpu) = FakeGpu::new(Config {
            faults,
            seed,
            ..WATCHED
        }) else {
            return;
        };
        if let Ok(context) = gpu.context(0, c"a") {
            let jobs = (0..6).map(|n| context.submit(Job::Work(n), &[]));
            let fences: Vec<_> = jobs.filter_map(Result::ok).collect();
            fences.iter().step_by(2).for_each(|fence| fence.wait());
            check(gpu, &fences);
        }
        drop(module);
    };
    if let Err(failure) = explorer.from_environment().run(body) {
        panic!("{failure}");
    }
}
