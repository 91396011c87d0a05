// SPDX-License-Identifier: GPL-2.0-only
//! What is measured, and what it may cost.

use crate::{mirror, peer, safe};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Column {
    /// By the safe API.
    Safe,
    /// By the mirror of the C API.
    Mirror,
    /// By the kernel's C, over liburcu and malloc.
    C,
    /// By the kernel's C, over the allocator and the grace periods here.
    Engine,
}

impl Column {
    /// All of them, in the order in which they are printed.
    pub(crate) const ALL: [Self; 4] = [Self::Safe, Self::Mirror, Self::C, Self::Engine];
}

/// Does something so many times, and returns the nanoseconds that it took.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Rust(fn(u64) -> f64),
    C(peer::Run),
}

impl Run {
    pub(crate) fn times(self, n: u64) -> f64 {
        match self {
            Self::Rust(run) => run(n),
            Self::C(run) => peer::times(run, n),
        }
    }
}

/// An operation that the columns have in common.
pub(crate) struct Operation {
    /// Its name on the command line, and in C, with `_` for `-`.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) what: &'static str,
    /// How often it is done in a round.
    pub(crate) times: u64,
    /// How often it is done while its instructions are counted: the difference counts.
    pub(crate) steps: (u64, u64),
    pub(crate) safe: Option<fn(u64) -> f64>,
    pub(crate) mirror: Option<fn(u64) -> f64>,
    /// What is done between rounds.
    pub(crate) after: fn(),
    pub(crate) bounds: Bounds,
}

/// What an operation may cost, in times of what it costs in C.
pub(crate) struct Bounds {
    pub(crate) safe: f64,
    pub(crate) mirror: f64,
    /// Why the safe API, or the mirror, may cost more.
    pub(crate) argued: Option<&'static str>,
}

impl Bounds {
    const USUAL: Self = Self {
        safe: 1.3,
        mirror: 1.1,
        argued: None,
    };

    const fn at_most(times: f64) -> Self {
        Self {
            safe: times,
            mirror: times,
            argued: None,
        }
    }
}

/// An operation with the usual bounds, that leaves nothing behind.
const fn plain(
    name: &'static str,
    what: &'static str,
    times: u64,
    safe: Option<fn(u64) -> f64>,
    mirror: Option<fn(u64) -> f64>,
) -> Operation {
    Operation {
        name,
        what,
        times,
        steps: (10, 30),
        safe,
        mirror,
        after: || {},
        bounds: Bounds::USUAL,
    }
}

/// The same, that leaves memory for after a grace period.
const fn freeing(operation: Operation) -> Operation {
    Operation {
        after: peer::barrier,
        ..operation
    }
}

/// All of them.
#[rustfmt::skip]
pub(crate) const ALL: &[Operation] = &[
    plain("rcu", "rcu_read_lock() + rcu_read_unlock()", 200_000, Some(safe::rcu), Some(mirror::rcu)),
    plain("init-signal", "init + signal, on the stack", 20_000, None, Some(mirror::init_signal)),
    Operation {
        bounds: Bounds::at_most(0.7),
        ..freeing(plain("alloc-signal-put", "allocate + init + signal + put", 10_000, Some(safe::alloc_signal_put), Some(mirror::alloc_signal_put)))
    },
    freeing(plain("alloc-signal-free", "the same, until the memory is free", 10_000, Some(safe::alloc_signal_free), Some(mirror::alloc_signal_free))),
    plain("init-add-signal", "init + add callback + signal, on the stack", 20_000, None, Some(mirror::init_add_signal)),
    freeing(plain("alloc-add-signal-put", "allocate + get + add + signal + remove + put", 10_000, Some(safe::alloc_add_signal_put), Some(mirror::alloc_add_signal_put))),
    plain("add-remove", "add + remove callback", 20_000, Some(safe::add_remove), Some(mirror::add_remove)),
    plain("is-signaled-pending", "is_signaled(), pending", 200_000, Some(safe::is_signaled_pending), Some(mirror::is_signaled_pending)),
    plain("is-signaled-op", "is_signaled(), pending, with the op", 200_000, None, Some(mirror::is_signaled_op)),
    plain("is-signaled", "is_signaled(), signalled", 200_000, Some(safe::is_signaled), Some(mirror::is_signaled)),
    plain("status", "get_status(), signalled", 50_000, Some(safe::status), Some(mirror::status)),
    plain("get-put", "get + put", 50_000, Some(safe::get_put), Some(mirror::get_put)),
    plain("driver-name", "driver_name() in RCU", 100_000, Some(safe::driver_name), Some(mirror::driver_name)),
    plain("timeline-name", "timeline_name() in RCU", 100_000, Some(safe::timeline_name), Some(mirror::timeline_name)),
    plain("wait-signaled", "wait() for what is signalled", 20_000, Some(safe::wait_signaled), Some(mirror::wait_signaled)),
    plain("describe", "describe()", 5_000, Some(safe::describe), Some(mirror::describe)),
    plain("deadline", "set_deadline(), without the op", 100_000, Some(safe::deadline), Some(mirror::deadline)),
    plain("deadline-op", "set_deadline(), with the op", 100_000, Some(safe::deadline_op), Some(mirror::deadline_op)),
];

/// Get + put with a locked operation too many, which a bound must not let pass.
const BUSTED: Operation = plain(
    "busted",
    "get + put, slower than need be",
    50_000,
    None,
    Some(mirror::busted),
);

impl Operation {
    /// The operation of that name.
    pub(crate) fn find(name: &str) -> Result<&'static Self, String> {
        let unknown = || format!("there is no operation {name}, see --list");
        let mut all = ALL.iter().chain([&BUSTED]);
        all.find(|o| o.name == name).ok_or_else(unknown)
    }

    /// How it is done in that column, if it can be.
    pub(crate) fn column(&self, column: Column) -> Option<Run> {
        match column {
            Column::Safe => self.safe.map(Run::Rust),
            Column::Mirror => self.mirror.map(Run::Rust),
            Column::C => peer::find(false, self.name).map(Run::C),
            Column::Engine => peer::find(true, self.name).map(Run::C),
        }
    }
}
