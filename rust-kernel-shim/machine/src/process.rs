// SPDX-License-Identifier: GPL-2.0-only
//! Tests in a process of their own.

use std::{env, process::Command};

/// Runs a test of this program, even an ignored one, in a process of its own, with `variables` in
/// its environment; returns whether it passed, and what it printed.
///
/// # Panics
///
/// If the host starts no process.
pub fn test_alone(test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let program = env::current_exe().expect("a program has a path");
    let output = Command::new(program)
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .output()
        .expect("the host starts a process");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    (output.status.success(), printed)
}

/// Has `f` called when the process exits, from `main` or by `exit()`, and before what was asked for
/// earlier.
pub fn at_exit(f: extern "C" fn()) {
    // SAFETY: The function may be called at any exit. A failure matters little.
    unsafe { libc::atexit(f) };
}
