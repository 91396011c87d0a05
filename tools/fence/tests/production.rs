// SPDX-License-Identifier: GPL-2.0-only
//! The production kernel (`--no-default-features`) passes the tests of the debug kernel.
//!
//! Features are a choice of the whole build, so this is a build of its own. Its programs run side
//! by side, as many as there are processors.
#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Mutex,
    thread,
};

/// Builds the programs of tests; with each the directory of its package.
fn build() -> BTreeMap<PathBuf, PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--workspace", "--tests", "--no-default-features"])
        .args(["--no-run", "--message-format=json-render-diagnostics"])
        .arg("--target-dir")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("production"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // What the outer build was told does not concern the inner one.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let messages = String::from_utf8(output.stdout).unwrap();
    messages.lines().filter_map(program).collect()
}

/// The program of tests that a message of cargo is about, and the directory of its package.
fn program(message: &str) -> Option<(PathBuf, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(message).unwrap();
    let program = message["executable"].as_str()?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let tests = message["profile"]["test"] == true;
    tests.then(|| (program.into(), manifest.parent().unwrap().into()))
}

/// Runs a program in the directory of its package; its tests end before this one does.
fn run(program: &Path, package: &Path) -> Output {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/test-runner");
    Command::new(runner)
        .arg(program)
        .env("TEST_LIMIT", "300")
        .env("CARGO_MANIFEST_DIR", package)
        .current_dir(package)
        .output()
        .expect("the program starts")
}

#[test]
fn all_tests_pass_without_default_features() {
    let programs = build();
    assert!(programs.len() > 20, "{programs:?}");
    let next = Mutex::new(programs.iter());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| loop {
                // In a statement of its own: the lock is not held while the program runs.
                let Some((program, package)) = next.lock().unwrap().next() else {
                    break;
                };
                let output = run(program, package);
                if !output.status.success() {
                    failed.lock().unwrap().push((program, output));
                }
            });
        }
    });
    for (program, output) in failed.lock().unwrap().iter() {
        println!("{}: {}", program.display(), output.status);
        println!("{}", String::from_utf8_lossy(&output.stdout));
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(failed.lock().unwrap().is_empty());
}
