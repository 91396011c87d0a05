// SPDX-License-Identifier: GPL-2.0-only
//! Counts of fences by driver: created, signalled, in error, still held.

use crate::consumers::lock;
use dma_fence::testing::{Event, Kind, Listener};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Mutex};

/// Counts of one driver's fences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counters {
    pub(crate) created: usize,
    pub(crate) signalled: usize,
    pub(crate) in_error: usize,
    /// Created, and their last reference was not dropped.
    pub(crate) held: usize,
}

struct Drivers {
    counters: BTreeMap<String, Counters>,
    /// The driver of each context: a fence that has signalled has no names any more.
    owners: BTreeMap<u64, String>,
}

/// The counts of all drivers, from the events of their fences.
pub(crate) struct Stats(Mutex<Drivers>);

impl Stats {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Drivers {
            counters: BTreeMap::new(),
            owners: BTreeMap::new(),
        }))
    }

    /// The counts, by the drivers' names.
    pub(crate) fn counters(&self) -> BTreeMap<String, Counters> {
        lock(&self.0).counters.clone()
    }

    /// Returns how many fences of all drivers are held.
    pub(crate) fn held(&self) -> usize {
        lock(&self.0).counters.values().map(|c| c.held).sum()
    }
}

impl Listener for Stats {
    fn event(&self, event: &Event<'_>) {
        let Drivers { counters, owners } = &mut *lock(&self.0);
        if event.kind == Kind::Init {
            owners.insert(event.context, event.driver.to_string_lossy().into_owned());
        }
        let Some(owner) = owners.get(&event.context) else {
            return; // Created before the listening began.
        };
        let counters = counters.entry(owner.clone()).or_default();
        match event.kind {
            Kind::Init => {
                counters.created += 1;
                counters.held += 1;
            }
            Kind::Signaled => {
                counters.signalled += 1;
                counters.in_error += usize::from(event.error.is_some());
            }
            Kind::Destroy => counters.held -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{lock, Counters, Stats};

    #[test]
    fn what_is_held_is_added_up() {
        let stats = Stats::new();
        assert_eq!(stats.held(), 0);
        for (driver, held) in [("a", 2), ("b", 3)] {
            let counters = Counters {
                held,
                ..Counters::default()
            };
            lock(&stats.0).counters.insert(driver.into(), counters);
        }
        assert_eq!(stats.held(), 5);
    }
}
