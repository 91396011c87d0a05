// SPDX-License-Identifier: GPL-2.0-only
//! `fence replay`: transcripts of scenario files, compared where one was recorded; and `fence graph`.

use crate::output::{complain, print};
use dma_fence_scenario::{compare_named, graph, replay, Replay};
use std::{
    ffi::OsStr,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Replays each file; returns the worst of their exit codes.
pub(crate) fn run(files: &[PathBuf]) -> u8 {
    // Scenarios misuse fences on purpose; what the kernel prints then is in the transcript.
    kernel::testing::console::set_loglevel(0);
    files.iter().map(|file| one(file)).max().unwrap_or(0)
}

/// Prints the picture of a scenario; returns the exit code.
pub(crate) fn draw(path: &Path, line: Option<usize>) -> u8 {
    kernel::testing::console::set_loglevel(0);
    let Some(source) = source(path) else { return 2 };
    let (picture, replay) = graph(&source, line);
    complain_of(path, &replay).max(print(picture.as_bytes()))
}

/// The scenario; says so if it cannot be read.
fn source(path: &Path) -> Option<Vec<u8>> {
    match read(path) {
        Ok(source) => Some(source),
        Err(error) => {
            let name = path.display();
            complain(format_args!("{name}: cannot be read: {error}"));
            None
        }
    }
}

/// Says what was refused; returns the exit code.
fn complain_of(path: &Path, replay: &Replay) -> u8 {
    let name = path.display();
    for refusal in &replay.refusals {
        let (line, column) = (refusal.line, refusal.column);
        complain(format_args!("{name}:{line}:{column}: {}", refusal.message));
    }
    if replay.refusals.is_empty() {
        0
    } else {
        2
    }
}

fn one(path: &Path) -> u8 {
    let name = path.display().to_string();
    let Some(source) = source(path) else { return 2 };
    let expect = path.with_extension("expect");
    let expected = match fs::read(&expect) {
        _ if path == Path::new("-") || path.extension() != Some(OsStr::new("fence")) => None,
        Ok(expected) => Some(expected),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            complain(format_args!(
                "{}: cannot be read: {error}",
                expect.display()
            ));
            return 2;
        }
    };

    let replay = replay(&source);
    let mut code = complain_of(path, &replay);
    match expected {
        None => code = code.max(print(&replay.transcript)),
        Some(expected) => {
            let expect = expect.display().to_string();
            if let Some(diff) = compare_named(&expect, &expected, &name, &replay.transcript) {
                code = code.max(print(diff.as_bytes())).max(1);
            }
        }
    }
    code
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut source = Vec::new();
        io::stdin().read_to_end(&mut source)?;
        Ok(source)
    } else {
        fs::read(path)
    }
}
