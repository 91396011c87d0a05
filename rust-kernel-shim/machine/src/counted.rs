// SPDX-License-Identifier: GPL-2.0-only
//! Lines of text, with how often each was said.

use super::console;
use std::collections::BTreeMap;

/// Lines, and how often each was added.
#[derive(Default)]
pub struct Counted(BTreeMap<String, usize>);

impl Counted {
    /// Adds a line.
    pub fn add(&mut self, line: String) {
        *self.0.entry(line).or_default() += 1;
    }

    /// How many were added.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Prints and records `heading`, and the `most` lines that were added most often, with the number
    /// before each.
    pub fn print(self, heading: &str, most: usize) {
        let mut lines: Vec<_> = self.0.into_iter().collect();
        lines.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
        let more = lines.len().saturating_sub(most);
        let said = |(line, count)| format!("  {count} {line}");
        let rest = (more != 0).then(|| format!("  and {more} more"));
        let lines = lines.into_iter().take(most).map(said).chain(rest);
        for line in core::iter::once(heading.into()).chain(lines) {
            console::record(&line);
            console::write_line(format_args!("{line}"));
        }
    }
}
