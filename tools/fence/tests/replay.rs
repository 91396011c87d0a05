// SPDX-License-Identifier: GPL-2.0-only
//! `fence replay` as a shell sees it: what it prints, and where, and its exit code.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const SCENARIO: &str = "context A\nfence a A 1\nsignal a\nput a\n";
const TRANSCRIPT: &str = "\
context A
  = ok
fence a A 1
  ~ init driver=oracle timeline=A context=A seqno=1
  = ok
signal a
  ~ signaled driver=oracle timeline=A context=A seqno=1
  = ok
put a
  ~ destroy driver=detached-driver timeline=signaled-timeline context=A seqno=1
  = ok
end
  = live 0
";

/// A directory of a test's own.
fn dir(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn fence(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fence"));
    command.args(args).current_dir(dir);
    command
}

/// Exit code, standard output, standard error.
fn seen(output: &Output) -> (i32, &str, &str) {
    (
        output.status.code().unwrap(),
        std::str::from_utf8(&output.stdout).unwrap(),
        std::str::from_utf8(&output.stderr).unwrap(),
    )
}

#[test]
fn without_a_recording_the_transcript_is_printed() {
    let dir = dir("prints");
    fs::write(dir.join("a.fence"), SCENARIO).unwrap();
    let output = fence(&dir, &["replay", "a.fence"]);
    assert_eq!(seen(&output), (0, TRANSCRIPT, ""));
}

#[test]
fn standard_input_is_a_file_too() {
    let dir = dir("stdin");
    let mut child = command(&dir, &["replay", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(SCENARIO.as_bytes())
        .unwrap();
    assert_eq!(
        seen(&child.wait_with_output().unwrap()),
        (0, TRANSCRIPT, "")
    );
}

#[test]
fn what_is_as_recorded_says_nothing() {
    let dir = dir("equal");
    fs::write(dir.join("a.fence"), SCENARIO).unwrap();
    fs::write(dir.join("a.expect"), TRANSCRIPT).unwrap();
    assert_eq!(seen(&fence(&dir, &["replay", "a.fence"])), (0, "", ""));
}

#[test]
fn a_difference_is_shown_and_found() {
    let dir = dir("differs");
    fs::write(dir.join("a.fence"), SCENARIO).unwrap();
    fs::write(dir.join("a.expect"), TRANSCRIPT.replace("live 0", "live 1")).unwrap();
    let output = fence(&dir, &["replay", "a.fence"]);
    let (code, out, err) = seen(&output);
    assert_eq!((code, err), (1, ""));
    assert!(out.starts_with("--- a.expect\n+++ a.fence\n@@ "), "{out}");
    assert!(out.contains("\n-  = live 1\n+  = live 0\n"), "{out}");
}

#[test]
fn a_refused_line_is_named_and_the_rest_goes_on() {
    let dir = dir("refused");
    let scenario = SCENARIO.replace("signal a", "  # nothing\nsginal a\nsignal b");
    fs::write(dir.join("a.fence"), scenario).unwrap();
    let output = fence(&dir, &["replay", "a.fence"]);
    let (code, out, err) = seen(&output);
    assert_eq!(code, 2);
    assert!(out.contains("\nsginal a\n  ? "), "{out}");
    assert!(out.ends_with("end\n  = live 0\n"), "{out}");
    let errors: Vec<_> = err.lines().collect();
    assert_eq!(errors.len(), 2, "{err}");
    assert!(errors[0].starts_with("a.fence:4:1: "), "{err}");
    assert!(errors[1].starts_with("a.fence:5:8: "), "{err}");
}

#[test]
fn a_refusal_as_recorded_is_no_difference() {
    let dir = dir("refused-as-recorded");
    fs::write(dir.join("a.fence"), "signal b\n").unwrap();
    fs::write(dir.join("a.expect"), "signal b\n  ?\nend\n  = live 0\n").unwrap();
    let output = fence(&dir, &["replay", "a.fence"]);
    let (code, out, _) = seen(&output);
    assert_eq!((code, out), (2, ""));
}

#[test]
fn the_worst_of_all_files_counts() {
    let dir = dir("worst");
    fs::write(dir.join("good.fence"), SCENARIO).unwrap();
    fs::write(dir.join("differs.fence"), SCENARIO).unwrap();
    fs::write(dir.join("differs.expect"), "end\n").unwrap();
    let output = fence(
        &dir,
        &["replay", "missing.fence", "differs.fence", "good.fence"],
    );
    let (code, out, err) = seen(&output);
    assert_eq!(code, 2);
    assert!(err.starts_with("missing.fence: cannot be read: "), "{err}");
    assert!(out.ends_with(TRANSCRIPT), "{out}");
    let output = fence(&dir, &["replay", "good.fence", "differs.fence"]);
    assert_eq!(seen(&output).0, 1);
}

#[test]
fn options_that_do_not_exist_are_exit_code_2() {
    let dir = dir("options");
    assert_eq!(seen(&fence(&dir, &["--sed", "1"])).0, 2);
    assert_eq!(seen(&fence(&dir, &["replay"])).0, 2);
    assert_eq!(seen(&fence(&dir, &["--help"])).0, 0);
}

#[test]
fn options_that_contradict_each_other_are_exit_code_2() {
    let dir = dir("contradiction");
    let output = fence(&dir, &["--json", "--quiet"]);
    let (code, out, err) = seen(&output);
    assert_eq!((code, out), (2, ""));
    assert!(err.contains("--json") && err.contains("--quiet"), "{err}");
}

#[test]
fn a_job_hangs_however_few_there_are() {
    let dir = dir("few");
    for (jobs, submitted) in [("0", 0), ("1", 2), ("20", 21), ("100", 101)] {
        let output = fence(&dir, &["--json", "--jobs", jobs]);
        let (code, out, err) = seen(&output);
        assert_eq!((code, err), (0, ""), "{jobs}");
        assert!(out.contains(&format!("\"jobs\": {submitted},")), "{out}");
    }
}

#[test]
fn the_demonstration_is_quiet_if_asked() {
    let dir = dir("quiet");
    assert_eq!(seen(&fence(&dir, &["--quiet", "--seed", "7"])), (0, "", ""));
    let output = fence(&dir, &["--seed", "7"]);
    let (code, out, err) = seen(&output);
    assert_eq!((code, err), (0, ""));
    assert!(out.contains("8 of 8 as recorded on Linux"), "{out}");
}
