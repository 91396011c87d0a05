// SPDX-License-Identifier: GPL-2.0-only
//! The ratios to C as a picture.

use crate::{
    operation::{Column, Operation},
    report::{Measured, Report},
};
use std::fmt::Write as _;

const ROW: f64 = 18.0;
const TOP: f64 = 46.0;
/// Where the axis begins, and ends, and for which ratios.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 740.0;
const LEAST: f64 = 0.05;
const MOST: f64 = 20.0;

/// Where a ratio is, on an axis of logarithms; those beyond it are at its ends.
fn x(ratio: f64) -> f64 {
    let of = |ratio: f64| (ratio.clamp(LEAST, MOST) / LEAST).ln();
    LEFT + (RIGHT - LEFT) * of(ratio) / of(MOST)
}

/// A picture in SVG: a row for each operation, with the median of each ratio, its interval, and the
/// bound of the mirror.
pub(crate) fn svg(report: &Report) -> String {
    let timed = |o: &&Measured| o.of(Column::Mirror).ratio.is_some();
    let rows: Vec<_> = report.operations.iter().filter(timed).collect();
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" viewBox="0 0 760 {height}" font-family="sans-serif" font-size="11">
<!-- SPDX-License-Identifier: GPL-2.0-only -->
<rect width="760" height="{height}" fill="#fff"/>
<g fill="#333"><circle cx="194" cy="12" r="4" fill="#1f5fa8"/><text x="204" y="16">mirror</text><circle cx="264" cy="12" r="4" fill="none" stroke="#c05a00" stroke-width="1.5"/><text x="274" y="16">safe API</text><path d="M344 7v10" stroke="#888"/><text x="352" y="16">the mirror's bound</text><text x="476" y="16">times C's time; the lines are intervals of 95 per cent</text></g>
"##,
        height = bottom + 12.0,
    );
    for tick in [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0] {
        let (x, color) = (x(tick), if tick == 1.0 { "#333" } else { "#ddd" });
        let _ = writeln!(
            svg,
            r##"<path d="M{x:.1} {TOP}V{bottom}" stroke="{color}"/><text x="{x:.1}" y="{}" text-anchor="middle" fill="#555">{tick}</text>"##,
            TOP - 6.0,
        );
    }
    for (row, measured) in rows.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5);
        let _ = writeln!(
            svg,
            r##"<text x="182" y="{}" text-anchor="end" fill="#333">{}</text>"##,
            y + 4.0,
            measured.name,
        );
        if let Ok(operation) = Operation::find(&measured.name) {
            let (x, above) = (x(operation.bounds.mirror), y - 6.0);
            let _ = writeln!(svg, r##"<path d="M{x:.1} {above}v12" stroke="#888"/>"##);
        }
        let columns = [
            (Column::Safe, "#c05a00", "none"),
            (Column::Mirror, "#1f5fa8", "#1f5fa8"),
        ];
        for (column, color, fill) in columns {
            if let Some(ratio) = measured.of(column).ratio {
                let (low, high, middle) = (x(ratio.low), x(ratio.high), x(ratio.median));
                let _ = writeln!(
                    svg,
                    r##"<path d="M{low:.1} {y}H{high:.1}" stroke="{color}"/><circle cx="{middle:.1}" cy="{y}" r="4" fill="{fill}" stroke="{color}" stroke-width="1.5"/>"##,
                );
            }
        }
    }
    svg + "</svg>\n"
}
