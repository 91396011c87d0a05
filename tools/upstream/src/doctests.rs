// SPDX-License-Identifier: GPL-2.0-only
//! All examples of the kernel crate against ours.

use crate::{
    cargo::Language,
    examples::{of_file, Example},
    page,
    place::{known, shim},
    run::{self, Case, Lane, Outcome},
    source::Source,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What came of a file's examples, and of the tests in it.
#[derive(Serialize)]
struct Row {
    file: String,
    /// Whether ours has the module.
    covered: bool,
    /// Of each result, how many.
    counts: BTreeMap<&'static str, usize>,
    examples: Vec<Case>,
    tests: Vec<Case>,
}

/// The results, as the table has them.
const RESULTS: [&str; 7] = [
    "passed",
    "failed",
    "report",
    "nightly",
    "builds not",
    "ignored",
    "uncovered",
];

/// True if nothing that compiles fails, and nothing is reported.
pub(crate) fn run(lane: &Lane<'_>, units: Vec<Vec<Source>>) -> Result<bool, String> {
    let sources = units.into_iter().flatten().collect::<Vec<_>>();
    if let Some(other) = sources.iter().find(|source| source.module.is_none()) {
        let path = other.path.display();
        return Err(format!("{path}: it is not below rust/kernel"));
    }
    let mut of: BTreeMap<String, usize> = BTreeMap::new();
    let mut examples: Vec<Example> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let name = source.module.as_deref().unwrap_or(&[]).join("/") + ".rs";
        examples.extend(of_file(&name, source.text()));
        of.insert(name, number);
    }
    if examples.is_empty() && !sources.iter().any(|source| source.has_tests()) {
        return Err("there is neither an example nor a test in what was given".to_owned());
    }
    eprintln!("upstream-doctests: {} examples, then tests", examples.len());
    let cases = lane.examples(&shim(Language::Stable), examples)?;
    let mut rows: Vec<Row> = of
        .keys()
        .map(|file| Row {
            file: file.clone(),
            covered: false,
            counts: BTreeMap::new(),
            examples: Vec::new(),
            tests: Vec::new(),
        })
        .collect();
    for case in cases {
        let file = case.name.rsplit_once(':').map_or("", |(file, _)| file);
        if let Some(row) = rows.iter_mut().find(|row| row.file == file) {
            row.examples.push(case);
        }
    }
    for row in &mut rows {
        let source = &sources[of[&row.file]];
        let passes = |case: &Case| matches!(case.outcome, Outcome::Passed);
        row.covered = known(&lane.tree, source) || row.examples.iter().any(passes);
    }
    // For the tests in a file it has to be in the place of ours.
    let mut tested: Vec<_> = rows
        .iter_mut()
        .filter(|row| row.covered && sources[of[&row.file]].text().contains("#[test]"))
        .collect();
    let units: Vec<_> = tested
        .iter()
        .map(|row| Ok(vec![Source::read(&sources[of[&row.file]].path)?]))
        .collect::<Result<_, String>>()?;
    let found = lane.rows(&units, false)?;
    for ((row, found), unit) in tested.iter_mut().zip(found).zip(&units) {
        row.tests = tests(found, unit[0].text());
    }
    for row in &mut rows {
        for case in row.examples.iter().chain(&row.tests) {
            *row.counts.entry(result(case, row.covered)).or_default() += 1;
        }
    }
    rows.retain(|row| !row.counts.is_empty());
    if lane.arguments.json {
        let json = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        println!("{json}");
    } else if lane.arguments.page {
        let files = rows.iter();
        let files = files.map(|row| (row.file.as_str(), row.covered, &row.counts));
        print!("{}", page::table(files)?);
    } else {
        print(&rows);
    }
    if !rows.iter().any(|row| row.covered) {
        return Err("nothing was tried: ours has none of these modules".to_owned());
    }
    let bad = |row: &Row| row.counts.contains_key("failed") || row.counts.contains_key("report");
    Ok(!rows.iter().any(bad))
}

fn result(case: &Case, covered: bool) -> &'static str {
    match &case.outcome {
        Outcome::Passed => "passed",
        Outcome::Failed(_) => "failed",
        Outcome::Reported(_) => "report",
        Outcome::Nightly(_) => "nightly",
        Outcome::Ignored => "ignored",
        Outcome::DoesNotCompile(_) if covered => "builds not",
        Outcome::DoesNotCompile(_) => "uncovered",
    }
}

fn print(rows: &[Row]) {
    let width = rows.iter().map(|row| row.file.len()).max().unwrap_or(0);
    let line = |name: &str, counts: &dyn Fn(&str) -> String, all: &str| {
        print!("{name:width$}");
        for result in RESULTS {
            print!("  {:>10}", counts(result));
        }
        println!("  {all:>10}");
    };
    line("", &|result| result.to_owned(), "all");
    let shown = |count: usize| {
        if count == 0 {
            String::new()
        } else {
            count.to_string()
        }
    };
    for row in rows {
        let count = |result: &str| shown(row.counts.get(result).copied().unwrap_or(0));
        line(&row.file, &count, &shown(row.counts.values().sum()));
    }
    let sum = |result: &str| rows.iter().filter_map(|row| row.counts.get(result)).sum();
    let count = |cases: fn(&Row) -> &Vec<Case>| rows.iter().map(|row| cases(row).len()).sum();
    let (examples, tests): (usize, usize) = (count(|row| &row.examples), count(|row| &row.tests));
    line(
        "all",
        &|result| shown(sum(result)),
        &shown(examples + tests),
    );
    println!("{examples} examples, {tests} tests");
    for row in rows.iter().filter(|row| row.covered) {
        // The name of an example has the file already.
        let examples = row.examples.iter().map(|case| (case, case.name.clone()));
        let name = |case: &Case| format!("{}: {}", row.file, case.name);
        let tests = row.tests.iter().map(|case| (case, name(case)));
        for (case, name) in examples.chain(tests) {
            match &case.outcome {
                Outcome::Failed(why) => println!("{name}: failed: {why}"),
                Outcome::Reported(why) => println!("{name}: report: {why}"),
                Outcome::Nightly(feature) => println!("{name}: needs {feature}"),
                Outcome::DoesNotCompile(why) => println!("{name}: does not compile: {why}"),
                Outcome::Passed | Outcome::Ignored => {}
            }
        }
    }
}

/// The tests in a file, of its row in the table of files.
fn tests(row: run::Row, text: &str) -> Vec<Case> {
    let Some(why) = row.reason else {
        return row.tests;
    };
    let count = text.matches("#[test]").count();
    let case = |number| Case {
        name: format!("test {number}"),
        outcome: Outcome::DoesNotCompile(why.clone()),
    };
    (1..=count).map(case).collect()
}
