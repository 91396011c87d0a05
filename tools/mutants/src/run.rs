// SPDX-License-Identifier: GPL-2.0-only
//! Runs test binaries, with a mutation or without one.

use crate::cargo::Binary;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// What a test binary makes of a mutation.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Passed,
    /// By this test.
    Failed(String),
    /// In this test, if libtest has named one.
    Hung(Option<String>),
}

/// A test binary's run without a mutation.
pub(crate) struct Baseline<'a> {
    pub(crate) binary: &'a Binary,
    pub(crate) time: Duration,
    /// The mutations that it reaches, by number.
    pub(crate) reached: Vec<bool>,
}

/// Where a run leaves what it says and what it has reached.
pub(crate) struct Lane {
    copy: PathBuf,
    output: PathBuf,
    coverage: PathBuf,
    /// The shortest limit that a run has.
    limit: Duration,
}

impl Lane {
    pub(crate) fn new(directory: &Path, number: usize, limit: Duration) -> Self {
        let file = |name| directory.join(format!("{name}.{number}"));
        Self {
            copy: directory.join("tree"),
            output: file("output"),
            coverage: file("coverage"),
            limit,
        }
    }

    /// Runs without a mutation, of which there are so many.
    pub(crate) fn baseline<'a>(
        &self,
        binary: &'a Binary,
        mutations: usize,
    ) -> Result<Baseline<'a>, String> {
        let said = |error| format!("{}: {error}", self.coverage.display());
        fs::write(&self.coverage, vec![0; mutations.max(1)]).map_err(said)?;
        let start = Instant::now();
        let outcome = self.run(
            binary,
            Duration::from_secs(600),
            "MUTATED_COVERAGE",
            self.coverage.as_os_str(),
        )?;
        let time = start.elapsed();
        if outcome != Outcome::Passed {
            return Err(format!(
                "{} fails without a mutation: {outcome:?}\n{}",
                binary.name,
                self.said()
            ));
        }
        let reached = fs::read(&self.coverage)
            .map_err(said)?
            .iter()
            .map(|&byte| byte != 0)
            .collect();
        Ok(Baseline {
            binary,
            time,
            reached,
        })
    }

    /// Runs with a mutation, for at most a multiple of the time that it took without.
    pub(crate) fn mutated(
        &self,
        binary: &Binary,
        id: usize,
        unmutated: Duration,
    ) -> Result<Outcome, String> {
        let limit = self.limit.max(unmutated * 5);
        self.run(binary, limit, "MUTATED", id.to_string().as_ref())
    }

    fn run(
        &self,
        binary: &Binary,
        limit: Duration,
        variable: &str,
        value: &std::ffi::OsStr,
    ) -> Result<Outcome, String> {
        let package = self.copy.join(&binary.package);
        let output = fs::File::create(&self.output)
            .map_err(|error| format!("{}: {error}", self.output.display()))?;
        let errors = output.try_clone().map_err(|error| error.to_string())?;
        // What runs away must not take the host with it: memory, and what it says.
        let status = Command::new("sh")
            .args([
                "-c",
                "ulimit -v 8388608; ulimit -f 131072; exec timeout -k 5 \"$@\"",
                "sh",
            ])
            .arg(limit.as_secs().to_string())
            .arg(&binary.executable)
            .arg("--test-threads=2")
            .current_dir(&package)
            .env("CARGO_MANIFEST_DIR", &package)
            .env(variable, value)
            .stdin(std::process::Stdio::null())
            .stdout(output)
            .stderr(errors)
            .status()
            .map_err(|error| format!("sh: {error}"))?;
        Ok(match status.code() {
            Some(0) => Outcome::Passed,
            // As timeout(1) says it.
            Some(124 | 137) => Outcome::Hung(hanging(&self.said())),
            _ => Outcome::Failed(failed(&self.said()).unwrap_or_else(|| status.to_string())),
        })
    }

    fn said(&self) -> String {
        fs::read(&self.output).map_or_else(
            |error| error.to_string(),
            |said| String::from_utf8_lossy(&said).into_owned(),
        )
    }
}

/// The test that failed first, by what the binary has said.
fn failed(said: &str) -> Option<String> {
    let mut tests = said
        .lines()
        .filter(|line| line.starts_with("test ") && line.ends_with("FAILED"));
    let harness = tests.next().and_then(|line| line.split(' ').nth(1));
    // Where it ended before the harness could say so.
    let thread = || {
        said.split_once("thread '")
            .and_then(|(_, rest)| rest.split('\'').next())
    };
    harness.or_else(thread).map(str::to_string)
}

/// The test that was named for running longer than a minute.
fn hanging(said: &str) -> Option<String> {
    let mut tests = said.lines().filter_map(|line| {
        let test = line.strip_suffix(" has been running for over 60 seconds")?;
        test.strip_prefix("test ")
    });
    tests.next().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::{failed, hanging};

    #[test]
    fn the_test_is_read_from_what_was_said() {
        let said = "test a::b ... ok\ntest a::c has been running for over 60 seconds\n";
        assert_eq!((failed(said), hanging(said)), (None, Some("a::c".into())));
        let said = "test b ... ok\nthread 'a' (7) panicked\ntest c ... FAILED\n";
        assert_eq!((failed(said), hanging(said)), (Some("c".into()), None));
        assert_eq!(failed(&said[..30]), Some("a".into()));
    }
}
