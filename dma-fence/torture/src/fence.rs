// SPDX-License-Identifier: GPL-2.0-only
//! Fences: exporters that publish, signal and retire them, and consumers that do with what they find
//! all that one may.

mod consumer;
mod exporter;

use crate::run::Run;
use ::dma_fence::bindings::dma_fence;
use exporter::Name;
use std::{
    ptr::null_mut,
    sync::atomic::{AtomicPtr, AtomicU32},
    thread,
    time::Duration,
};

/// The variants that are wrong on purpose.
pub(crate) const BUSTED: &[(&str, &str)] = &[
    (
        "signal",
        "of two that signal at once, both are told to be the first",
    ),
    ("wait", "a wait returns at once"),
    ("remove", "a callback that was taken back is called"),
    ("names", "a name is read after the read-side section"),
    (
        "grace-period",
        "an exporter frees names without a grace period",
    ),
];

/// How many fences are published at a time, each in a slot that has an exporter.
const SLOTS: usize = 2;

/// A place where consumers find a fence.
#[derive(Default)]
struct Slot {
    fence: AtomicPtr<dma_fence>,
    /// How many signals of the fence were told to be the first one.
    firsts: AtomicU32,
}

/// What exporters and consumers share.
struct Shared<'a> {
    run: &'a Run,
    slots: [Slot; SLOTS],
}

/// Tortures fences.
pub(crate) fn torture(run: &Run, progress: impl FnMut(Duration, u64)) {
    let shared = Shared {
        run,
        slots: Default::default(),
    };
    let shared = &shared;
    let names: Vec<_> = (0..SLOTS).map(|_| Name::some()).collect();
    thread::scope(|scope| {
        for (slot, names) in names.iter().enumerate() {
            scope.spawn(move || exporter::export(shared, slot, names, &mut run.rng(slot)));
        }
        for thread in 0..run.options.threads {
            scope.spawn(move || consumer::consume(shared, &mut run.rng(SLOTS + thread)));
        }
        run.watch(progress);
    });
    for slot in &shared.slots {
        exporter::retire(slot, null_mut());
    }
    kernel::sync::rcu::synchronize_rcu();
    kernel::sync::rcu::rcu_barrier();
}
