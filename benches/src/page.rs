// SPDX-License-Identifier: GPL-2.0-only
//! The page Performance of the book.

use crate::{
    chart,
    operation::Column,
    report::{Measured, Report, Reported},
};
use std::{fs, path::Path};

const HEAD: &str = "\
.. SPDX-License-Identifier: GPL-2.0-only
.. Made by \"scripts/bench page\" of what \"scripts/bench\" measured: change benches/src/page.rs.

===========
Performance
===========

What mirrors the kernel's C should cost no more than that. So ``scripts/bench`` has both do the same in
one process, in turns, and this page is made of what it found.

Method
======

The C is the unmodified ``dma-fence*.c`` and ``dma-resv.c`` of Linux 7.3, from Debian's kernel source
package, over liburcu (the flavour with membarrier), ``malloc()``, a spinlock that tests and sets, and
futexes. It has no counts of preemption and interrupts, and no tracepoints,
all of which ours has; so 1.0 is not always a fair bound. A second build of it uses the allocator and
the grace periods of ours instead: what that loses or gains is owed to these. Ours is the production
flavour: the mirror of the C API, and the safe API above it.

Each operation has a process of its own, which finds no memory as another operation has left it. In each
round every column has its turn, which comes first changes, and only times of the same round
are compared: on a machine with other work, times alone mean little. A ratio is the median of those of
all rounds; its interval holds the true median with 95 per cent, by ranks alone. An operation is above
its bound if the whole interval is. Two threads that wait for each other are each on a processor of its
own, in every column: where the host puts them would else decide.

Instructions are counted by single steps, with the ones that lock: a lock prefix, an exchange with
memory, a full fence. Such counts have no noise. What the vDSO does to read the clock is left out.

";

const LOCKED: &str = "\
What has to lock
================

A locked operation takes as long as some twenty others, so each needs a reason. These are the least that
there can be, as long as a fence may be used from any context by any number of threads:

* Taking the lock of a fence is one, giving it back is a plain store. What changes the list of callbacks
  takes it: adding one, removing one, signalling.
* The bits of the flags are one word, in which drivers have bits as well that no lock protects. The signal and
  its timestamp are one, where C has two; that the signal is wanted is one, for the first who wants it.
* A reference is one to get, and one to put. An iteration over a container has one at a time.
* What is freed after a grace period is queued with one; if the queue was empty, waking the thread that
  serves it takes two more.
* In the safe API, a timeline's next number is one, and that the issuer's side of a fence has gone is
  another: so a timeline that is dropped knows that none was forgotten. The registration of a callback
  has a reference.

All else only reads, in a section that begins and ends with plain stores: whether a fence has signalled
and how, its names, its description, a wait for what is over. In C some of this takes the lock.

";

const REPEAT: &str = "\
To repeat it
============

::

    scripts/bench --debug --json bench.json
    scripts/bench page bench.json

The first takes some minutes once it is built, prints each row as it is found, and draws the chart
beside the JSON; with names it measures these alone, and ``--seconds 0`` only counts. ``scripts/bench
explore`` tells what each check costs of a schedule of ``explore()``, ``scripts/chain-cost`` what each
node of a long chain costs.
";

/// Writes the page and its chart below `documentation`.
pub(crate) fn write(report: &Report, documentation: &Path) -> Result<(), String> {
    let put = |name: &str, text: &str| {
        let path = documentation.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    put("pictures/performance.svg", &chart::svg(report))?;
    put("performance.rst", &page(report))
}

fn page(report: &Report) -> String {
    let mut page = HEAD.to_string();
    page += &format!(
        "These figures are of a virtual machine with {} processors, which it shared with other work: the\n\
         ratios are what counts. The columns of one operation are of one run; those of another may be of another.\n\n",
        report.processors,
    );
    page += "Operations\n==========\n\n.. image:: pictures/performance.svg\n   :alt: The ratios of the table\n\n";
    page += "Times are medians in nanoseconds; counts are of the safe API, the mirror, C, and C over the engine\n\
             of ours. The last column is how many times slower the debug flavour is: safe API, mirror.\n\n";
    page += &table(operations(report));
    page += "\n";
    for o in &report.operations {
        page += &format!("``{}``\n    {}\n", o.name, o.what);
    }
    page += "\n";
    page += LOCKED;
    page += "Figures\n=======\n\n";
    page += &table(figures(report));
    page += "\nAn exponent is that with which the processor time in all grows with the number, over three decades:\n\
             1 is linear.\n";
    page += "\nAbove their bounds\n==================\n\n\
             The bounds are 1.1 times C's time for the mirror, with no more locked operations, and 1.3 for the\n\
             safe API, but where the chart or these lines have another.\n\n";
    let above = above(report);
    if above.is_empty() {
        page += "Nothing.\n";
    }
    for line in above {
        page += &format!("* {line}.\n");
    }
    page + "\n" + REPEAT
}

fn operations(report: &Report) -> Vec<Vec<String>> {
    let head = [
        "Operation",
        "C",
        "Safe / C",
        "Mirror / C",
        "C over ours / C",
        "Instructions",
        "Locked",
        "Debug",
    ];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    let ratio = |o: &Measured, column| match o.of(column).ratio {
        Some(m) => format!("{:.2} [{:.2}, {:.2}]", m.median, m.low, m.high),
        None => "-".to_string(),
    };
    for o in &report.operations {
        let ns = o.of(Column::C).ns;
        rows.push(vec![
            format!("``{}``", o.name),
            ns.map_or("-".to_string(), |ns| format!("{:.1}", ns.median)),
            ratio(o, Column::Safe),
            ratio(o, Column::Mirror),
            ratio(o, Column::Engine),
            o.all(|cell| Some(cell.counts?.instructions), 0).join(" "),
            o.all(|cell| Some(cell.counts?.locked), 0).join(" "),
            o.all(|cell| cell.debug, 1)[..2].join(" "),
        ]);
    }
    rows
}

fn figures(report: &Report) -> Vec<Vec<String>> {
    let head = ["Figure", "Found", "Unit", "At most"];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    for figure in &report.figures {
        rows.push(vec![
            figure.what.clone(),
            figure.value(),
            figure.unit.clone(),
            figure.most.map_or(String::new(), |most| most.to_string()),
        ]);
    }
    rows
}

/// What is above its bound, a sentence each.
fn above(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for operation in report.operations.iter().filter(|o| !o.findings.is_empty()) {
        let found = operation
            .findings
            .iter()
            .map(|finding| match &finding.argued {
                Some(why) => format!("{} ({why})", finding.sentence()),
                None => finding.sentence(),
            });
        let line = found.collect::<Vec<_>>().join("; ");
        lines.push(format!("``{}``: {line}", operation.name));
    }
    let line = |figure: &Reported| match &figure.argued {
        Some(why) => format!("{}: {} ({why})", figure.what, figure.value()),
        None => format!("{}: {}", figure.what, figure.value()),
    };
    let figures = report.figures.iter().filter(|figure| figure.above());
    lines.extend(figures.map(line));
    lines
}

/// A simple table, whose first row is its head.
fn table(rows: Vec<Vec<String>>) -> String {
    let columns = rows[0].len();
    let width = |n: usize| rows.iter().map(|row| row[n].chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|n| width(n).unwrap_or(0)).collect();
    let rule: Vec<_> = widths.iter().map(|width| "=".repeat(*width)).collect();
    let rule = rule.join("  ") + "\n";
    let mut text = rule.clone();
    for (n, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text += cells.join("  ").trim_end();
        text += "\n";
        if n == 0 {
            text += &rule;
        }
    }
    text + &rule
}
