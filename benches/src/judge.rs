// SPDX-License-Identifier: GPL-2.0-only
//! What was measured, against the bounds.

use crate::{
    operation::{Column, Operation},
    report::{Finding, Measured, Report},
    statistics::Median,
};

impl Report {
    /// Judges all operations.
    ///
    /// A time is above its bound only if the whole interval is; counts have no noise.
    pub(crate) fn judge(&mut self) {
        for measured in &mut self.operations {
            let Ok(operation) = Operation::find(&measured.name) else {
                continue;
            };
            measured.findings = judge(operation, measured);
        }
    }

    /// Whether no bound is passed but those for which there is an argument.
    pub(crate) fn good(&self) -> bool {
        let mut findings = self.operations.iter().flat_map(|o| &o.findings);
        let mut figures = self.figures.iter().filter(|figure| figure.above());
        findings.all(|finding| finding.argued.is_some())
            && figures.all(|figure| figure.argued.is_some())
    }
}

fn judge(operation: &Operation, measured: &Measured) -> Vec<Finding> {
    let bounds = &operation.bounds;
    let mut findings = Vec::new();
    let mut find = |column, what: &str, found, most| {
        findings.push(Finding {
            column,
            what: what.to_string(),
            found,
            most,
            argued: bounds.argued.iter().find_map(|argued| match *argued {
                (of, about, why) if of == column && about == what => Some(why.to_string()),
                _ => None,
            }),
        });
    };
    for (column, most) in [(Column::Safe, bounds.safe), (Column::Mirror, bounds.mirror)] {
        let above = |ratio: &Median| ratio.low > most;
        if let Some(ratio) = measured.of(column).ratio.filter(above) {
            find(column, "time", ratio.median, most);
        }
    }
    for column in [Column::Safe, Column::Mirror] {
        let (Some(times), Some(most)) = (measured.of(column).debug, bounds.debug) else {
            continue;
        };
        if times > most {
            find(column, "debug", times, most);
        }
    }
    let locked = |column| Some(measured.of(column).counts?.locked);
    if let (Some(ours), Some(most)) = (locked(Column::Mirror), locked(Column::C)) {
        // A wakeup more or less, of many times, is chance.
        if ours > most + 0.1 {
            find(Column::Mirror, "locked", ours, most);
        }
    }
    findings
}
