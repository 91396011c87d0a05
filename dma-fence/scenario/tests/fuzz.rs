// SPDX-License-Identifier: GPL-2.0-only
//! Random scenarios, a tenth of them with mutated bytes: whatever they say, a
//! replay ends, and leaves nothing.
//!
//! `FENCE_FUZZ` is their number, `FENCE_SEED` the first seed. A failure names
//! its seed.

use dma_fence_scenario::{compare, generate, replay};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is not a number"))
    })
}

#[test]
fn random_scenarios_end_well() {
    let count = number("FENCE_FUZZ", 2000);
    let first = number("FENCE_SEED", 1);
    println!("{count} scenarios from seed {first}");
    let mut ran = 0;
    let mut refused = 0;
    for seed in first..first.saturating_add(count) {
        let mutate = seed % 10 == 0;
        let source = generate(seed, mutate);
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
        ran += got.transcript.split(|&b| b == b'\n').count();
        refused += got.refusals.len();
        // Some of them once more: what came out is a scenario too, and all of it
        // is as reproducible as the recorded ones.
        if seed % 16 == 0 {
            let again = replay(&got.transcript);
            if let Some(diff) = compare(&got.transcript, &again.transcript) {
                panic!("FENCE_SEED={seed}: a transcript does not give itself:\n{diff}");
            }
        }
    }
    println!("{ran} lines, {refused} refusals");
    // Most commands must do something, or the rest tests nothing.
    assert!(refused * 3 < ran, "{refused} refusals in {ran} lines");
}
