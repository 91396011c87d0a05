// SPDX-License-Identifier: GPL-2.0-only
//! The time from a fence's signal until a waiter is awake.

use crate::consumers::lock;
use dma_fence::{Fence, Ktime};
use hdrhistogram::Histogram;
use std::sync::Mutex;

/// Times in nanoseconds, from 100 ns to a minute.
pub(crate) struct Latencies(Mutex<Histogram<u64>>);

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(100, 60_000_000_000, 2);
        Self(Mutex::new(histogram.expect("the bounds are constants")))
    }

    /// A waiter of `fence` is awake.
    pub(crate) fn awake(&self, fence: &Fence) {
        if let Some(signalled) = fence.timestamp() {
            let ns = (Ktime::now() - signalled).as_nanos();
            let ns = u64::try_from(ns).unwrap_or(0);
            lock(&self.0).saturating_record(ns);
        }
    }

    /// How many waiters took longer than the bound before and at most this one (ns), in powers of ten.
    pub(crate) fn bars(&self) -> Vec<(u64, u64)> {
        lock(&self.0)
            .iter_log(1_000, 10.0)
            .map(|step| {
                let bound = step.value_iterated_to() + 1;
                (bound, step.count_since_last_iteration())
            })
            .collect()
    }
}

/// A time as people read it.
pub(crate) fn human(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} us", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn times_are_whole_numbers() {
        let times = [999, 1_000, 2_500_000, 3_000_000_000].map(human);
        assert_eq!(times, ["999 ns", "1 us", "2 ms", "3 s"]);
    }
}
