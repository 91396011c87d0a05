// SPDX-License-Identifier: GPL-2.0-only
//! RCU and SRCU: elements that are published, unpublished, and carried through ten grace periods
//! before they are used again.
//!
//! An element counts the grace periods that have passed since it was unpublished. A reader that
//! found it while it was published may see that count at 0, or at 1 since a grace period that was
//! nearly over when the reader began may end now. With more than that a grace period has ended
//! under the reader.

mod element;
mod flavour;
mod flood;
mod reader;
mod writer;

use crate::run::Run;
use element::Elements;
use flavour::{Flavour, Rcu, Srcu};
use std::{thread, time::Duration};

/// The variants of RCU that are wrong on purpose.
pub(crate) const BUSTED_RCU: &[(&str, &str)] = &[
    ("grace-period", "an updater does not wait for readers"),
    ("callback", "call_rcu() calls at once"),
    ("spinlock", "a spinlock section holds up no grace period"),
    ("irq", "disabled interrupts hold up no grace period"),
    ("polled", "a polled grace period is always over"),
    ("barrier", "rcu_barrier() returns at once"),
    ("publish", "an element is published before it is ready"),
];

/// The variants of SRCU that are wrong on purpose.
pub(crate) const BUSTED_SRCU: &[(&str, &str)] = &[
    ("grace-period", "an updater does not wait for readers"),
    ("callback", "call_srcu() calls at once"),
    ("polled", "a polled grace period is always over"),
    ("barrier", "srcu_barrier() returns at once"),
];

/// Tortures RCU.
pub(crate) fn rcu(run: &Run, progress: impl FnMut(Duration, u64)) {
    with(run, &Rcu::new(run), progress);
}

/// Tortures SRCU.
pub(crate) fn srcu(run: &Run, progress: impl FnMut(Duration, u64)) {
    with(run, &Srcu::new(run), progress);
}

fn with<F: Flavour>(run: &Run, flavour: &F, progress: impl FnMut(Duration, u64)) {
    let elements = Elements::new(run, flavour);
    let elements = &*elements;
    thread::scope(|scope| {
        let readers = run.options.threads;
        for thread in 0..readers {
            scope.spawn(move || reader::read(elements, &mut run.rng(thread)));
        }
        scope.spawn(move || writer::write(elements, &mut run.rng(readers)));
        for thread in readers + 1..readers + 3 {
            scope.spawn(move || writer::wait_for_nothing(elements, &mut run.rng(thread)));
        }
        scope.spawn(move || flood::flood(elements, &mut run.rng(readers + 3)));
        run.watch(progress);
    });
    elements.drain();
}
