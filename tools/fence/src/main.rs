// SPDX-License-Identifier: GPL-2.0-only
//! The command `fence`: boots the userspace kernel, runs the driver, replays scenarios.
//!
//! Exit codes: 0 if all is well, 1 if something was found (a difference, a leak, a broken
//! expectation), 2 if something could not be run (a file, a malformed line, an option).
#![forbid(unsafe_code)]
// They panic if the other end is closed, see `output`.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod break_rules;
mod consumers;
mod debugfs;
mod demo;
mod failure;
mod faults;
mod gpu;
mod latency;
mod names;
mod output;
mod replay;
mod report;
mod rules;
mod scenarios;
mod stats;
mod threads;
mod timelines;
mod torture;
mod workload;

use clap::{builder::PossibleValuesParser, Parser, Subcommand};
use dma_fence::testing::RULES;
use std::{path::PathBuf, process::ExitCode};

/// A userspace kernel for dma-fence drivers.
///
/// Without a command: boots the machine, loads the software timeline and the fake GPU, has them
/// work for each other and for waiters and readers, with a hang and an unload, replays a few
/// scenarios that were recorded from a running Linux, and says what happened.
#[derive(Parser)]
#[command(name = "fence", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: demo::Options,
}

#[derive(Subcommand)]
enum Command {
    /// Replay fence scenarios and print their transcripts
    ///
    /// Where FILE without `.fence` plus `.expect` exists, the transcript is compared with it
    /// instead, and the difference is printed.
    Replay {
        /// Scenario files; `-` is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Draw what points to what at the end of a scenario, or behind a line of it
    ///
    /// Containers, fences, and the callbacks and tasks that wait for them, as text for Graphviz, which
    /// `dot -Tsvg` makes a picture of.
    Graph {
        /// The scenario; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Draw when the commands up to this line have run
        #[arg(long, value_name = "N")]
        line: Option<usize>,
    },
    /// Break a rule of the contract, and show what is reported
    ///
    /// Shows the patch that makes a driver break it, and the report; or for a rule that a type
    /// keeps, what the compiler says. Without NAME: each in turn, a line for each.
    Break {
        /// The rule
        #[arg(value_name = "NAME", value_parser = rule_names())]
        name: Option<String>,
    },
    /// List the rules of the contract, or say all about one
    Rules {
        /// The rule
        #[arg(value_name = "NAME", value_parser = rule_names())]
        name: Option<String>,
    },
    /// Print a file of debugfs, as it is while a few programs use fences
    ///
    /// The text is the kernel's.
    Debugfs {
        /// Its path: dma_buf/bufinfo or sync/info
        #[arg(value_name = "PATH")]
        path: String,
    },
    /// Torture RCU, SRCU, fences or locks: threads use them as hard as they can
    ///
    /// What must hold is looked at all the while. Exit code 1: something was found; with --busted,
    /// where it should be: nothing was.
    Torture(torture::Torture),
    /// Load a driver's module with its workload, and print the events of its fences, and its log
    ///
    /// The events of each context and the log are the same in Linux for the same seed, which
    /// `scripts/kernel-lane --run` looks at.
    Workload(workload::Workload),
}

fn rule_names() -> PossibleValuesParser {
    PossibleValuesParser::new(RULES.iter().map(|rule| rule.name))
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; anything else could not be run.
            let text = error.render();
            return ExitCode::from(if error.use_stderr() {
                output::complain(format_args!("{}", text.to_string().trim_end()));
                2
            } else {
                output::print(text.to_string().as_bytes())
            });
        }
    };
    if kernel::testing::boot().is_err() {
        output::complain(format_args!(
            "fence: the kernel cannot boot: expected the host to have a thread for RCU"
        ));
        return ExitCode::from(2);
    }
    ExitCode::from(match cli.command {
        Some(Command::Replay { files }) => replay::run(&files),
        Some(Command::Graph { file, line }) => replay::draw(&file, line),
        Some(Command::Break { name }) => break_rules::run(name.as_deref()),
        Some(Command::Rules { name }) => rules::run(name.as_deref()),
        Some(Command::Debugfs { path }) => debugfs::run(&path),
        Some(Command::Torture(arguments)) => torture::run(&arguments),
        Some(Command::Workload(arguments)) => workload::run(&arguments),
        None => demo::run(&cli.demo),
    })
}
