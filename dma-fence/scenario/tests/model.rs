// SPDX-License-Identifier: GPL-2.0-only
//! Random scenarios against a model written from the documentation.
//!
//! Each scenario is replayed, and the model prints the transcript that the replay has to write:
//! each result, trace event, warning, op, callback and thread in its order, and what is refused. A
//! scenario of which they tell different stories is shrunk and written to a file, which the command
//! `fence` replays and the real kernel can judge. To show that differences would be found, faults
//! are put into the model, one at a time.
//!
//! The scenarios are the same in each run. `PROPTEST_RNG_SEED` gives others, `PROPTEST_CASES` more.

mod model {
    pub(crate) mod call;
    pub(crate) mod fault;
    pub(crate) mod fence;
    pub(crate) mod wait;
}

use dma_fence_scenario::{compare_named, replay, scenario};
use kernel::testing::console;
use model::{
    call::predict,
    fault::{Fault, FAULTS},
};
use proptest::{
    bool::weighted,
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use std::path::PathBuf;

/// Returns the difference between the model, with a fault or without, and the replay.
fn difference(source: &str, fault: Option<Fault>) -> Option<String> {
    let got = replay(source.as_bytes());
    compare_named(
        "model",
        predict(source, fault).as_bytes(),
        "replay",
        &got.transcript,
    )
}

/// The commands that show the state of a fence.
const LOOKS: [&str; 5] = ["refs", "flags", "ops", "error", "timestamp"];

/// A scenario: a line for each seed, then a look at all fences. Threads cost the host much, so that
/// few have them.
fn sources() -> impl Strategy<Value = String> {
    (vec(any::<u64>().no_shrink(), 1..40), weighted(0.125)).prop_map(|(seeds, threads)| {
        let mut source = scenario(&seeds, threads, false);
        let fences = source.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let makes = ["fence", "get_stub", "allocate_private_stub"];
            makes.contains(&words.next()?).then(|| words.next())?
        });
        let looks = fences.flat_map(|fence| LOOKS.map(|look| format!("{look} {fence}\n")));
        let looks: String = looks.collect();
        source.push_str(&looks);
        source
    })
}

/// The scenarios that have one line less, then those of which a fence has one option less.
fn shorter(source: &str) -> Vec<String> {
    let lines: Vec<&str> = source.lines().collect();
    let with = |at: usize, line: Option<String>| {
        let (before, after) = (&lines[..at], &lines[at + 1..]);
        let lines = before
            .iter()
            .copied()
            .chain(line.as_deref())
            .chain(after.iter().copied());
        lines.map(|line| format!("{line}\n")).collect()
    };
    let mut all: Vec<String> = (0..lines.len()).rev().map(|at| with(at, None)).collect();
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.starts_with("fence "))
    {
        let words: Vec<&str> = line.split(' ').collect();
        for option in 4..words.len() {
            let line = [&words[..option], &words[option + 1..]].concat().join(" ");
            all.push(with(at, Some(line)));
        }
    }
    all
}

/// Leaves out lines and options for as long as there is a difference.
fn shrink(mut source: String, fault: Option<Fault>) -> String {
    let differs = |source: &String| difference(source, fault).is_some();
    while let Some(less) = shorter(&source).into_iter().find(differs) {
        source = less;
    }
    source
}

/// Tries random scenarios; returns a shrunk one with a difference.
fn search(config: Config, rng: TestRng, fault: Option<Fault>) -> Option<String> {
    let mut runner = TestRunner::new_with_rng(config, rng);
    let ran = runner.run(&sources(), |source| match difference(&source, fault) {
        Some(difference) => Err(TestCaseError::fail(difference)),
        None => Ok(()),
    });
    match ran {
        Ok(()) => None,
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Err(TestError::Fail(_, source)) => Some(shrink(source, fault)),
    }
}

/// Writes a scenario to a file, which the real kernel can judge.
fn save(name: &str, source: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("model-{name}.fence"));
    std::fs::write(&path, source).expect("the target directory can be written to");
    path
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

/// A generator that gives the same scenarios each time; the fastest without optimisation.
fn rng(seed: u64, share: u32) -> TestRng {
    let mut bytes = [1; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&share.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::XorShift, &bytes)
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How many scenarios are tried in all; `PROPTEST_CASES` is for each of the tests.
const CASES: u32 = 20_000;
/// On how many tests they are shared out, which run at the same time.
const SHARES: u32 = 4;

fn hold(share: u32) {
    console::set_loglevel(0);
    let cases = number("PROPTEST_CASES").and_then(|cases| cases.try_into().ok());
    let seed = number("PROPTEST_RNG_SEED").unwrap_or(1);
    let config = config(cases.unwrap_or(CASES / SHARES));
    if let Some(source) = search(config, rng(seed, share), None) {
        let path = save(&format!("{seed}-{share}"), &source);
        panic!(
            "{}PROPTEST_RNG_SEED={seed} {}\n{source}",
            difference(&source, None).unwrap_or_default(),
            path.display()
        );
    }
}

macro_rules! model_holds {
    ($($name:ident = $share:literal;)*) => {
        $(#[test]
        fn $name() {
            hold($share);
        })*
    };
}

model_holds! {
    model_holds_1 = 1;
    model_holds_2 = 2;
    model_holds_3 = 3;
    model_holds_4 = 4;
}

/// Scenarios within which each fault must be found.
const FOUND_WITHIN: u32 = 5_000;
/// Commands to which what was found must shrink.
const SHRUNK_TO: usize = 6;

/// Returns a message if the search for a fault went wrong.
fn missed(fault: Fault) -> Option<String> {
    let Some(source) = search(config(FOUND_WITHIN), rng(1, 0), Some(fault)) else {
        return Some(format!("{fault:?} was not found"));
    };
    let path = save(&format!("{fault:?}"), &source);
    let saved = std::fs::read_to_string(&path).expect("what was written");
    let found = difference(&saved, Some(fault)).unwrap_or_default();
    let lines = saved.lines().count();
    let shown = !found.is_empty() && difference(&saved, None).is_none();
    (!shown || lines > SHRUNK_TO).then(|| format!("{fault:?}: {lines} lines left:\n{saved}{found}"))
}

#[test]
fn faults_are_found() {
    console::set_loglevel(0);
    let missed: Vec<_> = FAULTS.into_iter().filter_map(missed).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
