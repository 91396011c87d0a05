// SPDX-License-Identifier: GPL-2.0-only
//! The production kernel (`--no-default-features`) passes the tests of the debug kernel.
//!
//! Features are a choice of the whole build, so this is a build of its own.
#![cfg(feature = "debug")]

use std::{path::Path, process::Command};

#[test]
fn all_tests_pass_without_default_features() {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--workspace", "--tests", "--no-default-features"])
        .arg("--target-dir")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("production"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // What the outer build was told does not concern the inner one.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
