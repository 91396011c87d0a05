// SPDX-License-Identifier: GPL-2.0-only
//! The table at the end.

use crate::run::{Case, Outcome, Row};

/// Prints what came of each file, then what is wrong with what.
pub(crate) fn print(rows: &[Row]) {
    let names = rows
        .iter()
        .flat_map(|row| &row.files)
        .map(|file| file.name.len());
    let width = names.max().unwrap_or(0);
    println!(
        "{:width$}  {:12}  {:22}  examples  tests  reports",
        "file", "sha256", "compiles"
    );
    for row in rows {
        let of = |cases: &[Case]| {
            let passed = cases
                .iter()
                .filter(|case| matches!(case.outcome, Outcome::Passed));
            format!("{}/{}", passed.count(), cases.len())
        };
        let cases = || row.examples.iter().chain(&row.tests);
        let reports = cases().filter(|case| matches!(case.outcome, Outcome::Reported(_)));
        for (number, file) in row.files.iter().enumerate() {
            let how = match (row.stand, file.hunks) {
                (None, _) => "no".to_owned(),
                (Some(stand), 0) => format!("unmodified, {}", stand.words()),
                (Some(stand), hunks) => format!("{hunks} hunks, {}", stand.words()),
            };
            print!("{:width$}  {:.12}  {how:22}", file.name, file.sha256);
            if number == 0 {
                let (examples, tests) = (of(&row.examples), of(&row.tests));
                print!(
                    "  {examples:>8}  {tests:>5}  {:>7}",
                    reports.clone().count()
                );
            }
            println!();
        }
    }
    for row in rows {
        let name = &row.files[0].name;
        if let Some(reason) = &row.reason {
            println!("{name}: does not compile: {reason}");
        }
        if !row.features.is_empty() {
            println!("{name}: not on stable Rust: {}", row.features.join(", "));
        }
        for case in row.examples.iter().chain(&row.tests) {
            let why = match &case.outcome {
                Outcome::Passed | Outcome::Ignored => continue,
                Outcome::Failed(why) => format!("failed: {why}"),
                Outcome::Reported(why) => format!("report: {why}"),
                Outcome::Nightly(feature) => format!("needs {feature}, which is not stable"),
                Outcome::DoesNotCompile(why) => format!("does not compile: {why}"),
            };
            println!("{name}: {}: {why}", case.name);
        }
    }
    for file in rows.iter().flat_map(|row| &row.files) {
        println!("{}  {}", file.sha256, file.name);
    }
}
