// SPDX-License-Identifier: GPL-2.0-only
//! Random scenarios, a tenth of them with mutated bytes: whatever they say, a replay ends, and
//! leaves nothing.
//!
//! `FENCE_FUZZ` is their number, `FENCE_SEED` the first seed. A failure names its seed.

use dma_fence_scenario::{compare, generate, replay};
use std::thread;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is not a number"))
    })
}

/// Replays the scenario of a seed; the lines of its transcript, and the refusals.
fn run(seed: u64) -> (usize, usize) {
    let source = generate(seed, seed.is_multiple_of(10));
    let text = String::from_utf8_lossy(&source);
    let got = replay(&source);
    assert_eq!(got.live, 0, "FENCE_SEED={seed}: fences are left of\n{text}");
    for refusal in &got.refusals {
        assert!(
            refusal.message.contains("expected "),
            "FENCE_SEED={seed}: {refusal:?}"
        );
        // The end that every scenario gets may be behind the last line.
        let mut lines = source.split(|&b| b == b'\n').chain([&b""[..]]);
        let line = lines.nth(refusal.line - 1);
        let line = line.unwrap_or_else(|| panic!("FENCE_SEED={seed}: {refusal:?}"));
        assert!(
            refusal.column <= line.len().max(1),
            "FENCE_SEED={seed}: {refusal:?}"
        );
    }
    // Some of them once more: what came out is a scenario too, and all of it is as reproducible as
    // the recorded ones.
    if seed.is_multiple_of(16) {
        let again = replay(&got.transcript);
        if let Some(diff) = compare(&got.transcript, &again.transcript) {
            panic!("FENCE_SEED={seed}: a transcript does not replay as itself:\n{diff}");
        }
    }
    let lines = got.transcript.split(|&b| b == b'\n').count();
    (lines, got.refusals.len())
}

#[test]
fn random_scenarios_end_well() {
    let count = number("FENCE_FUZZ", 2000);
    let first = number("FENCE_SEED", 1);
    println!("{count} scenarios from seed {first}");
    let seeds = first..first.saturating_add(count);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (ran, refused) = thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| seeds.clone().skip(part).step_by(threads))
            .map(|seeds| scope.spawn(|| seeds.map(run).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))))
            .collect();
        parts.into_iter().fold((0, 0), |sum, part| {
            let (ran, refused) = part.join().expect("its message names a seed");
            (sum.0 + ran, sum.1 + refused)
        })
    });
    println!("{ran} lines, {refused} refusals");
    // Most commands must do something, or the rest tests nothing.
    assert!(refused * 3 < ran, "{refused} refusals in {ran} lines");
}

#[test]
fn mutated_ones_are_damaged_a_little() {
    for seed in 1..100 {
        let [whole, damaged] = [false, true].map(|mutated| generate(seed, mutated));
        assert_ne!(whole, damaged, "seed {seed}");
        let close = whole.len() / 2..whole.len() * 2;
        assert!(close.contains(&damaged.len()), "seed {seed}");
    }
}
