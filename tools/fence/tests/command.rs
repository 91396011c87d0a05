// SPDX-License-Identifier: GPL-2.0-only
//! `fence` as a shell sees it: what it prints, and where, and its exit code; also where the host
//! has too few threads, a full disk, or no reader of what is printed.
#![forbid(unsafe_code)]

use serde_json::Value;
use std::{
    fs::{self, File},
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

/// A directory of a test's own, with these files.
fn dir(test: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    for (name, content) in files {
        fs::write(dir.join(name), content).unwrap();
    }
    dir
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fence"));
    command.args(args).current_dir(dir);
    command
}

/// Exit code, standard output, standard error.
fn seen(output: Output) -> (i32, String, String) {
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn fence(dir: &Path, args: &[&str]) -> (i32, String, String) {
    seen(command(dir, args).output().unwrap())
}

/// The result of a command that writes to standard output only.
fn prints(code: i32, out: &str) -> (i32, String, String) {
    (code, out.into(), String::new())
}

#[test]
fn a_picture_is_that_of_a_line() {
    let scenario = "context A\nfence a A 1\nresv r\nresv_lock r\nresv_reserve_fences r 1\n\
        resv_add_fence r a read\nresv_unlock r\nadd_callback a cb\nthread t wait a\nsignal a\n\
        resv_fini r\nput a\n";
    let dir = dir("graph", &[("a.fence", scenario), ("bad.fence", "fence\n")]);
    let picture = "\
digraph {
    node [shape=box];
    r2 [label=\"r\\nreservation object\", shape=cylinder];
    r3 [label=\"cb\\ncallback\", shape=ellipse];
    r4 [label=\"t\\ntask\", shape=ellipse];
    f1 [label=\"a\\noracle A #1:1\\npending, wanted\\n2 references\"];
    r2 -> f1 [label=\"Read\"];
    f1 -> r4 [label=\"calls\", style=dashed];
    f1 -> r3 [label=\"calls\", style=dashed];
}
";
    let graph = |args: &[&str]| fence(&dir, &[&["graph"], args].concat());
    assert_eq!(graph(&["a.fence", "--line", "9"]), prints(0, picture));
    let empty = "digraph {\n    node [shape=box];\n}\n";
    assert_eq!(graph(&["a.fence"]), prints(0, empty));
    let (code, out, complaint) = graph(&["bad.fence"]);
    assert_eq!((code, &*out), (2, empty));
    assert!(complaint.starts_with("bad.fence:1:1: "), "{complaint}");
    assert_eq!(graph(&["none.fence"]).0, 2);
}

#[test]
fn without_a_recording_the_transcript_is_printed() {
    let dir = dir("prints", &[("a.fence", SCENARIO)]);
    let expected = prints(0, TRANSCRIPT);
    assert_eq!(fence(&dir, &["replay", "a.fence"]), expected);
    let mut child = command(&dir, &["replay", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(SCENARIO.as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(seen(child.wait_with_output().unwrap()), expected);
}

#[test]
fn what_is_as_recorded_prints_nothing() {
    let files = [("a.fence", SCENARIO), ("a.expect", TRANSCRIPT)];
    let dir = dir("equal", &files);
    assert_eq!(fence(&dir, &["replay", "a.fence"]), prints(0, ""));
}

#[test]
fn a_difference_is_shown_and_found() {
    let recorded = TRANSCRIPT.replace("live 0", "live 1");
    let files = [("a.fence", SCENARIO), ("a.expect", &recorded)];
    let (code, out, err) = fence(&dir("differs", &files), &["replay", "a.fence"]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(out.starts_with("--- a.expect\n+++ a.fence\n@@ "), "{out}");
    assert!(out.contains("\n-  = live 1\n+  = live 0\n"), "{out}");
}

#[test]
fn a_refused_line_is_named_and_the_rest_goes_on() {
    let scenario = SCENARIO.replace("signal a", "  # nothing\nsginal a\nsignal b");
    let dir = dir("refused", &[("a.fence", &scenario)]);
    let (code, out, err) = fence(&dir, &["replay", "a.fence"]);
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
    let recorded = "signal b\n  ?\nend\n  = live 0\n";
    let files = [("a.fence", "signal b\n"), ("a.expect", recorded)];
    let (code, out, _) = fence(&dir("refused-as-recorded", &files), &["replay", "a.fence"]);
    assert_eq!((code, out.as_str()), (2, ""));
}

#[test]
fn the_worst_of_all_files_counts() {
    let files = [
        ("good.fence", SCENARIO),
        ("differs.fence", SCENARIO),
        ("differs.expect", "end\n"),
    ];
    let dir = dir("worst", &files);
    let (code, out, err) = fence(
        &dir,
        &["replay", "missing.fence", "differs.fence", "good.fence"],
    );
    assert_eq!(code, 2);
    assert!(err.starts_with("missing.fence: cannot be read: "), "{err}");
    assert!(out.ends_with(TRANSCRIPT), "{out}");
    let (code, ..) = fence(&dir, &["replay", "good.fence", "differs.fence"]);
    assert_eq!(code, 1);
}

#[test]
fn wrong_words_are_exit_code_2_and_told_what_would_be_right() {
    let dir = dir("options", &[]);
    let number = |option, value| ["--quiet", option, value];
    let workload = |option, value| ["workload", "fake_gpu", option, value];
    let (seed, jobs) = ("0 to 18446744073709551615", "0 to 1000000000");
    for (args, expected) in [
        (&["--sed", "1"][..], &["--sed", "--seed"][..]),
        (&["replay"], &["<FILE>"]),
        (&["break", "signal-twice"], &["signal-twice", "signal-once"]),
        (&["rules", "signal-twice"], &["signal-twice", "signal-once"]),
        (&["--json", "--quiet"], &["--json", "--quiet"]),
        (&number("--seed", "-1"), &["--seed", "-1", seed]),
        (&number("--seed", "18446744073709551616"), &["--seed", seed]),
        (&number("--jobs", "18446744073709551615"), &["--jobs", jobs]),
        (&number("--jobs", "18446744073709551616"), &["--jobs", jobs]),
        (&number("--jobs", "1000000001"), &["--jobs", jobs]),
        (&number("--jobs", "-1"), &["--jobs", "-1", jobs]),
        (&number("--jobs", "1e3"), &["--jobs", "1e3", jobs]),
        (&workload("--jobs", "20000"), &["20000", "0 to 2000"]),
        (&workload("--jobs", "-1"), &["-1", "0 to 2000"]),
        (&workload("--seed", "one"), &["--seed", "one", seed]),
        (&number("--rings", "0"), &["--rings", "1 to 8"]),
        (&number("--rings", "9"), &["--rings", "1 to 8"]),
        (&number("--rings", "99999999999999999999"), &["1 to 8"]),
        (&number("--fault", "lost=2"), &["--fault", "0.001 to 1"]),
    ] {
        let (code, out, err) = fence(&dir, args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        for words in expected {
            assert!(err.contains(words), "{args:?}: expected {words}: {err}");
        }
    }
    assert_eq!(fence(&dir, &["--help"]).0, 0);
}

#[test]
fn a_job_hangs_however_few_there_are() {
    let dir = dir("few", &[]);
    for (jobs, submitted) in [("0", 0), ("1", 2), ("20", 21), ("100", 101)] {
        let (code, out, err) = fence(&dir, &["--json", "--jobs", jobs]);
        assert_eq!((code, err.as_str()), (0, ""), "{jobs}");
        assert!(out.contains(&format!("\"jobs\": {submitted},")), "{out}");
    }
}

#[test]
fn the_demonstration_is_quiet_if_asked() {
    let dir = dir("quiet", &[]);
    let quiet = fence(&dir, &["--quiet", "--seed", "7"]);
    assert_eq!(quiet, prints(0, ""));
    let (code, out, err) = fence(&dir, &["--seed", "7"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("8 of 8 as recorded on Linux"), "{out}");
    let contract = cfg!(feature = "debug").then_some("contract     25 rules");
    for line in
        contract
            .into_iter()
            .chain(["jobs         2001", "names        ", "latency      under"])
    {
        assert!(out.contains(&format!("  {line}")), "{line}: {out}");
    }
}

#[test]
fn the_demonstration_counts_what_it_does() {
    let (code, out, err) = fence(&dir("counts", &[]), &["--json", "--jobs", "300"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    let number = |name: &str| {
        let path = name.split('.').fold(&summary, |value, name| &value[name]);
        path.as_u64().unwrap_or_else(|| panic!("no {name}: {out}"))
    };
    assert_eq!(
        number("completed") + number("errored"),
        number("jobs"),
        "{out}"
    );
    let told = number("waits") + number("callbacks");
    let awake = summary["latency"].as_array().unwrap().iter();
    assert_eq!(
        awake.map(|bar| bar[1].as_u64().unwrap()).sum::<u64>(),
        told,
        "{out}"
    );
    // Each waiter reads them twice, and the readers all the time.
    assert!(
        number("names_before") + number("names_after") > 2 * told,
        "{out}"
    );
    for name in [
        "errored",
        "resets",
        "interrupts",
        "waits",
        "callbacks",
        "names_before",
        "names_after",
    ] {
        assert!(number(name) > 0, "{name}: {out}");
    }
    for driver in ["fake_gpu", "sw_sync"] {
        let of = |name| number(&format!("fences.{driver}.{name}"));
        assert!(
            of("created") > 200 && of("in_error") > 0 && of("held") == 0,
            "{out}"
        );
        assert_eq!(of("created"), of("signalled"), "{out}");
    }
    if cfg!(feature = "debug") {
        for (rule, checked) in summary["contract"].as_object().unwrap() {
            assert_eq!(checked["broken"], 0, "{rule}: {out}");
        }
        assert!(number("contract.callback-atomic.looked") > told, "{out}");
    }
}

/// The command with these words, with `kilobytes` of address space, which stacks use up.
fn limited(kilobytes: u32, args: &[&str]) -> Output {
    let shell = format!("ulimit -v {kilobytes}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &shell, env!("CARGO_BIN_EXE_fence")]);
    command.args(args).output().unwrap()
}

#[test]
fn too_few_threads_are_exit_code_2_and_no_hang() {
    // At which of them what is refused depends on the host; that something is, the first ensures.
    for limit in [20_000, 24_000, 32_000, 48_000, 64_000] {
        let (code, _, err) = seen(limited(limit, &["--quiet"]));
        assert_eq!(code, 2, "{limit}: {err}");
        assert!(err.contains("thread"), "{limit}: {err}");
        assert!(!err.contains("panicked"), "{limit}: {err}");
    }
}

/// From a limit with room for all that the scenario needs to one that has room for nothing, in steps
/// that are smaller than the stack of its first thread.
#[test]
fn a_scenario_without_a_thread_is_exit_code_2() {
    let scenario = ("a.fence", "thread t wait_any_timeout 1\n");
    let scenario = dir("thread", &[scenario]).join("a.fence");
    let args = ["replay", scenario.to_str().unwrap()];
    let mut refused = 0;
    for limit in (20_000..=400_000).rev().step_by(20_000) {
        let output = limited(limit, &args);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked"), "{limit}: {err}");
        match output.status.code() {
            // Also below one that is refused: libc takes less for itself where it cannot have more.
            Some(0) => assert_eq!(err, "", "{limit}"),
            Some(2) if err.contains("thread") => {
                refused += i32::from(err.contains("expected the host to have one more"))
            }
            // Without memory for a few words nothing can be said; a debug kernel reads symbols.
            _ => assert!(err.contains("memory allocation of"), "{limit}: {err}"),
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_full_disk_is_said_and_exit_code_2() {
    let dir = dir("full", &[("a.fence", "lock L\n")]);
    for args in [&[][..], &["--help"], &["replay", "a.fence", "a.fence"]] {
        let mut command = command(&dir, args);
        command.stdout(File::create("/dev/full").unwrap());
        let (code, _, err) = seen(command.output().unwrap());
        assert_eq!(code, 2, "{args:?}: {err}");
        for line in err.lines() {
            assert!(line.starts_with("standard output: cannot be written: "));
        }
        // Every file was replayed.
        let lines = if args.len() == 3 { 2 } else { 1 };
        assert_eq!(err.lines().count(), lines, "{args:?}: {err}");
    }
}

/// A pipe whose other end is closed.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = dir("closed", &[("a.fence", "lock L\n")]);
    for args in [&[][..], &["--help"], &["--version"], &["replay", "a.fence"]] {
        let output = command(&dir, args).stdout(closed_pipe()).output().unwrap();
        assert_eq!(seen(output), prints(0, ""), "{args:?}");
    }
    // Nor do messages that cannot be written change the rest.
    let mut command = command(&dir, &["replay", "missing.fence", "a.fence"]);
    let output = command.stderr(closed_pipe()).output().unwrap();
    let transcript = "lock L\n  = ok\nend\n  = live 0\n";
    assert_eq!(seen(output), prints(2, transcript));
}

#[test]
fn debugfs_prints_a_file_while_programs_use_fences() {
    let dir = dir("debugfs", &[]);
    let (code, out, err) = fence(&dir, &["debugfs", "sync/info"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let time = out
        .lines()
        .find_map(|line| line.strip_prefix("  fence error@"));
    let time = time.and_then(|line| line.split(':').next()).unwrap();
    assert_eq!(
        out.replace(time, "S.N"),
        "objs:\n--------------\n\
         compositor: 1\n  fence active: 2 / 1\n  fence active: 3 / 1\n\n\
         game: 0\n  fence error@S.N: 60 / 0\n\n\
         video-player: 24\n  fence active: 25 / 24\n\n\
         fences:\n--------------\n"
    );
    let (code, out, err) = fence(&dir, &["debugfs", "none"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(
        err,
        "none: no such file, expected one of dma_buf/bufinfo, sync/info\n"
    );
    let (code, out, _) = fence(&dir, &["debugfs", "dma_buf/bufinfo"]);
    assert!(
        out.ends_with("\nTotal 2 objects, 11534336 bytes\n"),
        "{out}"
    );
    for text in [
        "\tgame\n\twrite fence:",
        ":25 video-player sw_sync unsignalled\n",
        ":60   signalled\n",
        ":2 compositor sw_sync unsignalled\n",
    ] {
        assert!(out.contains(text), "{out}");
    }
    assert_eq!(code, 0);
}
