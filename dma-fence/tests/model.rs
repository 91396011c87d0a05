// SPDX-License-Identifier: GPL-2.0-only
//! Random sequences of calls against a model written from the documentation.
//!
//! Each sequence is put to the C mirror and to the model; both have to tell the same story: each
//! result, trace event, warning, op, callback and thread in its order, and what can be seen of
//! each fence after each command. A sequence that finds a difference is shrunk. So that one knows
//! that differences would be found, faults are put into the model, one at a time.
//!
//! The sequences are the same in each run. `PROPTEST_RNG_SEED` gives others, `PROPTEST_CASES` more.

mod model {
    pub(crate) mod call;
    pub(crate) mod pure;
    pub(crate) mod real;
    pub(crate) mod shrink;
    pub(crate) mod strategy;
    pub(crate) mod user;
}

use model::{
    call::Call,
    pure::{Fault, Model, FAULTS},
    real::{self, Probes},
    shrink::shrink,
    strategy,
    user::User,
};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::fmt::Write as _;

/// What the model says.
fn predicted(calls: &[Call], fault: Option<Fault>) -> String {
    let user = User::new(Model::new(fault));
    user.run(calls);
    user.transcript()
}

/// Fails if the implementation and the model, with a fault or without, differ.
fn compare(calls: &[Call], fault: Option<Fault>) -> Result<(), TestCaseError> {
    let real = real::run(calls).map_err(|stuck| TestCaseError::fail(stuck.to_string()))?;
    let model = predicted(calls, fault);
    if real == model {
        return Ok(());
    }
    Err(TestCaseError::fail(difference(&real, &model)))
}

/// The story up to where it is told in two ways.
fn difference(real: &str, model: &str) -> String {
    let mut text = String::new();
    let (mut real, mut model) = (real.lines(), model.lines());
    loop {
        match (real.next(), model.next()) {
            (Some(r), Some(m)) if r == m => {
                let _ = writeln!(text, "  {r}");
            }
            (None, None) => break,
            (r, m) => {
                let _ = writeln!(
                    text,
                    "- {}\n+ {}",
                    r.unwrap_or("(end)"),
                    m.unwrap_or("(end)")
                );
                break;
            }
        }
    }
    format!("the implementation (-) and the model (+) differ:\n{text}")
}

fn sequence(calls: &[Call]) -> String {
    calls.iter().map(|call| format!("{call}\n")).collect()
}

fn config() -> Config {
    Config {
        failure_persistence: None,
        ..Config::default()
    }
}

/// The shortest sequence that was found to be told in two ways, and how.
struct Found {
    calls: Vec<Call>,
    difference: String,
}

/// Tries random sequences.
fn search(config: Config, rng: TestRng, fault: Option<Fault>) -> Result<(), Found> {
    let mut runner = TestRunner::new_with_rng(config, rng);
    match runner.run(&strategy::calls(), |calls| compare(&calls, fault)) {
        Ok(()) => Ok(()),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Err(TestError::Fail(reason, calls)) => {
            let calls = shrink(calls, |calls| compare(calls, fault).is_err());
            let again = compare(&calls, fault).err();
            let difference = again.map_or(reason.to_string(), |error| error.to_string());
            Err(Found { calls, difference })
        }
    }
}

fn hold(share: u32) {
    let _probes = Probes::register();
    let mut config = config();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES / SHARES;
    }
    let seed = std::env::var("PROPTEST_RNG_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(1);
    if let Err(found) = search(config, rng(seed, share), None) {
        panic!(
            "{}\nthe sequence (PROPTEST_RNG_SEED={seed}):\n{}",
            found.difference,
            sequence(&found.calls)
        );
    }
}

/// A generator that gives the same sequences each time; the fastest without optimisation.
fn rng(seed: u64, share: u32) -> TestRng {
    let mut bytes = [1; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&share.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::XorShift, &bytes)
}

/// How many sequences are tried in all; `PROPTEST_CASES` is for each of the tests.
const CASES: u32 = 20_000;
/// On how many tests they are shared out, which run at the same time.
const SHARES: u32 = 4;

#[test]
fn model_holds_1() {
    hold(1);
}

#[test]
fn model_holds_2() {
    hold(2);
}

#[test]
fn model_holds_3() {
    hold(3);
}

#[test]
fn model_holds_4() {
    hold(4);
}

/// Sequences within which each fault must be found.
const FOUND_WITHIN: u32 = 5_000;
/// Commands to which what was found must shrink.
const SHRUNK_TO: usize = 6;

/// What is wrong with the search for a fault.
fn missed(fault: Fault) -> Option<String> {
    let config = Config {
        cases: FOUND_WITHIN,
        ..config()
    };
    match search(config, rng(1, 0), Some(fault)) {
        Err(found) if found.calls.len() <= SHRUNK_TO => None,
        Err(found) => Some(format!(
            "{fault:?}: {} commands are left:\n{}{}",
            found.calls.len(),
            sequence(&found.calls),
            found.difference
        )),
        Ok(()) => Some(format!("{fault:?} was not found")),
    }
}

#[test]
fn faults_are_found() {
    let _probes = Probes::register();
    let missed: Vec<_> = FAULTS.into_iter().filter_map(missed).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
