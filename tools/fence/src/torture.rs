// SPDX-License-Identifier: GPL-2.0-only
//! `fence torture`: RCU, SRCU, fences and locks, used as hard as can be.

use crate::{
    demo::number,
    output::{complain, print},
};
use clap::{builder::PossibleValuesParser, Args, ValueEnum};
use dma_fence_torture::{torture, Options, Summary, Target};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use kernel::testing::{
    report::{take_reports, Report},
    without_checks,
};
use serde::Serialize;
use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
    time::Duration,
};

/// What can be tortured.
#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// RCU: readers of all kinds, nested, long and short
    Rcu,
    /// SRCU: readers that sleep
    Srcu,
    /// Fences: signallers, waiters, callbacks, names
    Fence,
    /// Spinlocks and mutexes
    Lock,
}

impl From<What> for Target {
    fn from(what: What) -> Self {
        match what {
            What::Rcu => Self::Rcu,
            What::Srcu => Self::Srcu,
            What::Fence => Self::Fence,
            What::Lock => Self::Lock,
        }
    }
}

fn variants() -> PossibleValuesParser {
    let mut names: Vec<_> = Target::ALL
        .iter()
        .flat_map(|target| target.busted())
        .map(|(name, _)| *name)
        .collect();
    names.sort_unstable();
    names.dedup();
    PossibleValuesParser::new(names)
}

// No doc comment: it would take the place of the command's own in `--help`.
#[derive(Args)]
pub(crate) struct Torture {
    /// What to torture
    #[arg(value_enum, value_name = "WHAT")]
    what: What,
    /// How long
    #[arg(long, default_value_t = 10, value_name = "N", allow_negative_numbers = true, value_parser = number::<u64>(1..=1_000_000))]
    seconds: u64,
    /// The seed of what the threads do; not of how they interleave
    #[arg(long, default_value_t = 1, value_name = "N", allow_negative_numbers = true, value_parser = number::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Threads that read, hold or wait; there are a few more, that write or signal
    #[arg(long, default_value_t = 4, value_name = "N", allow_negative_numbers = true, value_parser = number::<usize>(1..=64))]
    threads: usize,
    /// Torture a variant that is wrong on purpose, until it is caught; this is then what is expected
    #[arg(long, value_name = "VARIANT", value_parser = variants())]
    busted: Option<String>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// The summary as JSON.
#[derive(Serialize)]
struct Json<'a> {
    target: &'a str,
    seed: u64,
    threads: usize,
    busted: Option<&'a str>,
    seconds: f64,
    counts: Vec<(&'static str, u64)>,
    histogram: Option<&'a [u64]>,
    failed: u64,
    failures: &'a [String],
    /// What the checks of a debug kernel reported.
    reports: &'a [String],
}

/// Tortures; returns the exit code: 0 if nothing was found, or what was busted was caught.
pub(crate) fn run(arguments: &Torture) -> u8 {
    let target = Target::from(arguments.what);
    let busted = match arguments.busted.as_deref() {
        None => None,
        Some(name) => match target.busted().iter().find(|(busted, _)| *busted == name) {
            Some((busted, _)) => Some(*busted),
            None => {
                let names: Vec<_> = target.busted().iter().map(|(name, _)| *name).collect();
                complain(format_args!(
                    "fence: {} has no variant {name}: expected one of {}",
                    target.name(),
                    names.join(", ")
                ));
                return 2;
            }
        },
    };
    let options = Options {
        duration: Duration::from_secs(arguments.seconds),
        seed: arguments.seed,
        threads: arguments.threads,
        busted,
    };
    let bar = progress_bar(arguments);
    let progress = |elapsed: Duration, rounds| {
        bar.set_position(elapsed.as_millis() as u64);
        bar.set_message(HumanCount(rounds).to_string());
    };
    let summary = match busted {
        // It breaks rules, which would tell more than the torture test itself.
        Some(_) => without_checks(|| torture(target, &options, progress)),
        None => torture(target, &options, progress),
    };
    bar.finish_and_clear();
    let reports: Vec<String> = take_reports()
        .iter()
        .map(|Report { text, .. }| text.clone())
        .collect();
    let text = match arguments.json {
        true => json(target, &options, &summary, &reports),
        false => text(target, &options, &summary, &reports),
    };
    let found = summary.failed != 0 || !reports.is_empty();
    print(text.as_bytes()).max(u8::from(found != busted.is_some()))
}

/// A progress bar, if standard error is a terminal.
fn progress_bar(arguments: &Torture) -> ProgressBar {
    if arguments.json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {elapsed} of {len:.s}, {msg} rounds")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(arguments.seconds * 1000).with_style(style)
}

fn json(target: Target, options: &Options, summary: &Summary, reports: &[String]) -> String {
    let json = Json {
        target: target.name(),
        seed: options.seed,
        threads: options.threads,
        busted: options.busted,
        seconds: summary.duration.as_secs_f64(),
        counts: summary.counts.clone(),
        histogram: summary.histogram.as_ref().map(|steps| &steps[..]),
        failed: summary.failed,
        failures: &summary.failures,
        reports,
    };
    // Strings, numbers, and arrays of them.
    serde_json::to_string_pretty(&json).unwrap_or_default() + "\n"
}

fn text(target: Target, options: &Options, summary: &Summary, reports: &[String]) -> String {
    let mut text = format!(
        "{}{}: {} threads, seed {}, {:.1} s\n",
        target.name(),
        options
            .busted
            .map(|name| format!(" busted {name}"))
            .unwrap_or_default(),
        options.threads,
        options.seed,
        summary.duration.as_secs_f64(),
    );
    for (what, count) in &summary.counts {
        let _ = writeln!(text, "  {:>14}  {what}", HumanCount(*count).to_string());
    }
    if let Some(steps) = summary.histogram {
        let steps = steps.map(|count| count.to_string()).join(" ");
        let _ = writeln!(
            text,
            "  grace periods behind at the end of a section, 0 to 10: {steps}"
        );
    }
    for failure in &summary.failures {
        let _ = writeln!(text, "  failure: {failure}");
    }
    reports.iter().for_each(|report| text.push_str(report));
    let _ = match (options.busted, summary.failed) {
        (None, 0) if reports.is_empty() => writeln!(text, "  no failure"),
        (None, failed) => writeln!(text, "  {failed} failures, {} reports", reports.len()),
        (Some(_), 0) => writeln!(text, "  NOT caught"),
        (Some(_), _) => writeln!(text, "  caught"),
    };
    text
}
