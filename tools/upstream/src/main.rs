// SPDX-License-Identifier: GPL-2.0-only
//! Puts files of the kernel's Rust code on the shim as they are, and runs them; for
//! `scripts/upstream`, which says more.

#![forbid(unsafe_code)]

mod cargo;
mod doctests;
mod examples;
mod given;
mod group;
mod page;
mod place;
mod run;
mod source;
mod table;
mod tree;

use clap::Parser;
use std::{path::PathBuf, process::ExitCode};

/// Runs files of the kernel's on a copy of the repository.
#[derive(Parser)]
struct Arguments {
    /// The repository.
    #[arg(long)]
    root: PathBuf,
    /// Where the copy stands, and what is built of it.
    #[arg(long)]
    work: PathBuf,
    /// The repository's files, each with a NUL.
    #[arg(long)]
    list: PathBuf,
    /// A patch for the files, in the form of `diff -u`; its hunks are counted.
    #[arg(long)]
    patch: Vec<PathBuf>,
    /// All files in one wrapper, where they may use each other.
    #[arg(long)]
    together: bool,
    /// Schedules of each example and test.
    #[arg(long, default_value_t = 100)]
    schedules: u32,
    /// All examples of the files against ours, and the tests in them.
    #[arg(long)]
    doctests: bool,
    /// At the end, the copy has all files that stand in the place of ours.
    #[arg(long)]
    keep: bool,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Of examples, the table of Documentation/upstream.rst instead.
    #[arg(long, requires = "doctests", conflicts_with = "json")]
    page: bool,
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run::run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("upstream: {error}");
            ExitCode::from(2)
        }
    }
}
