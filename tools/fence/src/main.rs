// SPDX-License-Identifier: GPL-2.0-only
//! The command `fence`: boots the userspace kernel, runs the driver, replays scenarios.
//!
//! Exit codes: 0 if all is well, 1 if something was found (a difference, a leak, a broken
//! expectation), 2 if something could not be run (a file, a malformed line, an option).
#![forbid(unsafe_code)]
// They panic if nobody listens, see `output`.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod demo;
mod names;
mod output;
mod replay;
mod scenarios;

use clap::{Args, Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// A userspace kernel for dma-fence drivers.
///
/// Without a command: boots the machine, loads the software timeline, runs a small workload on
/// it, replays a few scenarios that were recorded from a running Linux, and says what happened.
#[derive(Parser)]
#[command(name = "fence", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: Demo,
}

#[derive(Args)]
struct Demo {
    /// The seed of the workload; the same seed makes the same fences
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Print nothing if all is well
    #[arg(long, short)]
    quiet: bool,
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
        None => demo::run(cli.demo.seed, cli.demo.quiet),
    })
}
