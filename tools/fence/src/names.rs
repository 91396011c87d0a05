// SPDX-License-Identifier: GPL-2.0-only
//! Which names readers saw, before and after fences had signalled.

use crate::consumers::lock;
use dma_fence::Fence;
use kernel::sync::rcu;
use std::{collections::BTreeMap, sync::Mutex};

/// Names that were seen, as `driver timeline`, and how often.
#[derive(Default)]
pub(crate) struct Names {
    seen: Mutex<BTreeMap<String, usize>>,
}

impl Names {
    /// Asks a fence for its names, inside one read-side section, and uses them there.
    pub(crate) fn read(&self, fence: &Fence) {
        let guard = rcu::read_lock();
        let driver = fence.driver_name(&guard).to_string_lossy();
        let timeline = fence.timeline_name(&guard).to_string_lossy();
        let names = format!("{driver} {timeline}");
        drop(guard);
        *lock(&self.seen).entry(names).or_default() += 1;
    }

    /// How often the names were those of one of `drivers`, and how often those of a signalled
    /// fence. Anything else is a wrong name.
    pub(crate) fn count(&self, drivers: &[&str]) -> Counted {
        let mut counted = Counted::default();
        for (names, times) in lock(&self.seen).iter() {
            match names.split_once(' ') {
                // The fence may signal between the two questions.
                Some((d, t)) if drivers.contains(&d) && t != "signaled-timeline" => {
                    counted.before += times
                }
                Some((d, "signaled-timeline")) if drivers.contains(&d) => counted.between += times,
                Some(("detached-driver", "signaled-timeline")) => counted.after += times,
                _ => counted.wrong.push(names.clone()),
            }
        }
        counted
    }
}

/// See [`Names::count`].
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) before: usize,
    pub(crate) between: usize,
    pub(crate) after: usize,
    pub(crate) wrong: Vec<String>,
}
