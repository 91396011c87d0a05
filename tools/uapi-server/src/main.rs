// SPDX-License-Identifier: GPL-2.0-only
//! Runs a program whose sw_sync, sync_file and debugfs are those of the userspace kernel here.
//!
//! The program is an ordinary process, as are those that it starts. A library that is loaded into
//! each, `scripts/suites.d/preload.c`, leads what they ask of these files to this process, which
//! makes descriptors for them that behave like those of Linux.
//!
//! Exit code: the program's, or 128 and the signal that ended it; 125 if it could not be run, or
//! something of what it had open is left when it has ended; 1 if the kernel has reported something.
#![forbid(unsafe_code)]

mod buffer;
mod drm;
mod files;
mod protocol;
mod server;

use clap::Parser;
use kernel::testing::user;
use rustix::process::{kill_process, Pid, Signal};
use server::Server;
use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitCode},
};
use sw_timeline::SwTimeline;

/// Run a program on the sw_sync and sync_file of the userspace kernel.
#[derive(Parser)]
#[command(name = "uapi-server")]
struct Cli {
    /// The library that leads the program here
    #[arg(long, value_name = "FILE")]
    library: PathBuf,
    /// The program, and its arguments
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

const CANNOT_RUN: u8 = 125;

/// What `sync/info` says if no timeline is open, and none has a fence that is used.
const NO_TIMELINE: &[u8] = b"objs:\n--------------\nfences:\n--------------\n";

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("uapi-server: {error}");
            ExitCode::from(CANNOT_RUN)
        }
    }
}

/// The program, which ends if the server does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        }
    }
}

fn run(cli: &Cli) -> io::Result<u8> {
    let error = |error| io::Error::other(format!("the kernel does not work: {error:?}"));
    kernel::testing::boot().map_err(error)?;
    // Programs signal fences when they like.
    dma_fence::testing::set_pending_limit(None);
    let _driver = kernel::testing::insmod::<SwTimeline>().map_err(error)?;
    let name = format!("uapi-server-{}", std::process::id());
    let mut server = Server::new(&name)?;
    let (program, arguments) = (&cli.command[0], &cli.command[1..]);
    let child = Command::new(program)
        .args(arguments)
        .env("LD_PRELOAD", &cli.library)
        .env("UAPI_SERVER", name)
        .spawn()
        .map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    let mut child = Running(child);
    server.serve(&child.0)?;
    let info = user::read_file(c"/sys/kernel/debug/sync/info").map_err(error)?;
    if &*info != NO_TIMELINE {
        let info = String::from_utf8_lossy(&info);
        let left = format!("{program} has ended, and there still is\n{info}");
        return Err(io::Error::other(left));
    }
    let status = child.0.wait()?;
    Ok(match (status.code(), status.signal()) {
        (Some(code), _) => code as u8,
        (None, signal) => 128 + signal.unwrap_or(0) as u8,
    })
}
