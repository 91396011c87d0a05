// SPDX-License-Identifier: GPL-2.0-only
//! The main command: a machine with two drivers, and the consumers of their fences.

use crate::{
    consumers::Consumers,
    failure::Failure,
    faults,
    gpu::Gpu,
    output::{complain, print},
    report::Report,
    scenarios,
    stats::Stats,
    threads,
    timelines::Timelines,
};
use clap::Args;
use dma_fence::testing::listen;
use fake_gpu::{Config, FakeGpuModule, Fault, Faults};
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};
use kernel::testing;
use std::{
    io::{self, IsTerminal as _},
    ops::RangeInclusive,
    thread,
};
use sw_timeline::SwTimeline;

static STATS: Stats = Stats::new();

/// More jobs on one ring would need more values than a timeline can tell apart.
const MAX_JOBS: u64 = 1_000_000_000;

/// A parser of numbers in `range`.
pub(crate) fn number<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        let (least, most) = range.clone().into_inner();
        number.ok_or_else(|| format!("expected a number from {least} to {most}"))
    }
}

// No doc comment: it would take the place of the command's own in `--help`.
#[derive(Args)]
pub(crate) struct Options {
    /// The seed of the workload; the same seed makes the same fences
    #[arg(long, default_value_t = 1, value_name = "N", allow_negative_numbers = true, value_parser = number::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Print nothing if all is well
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Jobs for the fake GPU
    #[arg(long, default_value_t = 2000, value_name = "N", allow_negative_numbers = true, value_parser = number::<u32>(0..=MAX_JOBS))]
    jobs: u32,
    /// Rings of the fake GPU
    #[arg(long, default_value_t = 4, value_name = "N", allow_negative_numbers = true, value_parser = number::<usize>(1..=8))]
    rings: usize,
    /// Faults of the fake GPU's hardware: lost, late or spurious interrupts, torn write-back, or
    /// hang, each with how often it happens, as 0.5, 1/200 or 5%
    #[arg(long, value_name = "KIND=RATE", value_parser = faults::parse)]
    fault: Vec<(Fault, u32)>,
}

/// Runs the demonstration; returns the exit code.
pub(crate) fn run(options: &Options) -> u8 {
    // A GPU that hangs and jobs that are canceled are expected here.
    let level = testing::console::set_loglevel(0);
    let report = everything(options);
    testing::console::set_loglevel(level);
    let report = match report {
        Ok(report) => report,
        Err(failure) => {
            complain(format_args!("fence: the workload cannot run: {failure}"));
            return 2;
        }
    };
    let printed = if options.json {
        print(report.json().as_bytes())
    } else if options.quiet {
        0
    } else {
        print(report.text().as_bytes())
    };
    for finding in &report.findings {
        complain(format_args!("fence: {finding} (seed {})", options.seed));
    }
    printed.max(u8::from(!report.findings.is_empty()))
}

fn everything(options: &Options) -> Result<Report, Failure> {
    let mut report = Report {
        seed: options.seed,
        ..Report::default()
    };
    threads::expect()?;
    let listening = listen(&STATS)?;
    workload(options, &mut report)?;
    testing::memory::rcu_barrier();
    drop(listening);
    report.fences = STATS.counters();
    report.set_contract(&testing::report::take_reports());

    report.set_scenarios(scenarios::run()?);
    testing::memory::rcu_barrier();
    leftovers(&mut report.findings);
    Ok(report)
}

/// Adds a finding for each object that is left at the end.
fn leftovers(findings: &mut Vec<String>) {
    if STATS.held() != 0 {
        findings.push(format!("{} fences are still alive", STATS.held()));
    }
    if testing::memory::rcu_callbacks_pending() {
        findings.push("RCU callbacks are still pending".into());
    }
    if testing::loaded_modules() != 0 {
        findings.push(format!(
            "{} modules are still loaded",
            testing::loaded_modules()
        ));
    }
}

/// Loads the drivers, lets them work for the consumers, and unloads them.
fn workload(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let mut rng = Rng::with_seed(options.seed);
    let timeline_driver = testing::insmod::<SwTimeline>()?;
    let gpu_driver = testing::insmod::<FakeGpuModule>()?;
    let consumers = Consumers::new();
    let timelines = Timelines::new(&timeline_driver, &mut rng, &consumers)?;
    let config = Config {
        rings: options.rings,
        faults: options
            .fault
            .iter()
            .fold(Faults::NONE, |all, &(fault, rate)| all.with(fault, rate)),
        seed: options.seed,
        ..Config::default()
    };
    let gpu = Gpu::new(&timeline_driver, config)?;
    let bar = progress_bar(options);

    let stats = thread::scope(|scope| {
        // However this ends, the consumers end, and no thread waits for a fence forever.
        let _finish = Finish(|| {
            timelines.close();
            gpu.stop();
            consumers.finish();
        });
        consumers.start(scope, &mut rng)?;
        let advancing = timelines.start(scope, &mut rng)?;
        let stats = gpu.run(options.jobs, &mut rng, &consumers, |over| {
            bar.set_position(over)
        })?;
        for thread in advancing {
            // A panic there is one here when the scope ends.
            let _ = thread.join();
        }
        Ok::<_, Failure>(stats)
    })?;
    bar.finish_and_clear();

    timelines.check(&mut report.findings);
    report.set_gpu(stats);
    let (waits, callbacks) = consumers.ended();
    if waits + callbacks != consumers.shown() {
        let shown = consumers.shown();
        report.findings.push(format!(
            "{waits} waits and {callbacks} callbacks for {shown} fences"
        ));
    }
    (report.waits, report.callbacks) = (waits, callbacks);
    report.set_names(consumers.names.count(&["sw_sync", "fake_gpu"]));
    report.latency = consumers.latencies.bars();
    drop((consumers, timelines, gpu));
    drop((gpu_driver, timeline_driver));
    Ok(())
}

/// A progress bar, if standard error is a terminal.
fn progress_bar(options: &Options) -> ProgressBar {
    if options.quiet || options.json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} jobs")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(Gpu::in_all(options.jobs)).with_style(style)
}

/// Calls a function when it is dropped.
struct Finish<F: Fn()>(F);

impl<F: Fn()> Drop for Finish<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use super::leftovers;
    use crate::timelines::tests::driver;

    #[test]
    fn a_module_is_left() {
        let _module = driver();
        let mut findings = Vec::new();
        leftovers(&mut findings);
        assert!(findings.contains(&"1 modules are still loaded".into()));
    }
}
