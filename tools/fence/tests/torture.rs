// SPDX-License-Identifier: GPL-2.0-only
//! `fence torture` as a shell sees it.
#![forbid(unsafe_code)]

use serde_json::Value;
use std::process::Command;

/// The exit code, and what was written to standard output and standard error.
fn torture(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fence"))
        .arg("torture")
        .args(args)
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn what_is_right_is_exit_code_0() {
    for target in ["rcu", "srcu", "fence", "lock"] {
        let (code, out, err) = torture(&[target, "--seconds", "1", "--threads", "2"]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{target}: {out}");
        assert!(out.ends_with("  no failure\n"), "{target}: {out}");
    }
}

#[test]
fn what_is_busted_is_caught() {
    let (code, out, _) = torture(&["rcu", "--busted", "grace-period", "--seconds", "60"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.ends_with("  caught\n"), "{out}");
}

#[test]
fn the_summary_is_json_if_asked() {
    let (code, out, _) = torture(&["rcu", "--json", "--seconds", "1", "--seed", "7"]);
    let json: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(code, Some(0), "{out}");
    assert_eq!((&json["target"], &json["seed"]), (&"rcu".into(), &7.into()));
    let steps = json["histogram"].as_array().expect("RCU has one");
    assert!(steps[2..].iter().all(|step| *step == 0), "{out}");
}

#[test]
fn a_variant_of_another_target_is_exit_code_2() {
    let (code, out, err) = torture(&["lock", "--busted", "grace-period"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    let wanted =
        "fence: lock has no variant grace-period: expected one of spinlock, mutex, trylock\n";
    assert_eq!(err, wanted);
}
