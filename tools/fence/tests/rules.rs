// SPDX-License-Identifier: GPL-2.0-only
//! Each rule: the driver that breaks it is reported as its page says.
//!
//! `FENCE_BLESS=1` writes what is reported into the pages.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "debug"), allow(dead_code))]

use dma_fence::testing::{Example, Kept, RULES};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn examples() -> impl Iterator<Item = &'static Example> {
    dma_fence_broken::EXAMPLES.iter().chain(broken::EXAMPLES)
}

fn fence(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, .. } = Command::new(env!("CARGO_BIN_EXE_fence"))
        .args(args)
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

fn golden(rule: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../Documentation/rules/reports")
        .join(format!("{rule}.txt"))
}

/// What the page of a rule shows: the report without the end of the line that counts.
fn report(output: &str) -> &str {
    let start = output.find("\nBUG: ").map_or(0, |at| at + 1);
    output[start..].split("\n\n").next().unwrap()
}

#[cfg(feature = "debug")]
#[test]
fn what_breaks_a_rule_is_reported_as_its_page_says() {
    for example in examples() {
        let rule = example.rule;
        let (code, output) = fence(&["break", rule]);
        assert_eq!(code, Some(0), "{output}");
        let report = format!("{}\n", report(&output));
        if env::var_os("FENCE_BLESS").is_some() {
            std::fs::write(golden(rule), &report).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(golden(rule)).unwrap(),
            report,
            "{rule}"
        );
    }
}

#[test]
fn every_checked_rule_has_its_driver() {
    for rule in RULES {
        let drivers = examples()
            .filter(|example| example.rule == rule.name)
            .count();
        let checked = matches!(rule.kept, Kept::ByCheck(_));
        assert_eq!(drivers, usize::from(checked), "{}", rule.name);
    }
}

#[cfg(feature = "debug")]
#[test]
fn the_summary_has_a_line_for_each() {
    let (code, output) = fence(&["break"]);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(output.lines().count(), RULES.len());
    let often = |line: &str| line.contains(" looked ") && !line.contains(" looked 1 times");
    assert!(output.lines().any(often), "{output}");
    for (line, rule) in output.lines().zip(RULES) {
        assert!(line.starts_with(rule.name), "{line}");
        assert!(line.ends_with(", as it should"), "{line}");
        let idle = line.contains("looked 0 times") || line.contains(", 0 reports");
        assert!(!idle, "{line}");
    }
}

#[test]
fn what_a_type_keeps_shows_what_the_compiler_says() {
    for (rule, said) in [
        ("signal-once", "error[E0382]: borrow of moved value"),
        (
            "no-alloc-at-submit",
            "error[E0599]: no method named `new_fence`",
        ),
        ("no-ops-identity", "error[E0599]: no method named `ops`"),
    ] {
        let (code, output) = fence(&["break", rule]);
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains(said), "{output}");
    }
}

#[cfg(not(feature = "debug"))]
#[test]
fn a_production_kernel_names_the_feature_that_it_lacks() {
    for args in [&["break", "error-before-signal"][..], &["break"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_fence"))
            .args(args)
            .output();
        let Output { status, stderr, .. } = output.unwrap();
        let err = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{err}");
        for words in ["error-before-signal", "the feature `debug`"] {
            assert!(err.contains(words), "{err}");
        }
    }
}

#[test]
fn all_rules_are_listed() {
    let (code, output) = fence(&["rules"]);
    assert_eq!(code, Some(0));
    for (line, rule) in output.lines().zip(RULES) {
        assert!(
            line.contains(rule.name) && line.ends_with(rule.statement),
            "{line}"
        );
    }
    let (code, output) = fence(&["rules", "signal-once"]);
    assert_eq!(code, Some(0));
    assert!(
        output.contains("Documentation/rules/signal-once.rst"),
        "{output}"
    );
}
