// SPDX-License-Identifier: GPL-2.0-only

//! Programs that must not compile, whatever the compiler.
//!
//! What exactly the compiler says to them was recorded with one version of it, and is compared
//! under that version. Any other must refuse them for the same reason: with the error code that
//! the recording begins with.

use std::{env, fs, path::Path, process::Command};

/// The version of rustc that the `.stderr` files were recorded with.
const RECORDED: &str = "1.95";

/// The version of rustc that runs here, as `1.95`.
fn version() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let number = text.split(' ').nth(1).unwrap_or_default();
    number.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// Checks that no program in `dir`, which is in the crate's own directory, compiles.
pub(crate) fn refuses(dir: &str) {
    let version = version();
    if version == RECORDED {
        trybuild::TestCases::new().compile_fail(format!("{dir}/*.rs"));
        return;
    }
    println!("rustc {version}: messages were recorded with {RECORDED}, error codes are compared");

    // A copy without recordings, which are made anew; a program that compiles is an error.
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir_all(&copy).unwrap();
    let mut recorded = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => drop(fs::copy(&path, copy.join(name)).unwrap()),
            Some("stderr") => recorded.push((copy.join(name), fs::read_to_string(&path).unwrap())),
            _ => {}
        }
    }
    env::set_var("TRYBUILD", "overwrite");
    trybuild::TestCases::new().compile_fail(copy.join("*.rs"));
    for (path, recorded) in recorded {
        let said = fs::read_to_string(&path).unwrap();
        let expected = kind(recorded.lines().next().unwrap_or_default());
        assert!(
            said.lines().any(|line| kind(line) == expected),
            "{}: expected `{expected}`, rustc {version} says\n{said}",
            path.display()
        );
    }
}

/// What a line of the compiler begins with: `error[E0277]`, or `error` for one without a code.
fn kind(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}
