// SPDX-License-Identifier: GPL-2.0-only
//! Programs on the server: what they are answered, and what it says of them.
#![forbid(unsafe_code)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// Compiles a file below the repository's root, once.
fn compile(options: &[&str], file: &str, to: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(to);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut compiler = Command::new(cc);
    compiler.args(["-O1", "-g", "-Wall"]).args(options);
    compiler.arg(format!("{root}{file}")).arg("-o").arg(&to);
    assert!(compiler.status().unwrap().success(), "{file}");
    to
}

/// Has the server run a command.
fn serve(command: &[&str]) -> Output {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        compile(
            &["-shared", "-fPIC"],
            "scripts/suites.d/preload.c",
            "preload.so",
        )
    });
    let mut server = Command::new(env!("CARGO_BIN_EXE_uapi-server"));
    let server = server.arg("--library").arg(library).args(command);
    server.output().unwrap()
}

/// Runs a part of the program.
#[track_caller]
fn part(name: &str) {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let file = "tools/uapi-server/tests/program.c";
    let program = PROGRAM.get_or_init(|| compile(&[], file, "program"));
    let output = serve(&[program.to_str().unwrap(), name]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

#[test]
fn paths_exist() {
    part("paths");
}

#[test]
fn arguments_are_looked_at_as_in_linux() {
    part("arguments");
}

#[test]
fn no_more_is_written_than_there_is() {
    part("more_room");
}

#[test]
fn the_last_close_counts() {
    part("last_close");
}

#[test]
fn a_program_without_descriptors_is_told() {
    part("no_descriptors");
}

#[test]
fn buffers_have_fences() {
    part("buffers");
}

#[test]
fn devices_have_names() {
    part("names");
}

/// The exit code, and what was said on standard error.
fn end(command: &[&str]) -> (Option<i32>, String) {
    let output = serve(command);
    let said = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said.into_owned())
}

#[test]
fn a_program_ends_as_it_does() {
    assert_eq!(end(&["sh", "-c", "exit 3"]).0, Some(3));
    assert_eq!(end(&["sh", "-c", "kill -9 $$"]).0, Some(137));
    let (code, said) = end(&["/no/such/program"]);
    assert_eq!(code, Some(125));
    assert!(said.contains("/no/such/program"), "{said}");
}

#[test]
fn what_a_program_leaves_is_said() {
    let (code, said) = end(&[
        "sh",
        "-c",
        "exec 3<>/dev/sw_sync; sleep 10 >/dev/null 2>&1 &",
    ]);
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains("\nsh: 0\n"), "{said}");
    assert_eq!(end(&["sh", "-c", "exec 3<>/dev/sw_sync"]).0, Some(0));
}
