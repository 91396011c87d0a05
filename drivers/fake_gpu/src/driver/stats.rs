// SPDX-License-Identifier: GPL-2.0-only
//! The counters of the driver.
#![forbid(unsafe_code)]

use core::ops::Add;

/// Counters of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Jobs that were submitted.
    pub jobs: u64,
    /// Jobs that are done.
    pub completed: u64,
    /// Jobs that ended with an error.
    pub errored: u64,
    /// Resets of a ring.
    pub resets: u64,
    /// Interrupts that were handled for a ring.
    pub interrupts: u64,
    /// Interrupts without a reason.
    pub spurious: u64,
}

impl Add for Stats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            jobs: self.jobs + other.jobs,
            completed: self.completed + other.completed,
            errored: self.errored + other.errored,
            resets: self.resets + other.resets,
            interrupts: self.interrupts + other.interrupts,
            spurious: self.spurious + other.spurious,
        }
    }
}
