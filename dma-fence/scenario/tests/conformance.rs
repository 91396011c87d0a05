// SPDX-License-Identifier: GPL-2.0-only
//! The transcripts recorded from the running kernel, replayed.

use dma_fence_scenario::{compare_named, replay};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The beginnings of the commands that are not there yet.
const NOT_YET: [&str; 9] = [
    "array",
    "chain",
    "unwrap_",
    "dedup_array",
    "resv",
    "match_context",
    "is_array",
    "is_chain",
    "is_container",
];

/// Does the scenario use a command that is not there yet?
fn is_for_later(source: &str) -> bool {
    source.lines().any(|line| {
        let mut words = line.split_whitespace().peekable();
        let wrapper = words.next_if(|word| ["callback", "thread"].contains(word));
        if wrapper.is_some() {
            words.next();
        }
        let command = words.next().unwrap_or_default();
        !line.starts_with(['#', ' ']) && NOT_YET.iter().any(|start| command.starts_with(start))
    })
}

/// The scenarios in a folder, without those for later.
fn scenarios(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conformance")
        .join(folder);
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "fence"))
        .map(|path| {
            let source = fs::read(&path).expect("the scenario");
            (path, source)
        })
        .filter(|(_, source)| !is_for_later(&String::from_utf8_lossy(source)))
        .collect();
    found.sort();
    found
}

/// Replays all scenarios of a folder, and what came out once more.
fn conforms(folder: &str, at_least: usize) {
    let found = scenarios(folder);
    assert!(found.len() >= at_least, "{} in {folder}", found.len());
    let mut differences = String::new();
    for (path, source) in found {
        let recorded = path.with_extension("expect");
        let expected = fs::read(&recorded).expect("the transcript");
        let first = replay(&source);
        let second = replay(&expected);
        for (name, got) in [("replayed", &first), ("replayed from it", &second)] {
            let diff = compare_named(
                &recorded.display().to_string(),
                &expected,
                name,
                &got.transcript,
            );
            differences.push_str(&diff.unwrap_or_default());
            if got.live != 0 {
                differences.push_str(&format!("{}: {} left\n", path.display(), got.live));
            }
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

#[test]
fn one_fact_each() {
    conforms("scenarios", 107);
}

#[test]
fn random() {
    conforms("random", 30);
}

#[test]
fn refused() {
    conforms("refused", 30);
}
