// SPDX-License-Identifier: GPL-2.0-only
//! The transcripts recorded from the running kernel, replayed.

use dma_fence_scenario::{compare_named, replay};
use std::{fs, path::Path};

/// Replays all scenarios of a folder, and what came out once more.
fn conforms(folder: &str, at_least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conformance")
        .join(folder);
    let mut differences = String::new();
    let mut replayed = 0;
    for entry in fs::read_dir(path).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "fence") {
            continue;
        }
        let first = replay(&fs::read(&path).expect("the scenario"));
        replayed += 1;
        let recorded = path.with_extension("expect");
        let expected = fs::read(&recorded).expect("the transcript");
        let recorded = recorded.display().to_string();
        let second = replay(&expected);
        for (name, got) in [("replayed", &first), ("replayed from it", &second)] {
            let diff = compare_named(&recorded, &expected, name, &got.transcript);
            differences.push_str(&diff.unwrap_or_default());
            if got.live != 0 {
                differences.push_str(&format!("{recorded}: {} left\n", got.live));
            }
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
    assert!(
        replayed >= at_least,
        "{replayed} in {folder}, not {at_least}"
    );
}

#[test]
fn one_fact_each() {
    conforms("scenarios", 213);
}

#[test]
fn random() {
    conforms("random", 55);
}

#[test]
fn refused() {
    conforms("refused", 45);
}
