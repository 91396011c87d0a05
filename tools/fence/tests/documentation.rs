// SPDX-License-Identifier: GPL-2.0-only
//! The documentation shows code of files that are compiled; this sees to it that it finds them.
#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use dma_fence::testing::RULES;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn documentation() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Documentation")
}

/// All pages below a directory.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "rst") {
            found.push(path);
        }
    }
    found
}

/// Returns what is wrong with the files that `page` in `directory` includes.
fn broken(directory: &Path, page: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(file) = line.trim().strip_prefix(".. literalinclude:: ") else {
            continue;
        };
        let Ok(code) = fs::read_to_string(directory.join(file)) else {
            wrong.push(format!("{file}: expected a file"));
            continue;
        };
        let mut rest = code.lines();
        while let Some(option) = lines.next_if(|line| line.starts_with("   :")) {
            let Some((name, text)) = option.trim()[1..].split_once(": ") else {
                continue;
            };
            if matches!(name, "start-at" | "end-before") && !rest.any(|line| line.contains(text)) {
                wrong.push(format!("{file}: expected `{text}`"));
            }
        }
    }
    wrong
}

#[test]
fn all_code_is_found() {
    let mut included = 0;
    for path in pages(&documentation()) {
        let page = fs::read_to_string(&path).unwrap();
        included += page.matches(".. literalinclude::").count();
        let wrong = broken(path.parent().unwrap(), &page);
        assert_eq!(wrong, Vec::<String>::new(), "{}", path.display());
    }
    assert!(included > 10);
}

#[test]
fn code_that_has_gone_is_noticed() {
    let page = "\
.. literalinclude:: ../tools/fence/tests/gone.rs

.. literalinclude:: ../tools/fence/Cargo.toml
   :language: toml
   :start-at: [dependencies]
   :end-before: [package]
";
    let expected = [
        "../tools/fence/tests/gone.rs: expected a file",
        "../tools/fence/Cargo.toml: expected `[package]`",
    ];
    assert_eq!(broken(&documentation(), page), expected);
}

#[test]
fn the_table_of_rules_is_complete() {
    let index = fs::read_to_string(documentation().join("rules/index.rst")).unwrap();
    let listed: Vec<&str> = index
        .lines()
        .filter_map(|line| line.strip_prefix("   * - :doc:`")?.strip_suffix('`'))
        .collect();
    let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(listed, names);
}

#[test]
fn the_readme_shows_a_real_report() {
    let file = |name: &str| fs::read_to_string(documentation().join(name)).unwrap();
    let report: String = file("rules/reports/grace-period-before-free.txt")
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    assert!(file("../README.md").contains(&report), "{report}");
}
