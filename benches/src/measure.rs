// SPDX-License-Identifier: GPL-2.0-only
//! Rounds, in which each column has its turn.

use crate::{
    count,
    figure::Figure,
    operation::{Column, Operation, Run},
    peer, processors,
    report::{Cell, Measured, Report, Reported},
    statistics::median,
};
use indicatif::{ProgressBar, ProgressStyle};
use nix::{
    sys::time::TimeValLike as _,
    time::{clock_gettime, ClockId},
};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The fewest rounds of which an interval is made.
const FEWEST: usize = 11;

/// Calls `body` so often, with the number of the call, and returns the nanoseconds that this took.
#[inline]
pub(crate) fn each(n: u64, mut body: impl FnMut(u64)) -> f64 {
    let begin = Instant::now();
    count::edge();
    for i in 0..n {
        body(i);
    }
    count::edge();
    begin.elapsed().as_nanos() as f64
}

/// What C has as `USE()`: a `black_box()` that stores nothing, for which a locked operation would wait.
#[inline(always)]
pub(crate) fn used<T>(value: *mut T) {
    // SAFETY: It is a comment.
    unsafe { std::arch::asm!("/* {} */", in(reg) value, options(nostack, preserves_flags)) }
}

/// What stands before all operations: the machine here runs, and liburcu knows the thread.
pub(crate) fn start() {
    kernel::testing::boot().expect("the machine starts");
    peer::attach();
}

/// Measures the operations, each for so long, and finds the figures; those of the debug flavour if
/// there is a program of that.
pub(crate) fn all(
    operations: &[&Operation],
    figures: &[&Figure],
    seconds: f64,
    debug: Option<&Path>,
) -> Result<Report, String> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}").expect("a template");
    let bar = ProgressBar::new((operations.len() + figures.len()) as u64).with_style(style);
    let mut report = Report::here();
    if !operations.is_empty() {
        println!("{}", Measured::HEAD);
    }
    for operation in operations {
        bar.set_message(operation.name);
        bar.tick();
        let measured = ask(operation, seconds, debug)?;
        bar.suspend(|| print!("{measured}"));
        report.operations.push(measured);
        bar.inc(1);
    }
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    for figure in figures {
        bar.set_message(figure.name);
        bar.tick();
        let program = match figure.debug {
            true => debug,
            false => Some(here.as_path()),
        };
        if let Some(program) = program {
            let found = figure.ask(program)?;
            let reported = Reported::new(figure, found);
            bar.suspend(|| println!("{reported}"));
            report.figures.push(reported);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(report)
}

/// Has the operation measured in a process of its own: what others have left of memory is no matter of it.
fn ask(operation: &Operation, seconds: f64, debug: Option<&Path>) -> Result<Measured, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(here);
    command.args(["alone", operation.name, "--seconds", &seconds.to_string()]);
    if let Some(debug) = debug {
        command.arg("--debug").arg(debug);
    }
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{}: {error}, {}", operation.name, output.status))
}

/// Measures one operation, in this process.
pub(crate) fn one(
    operation: &Operation,
    seconds: f64,
    debug: Option<&Path>,
) -> Result<Measured, String> {
    start();
    let mut measured = Measured::new(operation);
    let mut there = Vec::new();
    for column in Column::ALL {
        if let Some(run) = operation.column(column) {
            there.push((column, run));
        }
    }
    if seconds > 0.0 {
        let mut measure = || times(operation, seconds, &there, &mut measured);
        if operation.apart {
            // All threads of the columns exist then, which are to run where they like.
            peer::barrier();
            processors::on_the_first(measure);
        } else {
            measure();
        }
    }
    for (column, _) in there {
        measured.cell(column).counts = count::count(operation, column);
        // Those that are not counted take long, and tell nothing that the others do not.
        let debug = debug.filter(|_| operation.steps.1 > 0);
        if let (Some(debug), Column::Safe | Column::Mirror) = (debug, column) {
            measured.cell(column).debug = Some(slower(operation, column, debug)?);
        }
    }
    Ok(measured)
}

/// The times of the columns, and their ratios to C's of the same round.
fn times(operation: &Operation, seconds: f64, there: &[(Column, Run)], measured: &mut Measured) {
    let round = |run: Run, n: u64| {
        let took = run.times(n);
        (operation.after)();
        took
    };
    // The first round warms up, and tells how many fit.
    let slowest = |n| {
        there
            .iter()
            .map(|(_, run)| round(*run, n))
            .fold(0.0, f64::max)
    };
    let fits = seconds * 1e9 / (there.len() * 3 * FEWEST) as f64;
    let took = slowest(operation.times);
    let n = match operation.fixed {
        true => operation.times,
        false => ((operation.times as f64 * (fits / took).min(1.0)) as u64).max(1),
    };
    let mut taken = vec![Vec::new(); there.len()];
    let begin = Instant::now();
    while taken[0].len() < FEWEST || begin.elapsed() < Duration::from_secs_f64(seconds) {
        let first = taken[0].len();
        for turn in 0..there.len() {
            let turn = (first + turn) % there.len();
            taken[turn].push(round(there[turn].1, n) / n as f64);
        }
    }
    let c = there.iter().position(|(column, _)| *column == Column::C);
    let ratios = |times: &[f64]| {
        let c = taken[c?].iter();
        Some(median(times.iter().zip(c).map(|(a, b)| a / b).collect()))
    };
    for ((column, _), times) in there.iter().zip(&taken) {
        *measured.cell(*column) = Cell {
            ns: Some(median(times.clone())),
            ratio: ratios(times),
            ..Cell::default()
        };
    }
    measured.rounds = taken[0].len();
    measured.times = n;
}

/// How many times slower the operation is in `debug` than in this program.
fn slower(operation: &Operation, column: Column, debug: &Path) -> Result<f64, String> {
    let column = column.to_string();
    let time = |program: &Path, times: u64| {
        let mut command = Command::new(program);
        command.args(["time", &column, operation.name, &times.to_string()]);
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = |_| format!("{} in {}: {said}", operation.name, program.display());
        said.trim().parse::<f64>().map_err(failed)
    };
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let slow = time(debug, (operation.times / 20).max(1))?;
        ratios.push(slow / time(&here, operation.times)?);
    }
    Ok(median(ratios).median)
}

/// Nanoseconds of processor time of this process so far.
pub(crate) fn processor() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.map_or(f64::NAN, |time| time.num_nanoseconds() as f64)
}
