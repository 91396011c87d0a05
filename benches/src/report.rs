// SPDX-License-Identifier: GPL-2.0-only
//! What was measured: as a table, and as JSON.

use crate::{
    chart,
    count::Counts,
    figure::{Figure, Found},
    operation::{Column, Operation},
    statistics::Median,
};
use serde::{Deserialize, Serialize};
use std::{fmt, fs, path::Path, thread};

/// All that was measured in one run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) processors: usize,
    pub(crate) operations: Vec<Measured>,
    pub(crate) figures: Vec<Reported>,
}

/// A figure that was found.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reported {
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) unit: String,
    pub(crate) found: Found,
    /// The most that it may be, if there is a bound.
    pub(crate) most: Option<f64>,
    /// Why it may be more.
    pub(crate) argued: Option<String>,
}

impl Reported {
    pub(crate) fn new(figure: &Figure, found: Found) -> Self {
        Self {
            name: figure.name.to_string(),
            what: figure.what.to_string(),
            unit: figure.unit.to_string(),
            found,
            most: Some(figure.most).filter(|most| most.is_finite()),
            argued: figure.argued.map(str::to_string),
        }
    }

    /// The figure, with as many digits as tell something.
    pub(crate) fn value(&self) -> String {
        let value = self.found.value;
        format!("{value:.*}", if value < 100.0 { 2 } else { 0 })
    }

    /// Whether it is above its bound.
    pub(crate) fn above(&self) -> bool {
        self.most.is_some_and(|most| self.found.value > most)
    }
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value();
        write!(
            f,
            "{:<22}{value:>10} {:<14} {}",
            self.name, self.unit, self.what
        )?;
        let Some(most) = self.most else {
            return Ok(());
        };
        match (self.above(), &self.argued) {
            (false, _) => write!(f, " (at most {most})"),
            (true, Some(why)) => write!(f, ": above its bound of {most}, as it may be: {why}"),
            (true, None) => write!(f, ": ABOVE ITS BOUND of {most}"),
        }
    }
}

/// An operation.
#[derive(Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) what: String,
    /// How often it was done in a round.
    pub(crate) times: u64,
    pub(crate) rounds: usize,
    /// In the order of [`Column::ALL`].
    cells: [Cell; 4],
    pub(crate) findings: Vec<Finding>,
}

/// An operation in one column.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Nanoseconds.
    pub(crate) ns: Option<Median>,
    /// To C, in the same round.
    pub(crate) ratio: Option<Median>,
    pub(crate) counts: Option<Counts>,
    /// How many times slower the debug flavour is.
    pub(crate) debug: Option<f64>,
}

/// A bound that is passed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) column: Column,
    pub(crate) what: String,
    pub(crate) found: f64,
    pub(crate) most: f64,
    /// Why it may be.
    pub(crate) argued: Option<String>,
}

impl Report {
    /// An empty one, of this machine.
    pub(crate) fn here() -> Self {
        Self {
            processors: thread::available_parallelism().map_or(1, usize::from),
            operations: Vec::new(),
            figures: Vec::new(),
        }
    }

    /// The bounds that are passed, a line each.
    pub(crate) fn findings(&self) -> String {
        let mut text = String::new();
        for operation in &self.operations {
            for finding in &operation.findings {
                text += &format!("{}: {finding}\n", operation.name);
            }
        }
        text
    }

    /// Writes it as JSON, and a chart beside it.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let json = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        let failed = |error| format!("{}: {error}", path.display());
        fs::write(path, json + "\n").map_err(failed)?;
        fs::write(path.with_extension("svg"), chart::svg(self)).map_err(failed)
    }

    /// What was written so.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let failed = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let json = fs::read(path).map_err(|error| failed(&error))?;
        serde_json::from_slice(&json).map_err(|error| failed(&error))
    }
}

impl Measured {
    pub(crate) fn new(operation: &Operation) -> Self {
        Self {
            name: operation.name.to_string(),
            what: operation.what.to_string(),
            times: 0,
            rounds: 0,
            cells: Default::default(),
            findings: Vec::new(),
        }
    }

    pub(crate) fn of(&self, column: Column) -> &Cell {
        &self.cells[column as usize]
    }

    pub(crate) fn cell(&mut self, column: Column) -> &mut Cell {
        &mut self.cells[column as usize]
    }

    /// A field of all columns, with a dash where there is none.
    pub(crate) fn all(&self, of: impl Fn(&Cell) -> Option<f64>, digits: usize) -> Vec<String> {
        let text = |cell| of(cell).map_or("-".to_string(), |x| format!("{x:.digits$}"));
        self.cells.iter().map(text).collect()
    }

    /// What stands above the rows.
    pub(crate) const HEAD: &str = "                          safe   mirror        C   C+ours  safe/C            mirror/C          instructions         locked          debug";
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.all(|cell| Some(cell.ns?.median), 1);
        let ratio = |column| match self.of(column).ratio {
            Some(m) => format!("{:.2} [{:.2} {:.2}]", m.median, m.low, m.high),
            None => "-".to_string(),
        };
        writeln!(
            f,
            "{:<22}{:>8} {:>8} {:>8} {:>8}  {:<17} {:<17} {:<20} {:<15} {}",
            self.name,
            ns[0],
            ns[1],
            ns[2],
            ns[3],
            ratio(Column::Safe),
            ratio(Column::Mirror),
            self.all(|cell| Some(cell.counts?.instructions), 0)
                .join("/"),
            self.all(|cell| Some(cell.counts?.locked), 0).join("/"),
            self.all(|cell| cell.debug, 1)[..2].join(" "),
        )
    }
}

impl Finding {
    /// What was found, in words.
    pub(crate) fn sentence(&self) -> String {
        let column = match self.column {
            Column::Safe => "the safe API",
            Column::Mirror => "the mirror",
            Column::C | Column::Engine => "C",
        };
        let (found, most) = (self.found, self.most);
        match self.what.as_str() {
            "time" => format!("{column} takes {found:.2} times C's time, expected {most:.1}"),
            "debug" => {
                format!("{column} takes {found:.1} times as long in debug, expected {most:.1}")
            }
            _ => format!("{column} has {found:.1} locked operations, expected {most:.1}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.sentence();
        match &self.argued {
            Some(why) => write!(f, "above its bound, as it may be: {found}: {why}"),
            None => write!(f, "ABOVE ITS BOUND: {found}"),
        }
    }
}
