// SPDX-License-Identifier: GPL-2.0-only
//! Medians, and how sure they are.

use serde::{Deserialize, Serialize};

/// A median, and an interval that holds the true one with 95 per cent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Median {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The interval rests on ranks alone: of n values, as many are below the true median as heads fall
/// of n coins.
pub(crate) fn median(mut values: Vec<f64>) -> Median {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let rank = ((n as f64 - 1.96 * (n as f64).sqrt()) / 2.0).max(0.0) as usize;
    Median {
        median: (values[(n - 1) / 2] + values[n / 2]) / 2.0,
        low: values[rank],
        high: values[n - 1 - rank],
    }
}
