// SPDX-License-Identifier: GPL-2.0-only
//! The table of examples and tests in Documentation/upstream.rst.

use std::collections::{BTreeMap, BTreeSet};

/// The columns, and the results that they count.
const COLUMNS: [(&str, &str); 5] = [
    ("pass", "passed"),
    ("unstable", "nightly"),
    ("build not", "builds not"),
    ("ignored", "ignored"),
    ("no file", "uncovered"),
];
const WIDTHS: [usize; 6] = [16, 6, 9, 10, 8, 10];

/// The table, of each file's name, whether ours has it, and how many there are of each result; or
/// the result that has no column.
pub(crate) fn table<'a>(
    files: impl Iterator<Item = (&'a str, bool, &'a BTreeMap<&'static str, usize>)> + Clone,
) -> Result<String, String> {
    let module = |file: &'a str| {
        file.split('/')
            .next()
            .unwrap_or(file)
            .trim_end_matches(".rs")
    };
    let covered = files.clone().filter(|(_, covered, _)| *covered);
    let covered: BTreeSet<_> = covered.map(|(file, _, _)| module(file)).collect();
    let mut rows: BTreeMap<String, [usize; 5]> = BTreeMap::new();
    let (mut others, mut all) = ([0; 5], [0; 5]);
    for (file, _, counts) in files {
        let module = module(file);
        let row = if covered.contains(module) {
            rows.entry(format!("``{module}``")).or_default()
        } else {
            &mut others
        };
        for (&result, count) in counts {
            let column = COLUMNS.iter().position(|(_, column)| *column == result);
            let column = column.ok_or(format!("{file}: the page has no column for {result}"))?;
            row[column] += count;
            all[column] += count;
        }
    }
    let line = |cells: [String; 6]| {
        let cells = cells.iter().zip(WIDTHS);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    let counted = |name: &str, row: [usize; 5]| {
        let mut cells = [(); 6].map(|()| String::new());
        name.clone_into(&mut cells[0]);
        for (cell, count) in cells[1..]
            .iter_mut()
            .zip(row)
            .filter(|(_, count)| *count > 0)
        {
            *cell = count.to_string();
        }
        line(cells)
    };
    let rule = line(WIDTHS.map(|width| "=".repeat(width)));
    let mut head = [(); 6].map(|()| "module".to_owned());
    for (cell, (column, _)) in head[1..].iter_mut().zip(COLUMNS) {
        column.clone_into(cell);
    }
    let mut text = rule.clone() + &line(head) + &rule;
    for (name, row) in rows {
        text += &counted(&name, row);
    }
    Ok(text + &counted("others", others) + &counted("all", all) + &rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../Documentation/upstream.rst");
    const LIST: &str = include_str!("../../../scripts/upstream.d/files");

    #[test]
    fn a_module_of_many_files_has_a_row() {
        let counts = |result, count| BTreeMap::from([(result, count)]);
        let (passed, nightly) = (counts("passed", 4), counts("nightly", 1));
        let none = counts("uncovered", 2);
        let files = [
            ("sync.rs", false, &none),
            ("sync/arc.rs", true, &passed),
            ("sync/rcu.rs", true, &nightly),
            ("usb.rs", false, &none),
        ];
        let text = table(files.into_iter()).unwrap();
        let rows: Vec<_> = text.lines().skip(3).collect();
        assert_eq!(rows.len(), 4, "{text}");
        let row = |name: &str, cells: &str| format!("{name:16}  {cells}");
        assert_eq!(
            rows[0],
            row("``sync``", "4       1                                2")
        );
        assert_eq!(
            rows[1],
            row("others", "                                         2")
        );
        assert_eq!(
            rows[2],
            row("all", "4       1                                4")
        );
        let failed = counts("failed", 1);
        let files = [("sync.rs", true, &failed)];
        assert_eq!(
            table(files.into_iter()).unwrap_err(),
            "sync.rs: the page has no column for failed"
        );
    }

    /// The numbers in the text from `start` to the first `end`.
    fn numbers(start: &str, end: &str) -> Vec<usize> {
        let (_, text) = PAGE.split_once(start).expect(start);
        let text = text.split(end).next().unwrap();
        let words = text.split(|c: char| !c.is_ascii_digit());
        words.filter_map(|word| word.parse().ok()).collect()
    }

    /// The page's numbers agree with each other, and with the list of files.
    #[test]
    fn the_page_counts_well() {
        let rule = WIDTHS.map(|width| "=".repeat(width)).join("  ");
        let table = PAGE.split(&rule).nth(2).expect("the page has the table");
        let mut sums = [0; 5];
        let mut all = None;
        for row in table.trim().lines() {
            let mut rest = row;
            let mut cells = WIDTHS.map(|width| {
                let cell = rest.get(..width).unwrap_or(rest).trim();
                rest = rest.get(width + 2..).unwrap_or("");
                cell
            });
            let name = std::mem::take(&mut cells[0]);
            let row: Vec<usize> = cells[1..]
                .iter()
                .map(|cell| cell.parse().unwrap_or(0))
                .collect();
            if name == "all" {
                all = Some(row);
            } else {
                sums.iter_mut()
                    .zip(row)
                    .for_each(|(sum, count)| *sum += count);
            }
        }
        assert_eq!(all.as_deref(), Some(&sums[..]));
        let said = numbers("of 7.3, against ours: of ", "\n\n");
        let [of, examples, tests, each @ ..] = &said[..] else {
            panic!("{said:?}");
        };
        assert_eq!((each, *of), (&sums[..], sums.iter().sum()));
        assert_eq!(examples + tests, *of);

        let files = LIST.lines().filter(|line| !line.starts_with('#'));
        let ours = files
            .clone()
            .filter(|file| file.starts_with("rust/kernel/"));
        assert_eq!(numbers("Of Linux 7.3, ", ":"), [files.count()]);
        assert_eq!(
            numbers("names the files. ", " of them are in"),
            [ours.count()]
        );
    }
}
