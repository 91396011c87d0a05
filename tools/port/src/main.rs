// SPDX-License-Identifier: GPL-2.0-only
//! Moves a driver's crate, and the safe half of dma-fence with it, to a directory that Linux builds
//! as a module; for `scripts/port`, which has the list of the rules.

#![forbid(unsafe_code)]

mod config;
mod driver;
mod fits;
mod modules;
mod rewrite;
mod write;

use clap::Parser;
use driver::Driver;
use modules::{Half, Modules};
use std::{
    path::{Path, PathBuf},
    process::ExitCode, //
};

/// Makes a module directory of a driver's crate.
#[derive(Parser)]
struct Arguments {
    /// The repository.
    #[arg(long)]
    root: PathBuf,
    /// Where the module is to stand.
    #[arg(long, required_unless_present_any = ["name", "fits"])]
    out: Option<PathBuf>,
    /// Writes nothing, and prints the module's name.
    #[arg(long, conflicts_with = "out")]
    name: bool,
    /// Also over one that was written there before.
    #[arg(long)]
    force: bool,
    /// Instead: a kernel's bindings, and sources of its helpers, with which the safe half is compared.
    #[arg(long, conflicts_with_all = ["out", "name", "force"])]
    fits: Vec<PathBuf>,
    /// How messages name that kernel.
    #[arg(long, default_value = "that kernel")]
    kernel: String,
    /// The directory of the driver's crate.
    #[arg(required_unless_present = "fits")]
    dir: Option<PathBuf>,
}

/// Why there is no module.
enum Failure {
    /// What was given is no driver's crate, or cannot be read or written.
    Usage(String),
    /// Linux cannot have it: a line of each reason.
    Refused(Vec<String>),
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self::Usage(what)
    }
}

fn port(arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.fits.is_empty() {
        let (wrong, new) = fits::fits(&arguments.root, &arguments.fits, &arguments.kernel)?;
        for line in &new {
            println!("{line}");
        }
        return if wrong.is_empty() {
            Ok(())
        } else {
            Err(Failure::Refused(wrong))
        };
    }
    let dir = arguments.dir.as_deref().unwrap_or(Path::new("."));
    let driver = Driver::read(dir)?;
    if let Some(out) = &arguments.out {
        write::check(out, dir, &driver.src, arguments.force)?;
    }
    let src = arguments.root.join("dma-fence/src");
    let half = Modules::read(&src, "lib.rs", "dma-fence/src", Half::Safe)?;
    let own = Modules::read(
        &driver.src,
        &driver.lib,
        &driver.shown,
        Half::Driver(&half.hidden),
    )?;
    let lists = [&driver.refused, &half.refused, &own.refused];
    let refused: Vec<_> = lists.into_iter().flatten().cloned().collect();
    if !refused.is_empty() {
        return Err(Failure::Refused(refused));
    }
    match &arguments.out {
        Some(out) => write::write(out, &arguments.root, &driver, &own, &half),
        None => {
            println!("{}", driver.name);
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    match port(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(what)) => {
            eprintln!("port: {what}");
            ExitCode::from(2)
        }
        Err(Failure::Refused(lines)) => {
            for line in &lines {
                eprintln!("{line}");
            }
            ExitCode::FAILURE
        }
    }
}
