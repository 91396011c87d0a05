// SPDX-License-Identifier: GPL-2.0-only
//! Measures the safe API, the mirror of the C API and the kernel's own C, beside each other in one
//! process. `scripts/bench` builds and runs it; `scripts/bench --help` says what is printed.

mod chart;
mod count;
mod engine;
mod figure;
mod judge;
mod measure;
mod mirror;
mod operation;
mod others;
mod page;
mod peer;
mod processors;
mod report;
mod safe;
mod schedules;
mod statistics;

use clap::{Args, Parser, Subcommand};
use figure::Figure;
use operation::{Column, Operation, Run};
use report::Report;
use std::{path::PathBuf, process::ExitCode};

#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Name the operations
    List,
    /// Measure all operations, or those named
    Measure {
        /// Their names
        #[arg(value_name = "OPERATION")]
        names: Vec<String>,
        /// How long each is timed; 0 for counts alone
        #[arg(long, default_value_t = 2.0, value_name = "N")]
        seconds: f64,
        /// Write all that was measured there
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// A program like this one, of the debug flavour
        #[arg(long, value_name = "PROGRAM")]
        debug: Option<PathBuf>,
    },
    /// Measure one operation, in this process
    Alone {
        /// Its name
        name: String,
        /// How long it is timed
        #[arg(long, value_name = "N")]
        seconds: f64,
        /// A program like this one, of the debug flavour
        #[arg(long, value_name = "PROGRAM")]
        debug: Option<PathBuf>,
    },
    /// Make the page of the book
    Page {
        /// What was measured
        #[arg(value_name = "FILE")]
        json: PathBuf,
        /// The book
        #[arg(long, value_name = "DIR", default_value = "Documentation")]
        to: PathBuf,
    },
    /// Find a figure, in this process
    Figure {
        /// Its name
        name: String,
    },
    /// Measure schedules of explore()
    Explore {
        /// How long each body is explored
        #[arg(long, default_value_t = 2.0, value_name = "N")]
        seconds: f64,
    },
    /// Do an operation N times, with breakpoints around what is timed
    Step(Done),
    /// Do an operation N times, and print the nanoseconds that each took, in the least of five rounds
    Time(Done),
}

#[derive(Args)]
struct Done {
    /// In which column
    column: Column,
    /// Its name
    name: String,
    /// How often
    times: u64,
}

impl Done {
    fn find(&self) -> Result<(&'static Operation, Run), String> {
        let operation = Operation::find(&self.name)?;
        let run = operation.column(self.column);
        Ok((operation, run.ok_or("there is no such column")?))
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(good) => ExitCode::from(u8::from(!good)),
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// The operations and figures of these names, or all.
fn chosen(names: &[String]) -> Result<(Vec<&'static Operation>, Vec<&'static Figure>), String> {
    if names.is_empty() {
        return Ok((
            operation::ALL.iter().collect(),
            figure::ALL.iter().collect(),
        ));
    }
    let (mut operations, mut figures) = (Vec::new(), Vec::new());
    for name in names {
        match figure::find(name) {
            Some(figure) => figures.push(figure),
            None => operations.push(Operation::find(name)?),
        }
    }
    Ok((operations, figures))
}

/// Whether nothing fails its bound.
fn run(command: Command) -> Result<bool, String> {
    match command {
        Command::List => {
            for operation in operation::ALL {
                println!("{:<22} {}", operation.name, operation.what);
            }
            for figure in figure::ALL {
                println!("{:<22} {}", figure.name, figure.what);
            }
            Ok(true)
        }
        Command::Measure {
            names,
            seconds,
            json,
            debug,
        } => {
            let (operations, figures) = chosen(&names)?;
            let debug = debug.as_deref();
            let mut report = measure::all(&operations, &figures, seconds, debug)?;
            report.judge();
            print!("{}", report.findings());
            if let Some(path) = json {
                report.write(&path)?;
            }
            Ok(report.good())
        }
        Command::Alone {
            name,
            seconds,
            debug,
        } => {
            let operation = Operation::find(&name)?;
            let measured = measure::one(operation, seconds, debug.as_deref())?;
            let text = serde_json::to_string(&measured).map_err(|error| error.to_string())?;
            println!("{text}");
            Ok(true)
        }
        Command::Page { json, to } => {
            let mut report = Report::read(&json)?;
            report.judge();
            page::write(&report, &to)?;
            Ok(true)
        }
        Command::Figure { name } => {
            let unknown = || format!("there is no figure {name}");
            figure::find(&name).ok_or_else(unknown)?.print()
        }
        Command::Explore { seconds } => schedules::explore(seconds),
        Command::Step(done) => {
            let (operation, run) = done.find()?;
            measure::start();
            // Until the caches have what it needs.
            run.times(20_000);
            (operation.after)();
            count::begin();
            run.times(done.times);
            // Nothing that it left is to be put away.
            std::process::exit(0)
        }
        Command::Time(done) => {
            let (operation, run) = done.find()?;
            measure::start();
            let round = |_| {
                let each = run.times(done.times) / done.times as f64;
                (operation.after)();
                each
            };
            let least = (0..5).map(round).fold(f64::INFINITY, f64::min);
            println!("{least}");
            Ok(true)
        }
    }
}
