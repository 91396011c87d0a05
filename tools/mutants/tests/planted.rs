// SPDX-License-Identifier: GPL-2.0-only
//! The command judges a crate whose answers are known.
#![forbid(unsafe_code)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const LIB: &str = r#"
#![allow(missing_docs)]
pub fn tested() -> bool {
    7 > 6
}
pub unsafe fn untested(x: u32) -> u32 {
    x + 1
}
pub fn unreached() -> Option<u32> {
    Some(3)
}
pub fn endless() {
    ENDED.store(true, std::sync::atomic::Ordering::Relaxed);
}
pub static ENDED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
pub fn equivalent() -> Result<(), String> {
    Ok(())
}
pub const fn constant() -> bool {
    true
}
pub fn no_value() -> std::num::NonZeroU8 {
    std::num::NonZeroU8::MIN
}
#[cfg(not_built)]
pub fn not_built() {
    unreachable!()
}
macro_rules! functions {
    ($($name:ident() $body:block)*) => { $(pub fn $name() $body)* };
}
functions! {
    of_a_macro() {
        panic!();
    }
}
#[cfg(test)]
fn of_the_tests() {}
"#;

const TESTS: &str = r#"
#[test]
fn it_is_tested() {
    assert!(planted::tested());
    // SAFETY: It has no preconditions.
    assert!(unsafe { planted::untested(1) } < 9);
    planted::equivalent().unwrap();
}
#[test]
#[should_panic]
fn it_panics() {
    planted::of_a_macro();
}
#[test]
fn it_ends() {
    while !planted::ENDED.load(std::sync::atomic::Ordering::Relaxed) {
        planted::endless();
        std::thread::yield_now();
    }
}
"#;

/// A package named `planted`, in a directory of its own.
fn plant(name: &str) -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for (path, text) in [
        ("Cargo.toml", "[workspace]\nmembers = [\"planted\"]\n"),
        (
            "planted/Cargo.toml",
            "[package]\nname = \"planted\"\nedition = \"2021\"\n",
        ),
        ("planted/src/lib.rs", LIB),
        ("planted/tests/judge.rs", TESTS),
        (
            "equivalent",
            "# why\nplanted/src/lib.rs equivalent Err(Default::default()): to see it left out\n",
        ),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn mutants(root: &Path, arguments: &[&str]) -> (Output, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_mutants"))
        .arg("--root")
        .arg(root)
        .arg("--equivalent")
        .arg(root.join("equivalent"))
        .args(arguments)
        .output()
        .unwrap();
    let mut lines: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_string)
        .collect();
    lines.sort();
    (output, lines)
}

#[test]
fn a_planted_crate_is_judged() {
    let root = plant("judged");
    let (output, lines) = mutants(&root, &["--limit", "3"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    let caught = "by planted/tests/judge";
    assert_eq!(
        lines,
        [
            format!("caught planted planted/src/lib.rs:3 tested -> false: {caught}, it_is_tested"),
            format!("caught planted planted/src/lib.rs:33 of_a_macro -> (): {caught}, it_panics"),
            "hung planted planted/src/lib.rs:12 endless -> (): in planted/tests/judge".into(),
            "missed planted planted/src/lib.rs:3 tested -> true: by the 1 that reach it".into(),
            "missed planted planted/src/lib.rs:6 untested -> 0: by the 1 that reach it".into(),
            "missed planted planted/src/lib.rs:6 untested -> 1: by the 1 that reach it".into(),
            "missed planted planted/src/lib.rs:9 unreached -> None: not reached".into(),
            "planted: 33 % caught (2 caught, 4 missed), 1 hung".into(),
        ],
        "{errors}"
    );
    assert_eq!(output.status.code(), Some(1), "{errors}");
}

#[test]
fn the_same_seed_draws_the_same() {
    let root = plant("drawn");
    let draw = |seed: &str| mutants(&root, &["--list", "--count", "3", "--seed", seed]).1;
    let first = draw("1");
    assert_eq!(first.len(), 3);
    assert_eq!(draw("1"), first);
    assert!((2..9).any(|seed: i32| draw(&seed.to_string()) != first));
}

#[test]
fn nothing_judged_is_not_good() {
    let root = plant("none");
    for none in ["--count=0", "--time=0"] {
        let (output, lines) = mutants(&root, &[none]);
        assert_eq!((output.status.code(), lines.len()), (Some(2), 0), "{none}");
    }
}

#[test]
fn what_cannot_be_run_is_not_judged() {
    let root = plant("fails");
    fs::write(
        root.join("planted/tests/judge.rs"),
        "#[test] fn fails() { panic!() }",
    )
    .unwrap();
    let (output, lines) = mutants(&root, &[]);
    assert_eq!((output.status.code(), lines.len()), (Some(2), 0));
    let (output, _) = mutants(&root, &["--stratum", "none"]);
    assert_eq!(output.status.code(), Some(2));
    fs::write(
        root.join("planted/src/lib.rs"),
        "pub fn no() -> u32 { \"\" }",
    )
    .unwrap();
    let (output, _) = mutants(&root, &[]);
    assert_eq!(output.status.code(), Some(2));
}
