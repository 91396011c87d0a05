// SPDX-License-Identifier: GPL-2.0-only
//! `fence` where the host has too little: threads, room on the disk, anybody who listens.
#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The command with these words, below a shell that has set something up.
fn below(shell: &str, args: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", &format!("{shell}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_fence"))
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file of a test's own.
fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn too_few_threads_are_exit_code_2_and_no_hang() {
    // Kilobytes of address space, which stacks use up. At which of them what is refused is the
    // host's affair; that something is, the first line sees to.
    for limit in [16_000, 24_000, 32_000, 48_000, 64_000] {
        let output = below(&format!("ulimit -v {limit}"), &["--quiet"]);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{limit}: {err}");
        assert!(err.contains("thread"), "{limit}: {err}");
        assert!(!err.contains("panicked"), "{limit}: {err}");
    }
}

#[test]
fn a_scenario_without_a_thread_is_exit_code_2() {
    let scenario = file("thread.fence", "thread t wait_any_timeout 1\n");
    let output = below("ulimit -v 32000", &["replay", scenario.to_str().unwrap()]);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("expected the host to have one more"), "{err}");
}

#[test]
fn a_full_disk_is_said_and_exit_code_2() {
    let scenario = file("full.fence", "lock L\n");
    let scenario = scenario.to_str().unwrap();
    for args in [&[][..], &["--help"], &["replay", scenario, scenario]] {
        let output = Command::new(env!("CARGO_BIN_EXE_fence"))
            .args(args)
            .stdout(File::create("/dev/full").unwrap())
            .output()
            .unwrap();
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {err}");
        for line in err.lines() {
            assert!(line.starts_with("standard output: cannot be written: "));
        }
        // Every file was replayed.
        let lines = if args.len() == 3 { 2 } else { 1 };
        assert_eq!(err.lines().count(), lines, "{args:?}: {err}");
    }
}

/// A pipe that nobody reads any more.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_closed_pipe_is_no_error() {
    let scenario = file("closed.fence", "lock L\n");
    for args in [
        &[][..],
        &["--help"],
        &["--version"],
        &["replay", scenario.to_str().unwrap()],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_fence"))
            .args(args)
            .stdout(closed_pipe())
            .output()
            .unwrap();
        let seen = (output.status.code(), text(&output.stderr));
        assert_eq!(seen, (Some(0), String::new()), "{args:?}");
    }
}

#[test]
fn messages_that_nobody_reads_do_not_change_the_rest() {
    let scenario = file("last.fence", "lock L\n");
    let output = Command::new(env!("CARGO_BIN_EXE_fence"))
        .args(["replay", "missing.fence", scenario.to_str().unwrap()])
        .stderr(closed_pipe())
        .output()
        .unwrap();
    let seen = (output.status.code(), text(&output.stdout));
    let transcript = "lock L\n  = ok\nend\n  = live 0\n".to_owned();
    assert_eq!(seen, (Some(2), transcript));
}
