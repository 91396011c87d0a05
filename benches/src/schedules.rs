// SPDX-License-Identifier: GPL-2.0-only
//! Schedules per second of `explore()`, and what each check costs of them.

use crate::{figure::Found, measure::processor, processors, safe, statistics::median};
use dma_fence::{Fence, FenceContext};
use fake_gpu::{Config, FakeGpu, Job};
use kernel::{
    prelude::{InPlaceInit as _, GFP_KERNEL},
    sync::{aref::ARef, Arc},
    testing::{without_checks, Explorer, Lockdep},
    workqueue,
};
use std::time::{Duration, Instant};

/// What is explored: its name, the body, how many schedules are a round, and how many there must be
/// in a second of processor time with all checks.
type Body = (&'static str, fn(), usize, f64);

const BODIES: [Body; 3] = [
    ("empty", || {}, 60, 0.0),
    ("two tasks, one fence", fence, 40, 5_000.0),
    ("six jobs of fake_gpu", gpu, 6, 1_450.0),
];

/// What is checked, from all to nothing.
const CHECKS: &[(&str, Option<Lockdep>, bool)] = &[
    ("all checks", Some(Lockdep::Strict), true),
    ("lockdep as Linux", Some(Lockdep::Kernel), true),
    ("no lockdep", Some(Lockdep::Off), true),
    ("no rules", Some(Lockdep::Strict), false),
    ("neither", Some(Lockdep::Off), false),
];

/// A fence that a task signals, and another waits for.
fn fence() {
    let context = FenceContext::new(1, c"bench", c"ring0", safe::Plain);
    let context = Arc::pin_init(context, GFP_KERNEL).expect("memory");
    let room = FenceContext::new_arc_fence_allocation(&context, ()).expect("memory");
    let issuer = room.new_fence();
    let fence: ARef<Fence> = issuer.as_fence().into();
    let signal = move || issuer.signal(Ok(()));
    let spawned = workqueue::system_unbound().try_spawn(GFP_KERNEL, signal);
    spawned.expect("memory");
    fence.wait();
}

/// Jobs on two rings of a GPU, some of which wait for others.
fn gpu() {
    let config = Config {
        watchdog: None,
        ..Config::default()
    };
    let gpu = FakeGpu::new(config).expect("a GPU");
    let context = |ring: usize| gpu.context(ring % 2, c"bench").expect("a context");
    let contexts: Vec<_> = (0..4).map(context).collect();
    let mut fences: Vec<ARef<Fence>> = Vec::new();
    for n in 0..6 {
        let before = fences.iter().skip(n / 2).take(n % 2);
        let before: Vec<&Fence> = before.map(|fence| &**fence).collect();
        let job = contexts[n % 4].submit(Job::Work(n as u32 % 3), &before);
        fences.push(job.expect("a job"));
    }
    for fence in &fences {
        fence.wait();
    }
    gpu.remove();
}

/// The nanoseconds that a schedule takes: by the clock, and of processor time.
fn round(body: fn(), check: usize, seed: u64, schedules: usize) -> Result<[f64; 2], String> {
    let (_, lockdep, rules) = CHECKS[check];
    let mut explorer = Explorer::new().seed(seed).schedules(schedules);
    if let Some(mode) = lockdep {
        explorer = explorer.lockdep(mode);
    }
    let before = (Instant::now(), processor());
    let run = if rules {
        explorer.run(body)
    } else {
        explorer.run(move || without_checks(body))
    };
    run.map_err(|failure| failure.to_string())?;
    let per = |ns: f64| ns / schedules as f64;
    let took = before.0.elapsed().as_nanos() as f64;
    Ok([per(took), per(processor() - before.1)])
}

/// Microseconds of processor time that a schedule of that body takes with all checks.
pub(crate) fn microseconds(body: usize) -> Found {
    processors::on_the_last();
    let (_, body, schedules, _) = BODIES[body];
    let one = |seed| round(body, 0, seed, schedules).map_or(f64::NAN, |took| took[1] / 1e3);
    median((1..=21).map(one).collect()).median.into()
}

/// Measures each body under each set of checks, on one processor, and prints a table; whether the
/// bounds are kept.
pub(crate) fn explore(seconds: f64) -> Result<bool, String> {
    processors::on_the_last();
    let checks = if cfg!(feature = "debug") {
        CHECKS.len()
    } else {
        1
    };
    let mut good = true;
    for (name, body, schedules, least) in BODIES {
        let mut taken = vec![[Vec::new(), Vec::new()]; checks];
        for check in 0..checks {
            round(body, check, 1, schedules)?;
        }
        let begin = Instant::now();
        let mut seed = 1;
        while taken[0][0].len() < 11 || begin.elapsed() < Duration::from_secs_f64(seconds) {
            for turn in 0..checks {
                let check = (seed as usize + turn) % checks;
                let took = round(body, check, seed, schedules)?;
                for (taken, took) in taken[check].iter_mut().zip(took) {
                    taken.push(took / 1e3);
                }
            }
            seed += schedules as u64;
        }
        let all = median(taken[0][1].clone()).median;
        for (check, [clock, processor]) in taken.into_iter().enumerate() {
            let (clock, processor) = (median(clock), median(processor));
            let per_second = |us: f64| 1e6 / us;
            let what = if cfg!(feature = "debug") {
                CHECKS[check].0
            } else {
                "production"
            };
            print!(
                "{name:<22}{what:<18}{:>8.0} a second [{:.0} {:.0}], {:>8.0} a processor's [{:.0} {:.0}]; {:.0} us each",
                per_second(clock.median),
                per_second(clock.high),
                per_second(clock.low),
                per_second(processor.median),
                per_second(processor.high),
                per_second(processor.low),
                processor.median,
            );
            if check > 0 {
                print!(", {:+.0} us", processor.median - all);
            }
            println!();
            if check == 0 && cfg!(feature = "debug") && per_second(processor.low) < least {
                good = false;
                println!("{name}: ABOVE ITS BOUND: expected {least} schedules a second");
            }
        }
    }
    Ok(good)
}
