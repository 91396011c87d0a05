// SPDX-License-Identifier: GPL-2.0-only
//! What is measured, and what it may cost.

use crate::{mirror, peer, safe};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// As the command line has it.
impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
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
    /// It is always done as often, as this is what is measured.
    pub(crate) fixed: bool,
    /// How often it is done while its instructions are counted, of which the difference counts; twice
    /// 0 where they are not.
    pub(crate) steps: (u64, u64),
    pub(crate) safe: Option<fn(u64) -> f64>,
    pub(crate) mirror: Option<fn(u64) -> f64>,
    /// It is done by two threads, each on a processor of its own.
    pub(crate) apart: bool,
    /// What is done between rounds.
    pub(crate) after: fn(),
    pub(crate) bounds: Bounds,
}

/// What an operation may cost, in times of what it costs in C.
pub(crate) struct Bounds {
    pub(crate) safe: f64,
    pub(crate) mirror: f64,
    /// What they may cost in a debug kernel, in times of what they cost in production.
    pub(crate) debug: Option<f64>,
    /// What may be above its bound, `time`, `locked` or `debug`, of which column, and why.
    pub(crate) argued: &'static [(Column, &'static str, &'static str)],
}

impl Bounds {
    const USUAL: Self = Self {
        safe: 1.3,
        mirror: 1.1,
        debug: None,
        argued: &[],
    };

    const fn at_most(times: f64) -> Self {
        Self {
            safe: times,
            mirror: times,
            debug: None,
            argued: &[],
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
        fixed: false,
        steps: (10, 30),
        safe,
        mirror,
        apart: false,
        after: || {},
        bounds: Bounds::USUAL,
    }
}

/// The same, with a bound for the debug flavour as well.
const fn checked(operation: Operation) -> Operation {
    Operation {
        bounds: Bounds {
            debug: Some(4.0),
            ..operation.bounds
        },
        ..operation
    }
}

/// The same, of which something may be above its bound.
const fn argued(
    operation: Operation,
    argued: &'static [(Column, &'static str, &'static str)],
) -> Operation {
    Operation {
        bounds: Bounds {
            argued,
            ..operation.bounds
        },
        ..operation
    }
}

const REGISTERED: &[(Column, &str, &str)] = &[(
    Column::Safe,
    "time",
    "the registration has a reference to the fence",
)];
const LOCKS: &str = "lockdep looks up both locks, and the rules the callback";
const ADDED: &[(Column, &str, &str)] = &[
    REGISTERED[0],
    (Column::Safe, "debug", LOCKS),
    (Column::Mirror, "debug", LOCKS),
];
const SIGNALLED: &[(Column, &str, &str)] = &[(Column::Mirror, "debug", LOCKS)];
const BORDER: &[(Column, &str, &str)] = &[(
    Column::Safe,
    "time",
    "no panic of the driver's op gets into the kernel",
)];
const GIVEN_UP: &[(Column, &str, &str)] = &[(
    Column::Safe,
    "time",
    "signalling gives up the issuer's reference, as C does only afterwards",
)];
const COUNTED: &[(Column, &str, &str)] = &[(
    Column::Safe,
    "time",
    "the timeline numbers the fence, and counts that its issuer is gone",
)];
const NAME: &[(Column, &str, &str)] = &[
    (
        Column::Safe,
        "time",
        "the name is a CStr, which knows its length",
    ),
    (Column::Safe, "debug", NOTED),
    (Column::Mirror, "debug", NOTED),
];
const NOTED: &str = "production takes 4 ns, and five rules look at what a name is used for";
const REFERENCES: &[(Column, &str, &str)] = &[(
    Column::Safe,
    "time",
    "each fence that is found comes with a reference of its own",
)];

/// The same, that leaves memory for after a grace period.
const fn freeing(operation: Operation) -> Operation {
    Operation {
        after: peer::barrier,
        ..operation
    }
}

/// The same, in which other threads do some of the work, of which steps would tell little, or which has
/// too many.
const fn uncounted(
    name: &'static str,
    what: &'static str,
    times: u64,
    safe: Option<fn(u64) -> f64>,
    mirror: Option<fn(u64) -> f64>,
) -> Operation {
    Operation {
        steps: (0, 0),
        ..plain(name, what, times, safe, mirror)
    }
}

/// The same, by two threads that wait for each other.
const fn apart(operation: Operation) -> Operation {
    Operation {
        apart: true,
        ..operation
    }
}

/// Whether threads have fences of their own.
const OWN: bool = true;
const ONE: bool = !OWN;

/// The same, by some threads at the same time.
const fn threads(
    name: &'static str,
    what: &'static str,
    safe: Option<fn(u64) -> f64>,
    mirror: Option<fn(u64) -> f64>,
) -> Operation {
    argued(uncounted(name, what, 10_000, safe, mirror), REGISTERED)
}

/// The same, on a chain of as many nodes.
const fn chain(
    name: &'static str,
    what: &'static str,
    safe: fn(u64) -> f64,
    mirror: fn(u64) -> f64,
) -> Operation {
    Operation {
        fixed: true,
        steps: (0, 100),
        ..freeing(uncounted(name, what, 100_000, Some(safe), Some(mirror)))
    }
}

/// All of them.
#[rustfmt::skip]
pub(crate) const ALL: &[Operation] = &[
    Operation {
        bounds: Bounds { mirror: 1.2, ..Bounds::USUAL },
        ..plain("rcu", "rcu_read_lock() + rcu_read_unlock()", 200_000, Some(safe::rcu), Some(mirror::rcu))
    },
    checked(plain("init-signal", "init + signal, on the stack", 20_000, None, Some(mirror::init_signal))),
    Operation {
        bounds: Bounds { argued: COUNTED, ..Bounds::at_most(0.7) },
        ..freeing(plain("alloc-signal-put", "allocate + init + signal + put", 10_000, Some(safe::alloc_signal_put), Some(mirror::alloc_signal_put)))
    },
    freeing(plain("alloc-signal-free", "the same, until the memory is free", 10_000, Some(safe::alloc_signal_free), Some(mirror::alloc_signal_free))),
    argued(checked(plain("init-add-signal", "init + add callback + signal, on the stack", 20_000, None, Some(mirror::init_add_signal))), SIGNALLED),
    freeing(plain("alloc-add-signal-put", "allocate + get + add + signal + remove + put", 10_000, Some(safe::alloc_add_signal_put), Some(mirror::alloc_add_signal_put))),
    argued(checked(plain("add-remove", "add + remove callback", 20_000, Some(safe::add_remove), Some(mirror::add_remove))), ADDED),
    plain("is-signaled-pending", "is_signaled(), pending", 200_000, Some(safe::is_signaled_pending), Some(mirror::is_signaled_pending)),
    plain("is-signaled-op", "is_signaled(), pending, with the op", 200_000, None, Some(mirror::is_signaled_op)),
    argued(plain("is-signaled", "is_signaled(), signalled", 200_000, Some(safe::is_signaled), Some(mirror::is_signaled)), &[(Column::Safe, "time", "it looks whether the lock is free, as callbacks may still run under it")]),
    plain("status", "get_status(), signalled", 50_000, Some(safe::status), Some(mirror::status)),
    plain("get-put", "get + put", 50_000, Some(safe::get_put), Some(mirror::get_put)),
    argued(checked(plain("driver-name", "driver_name() in RCU", 100_000, Some(safe::driver_name), Some(mirror::driver_name))), NAME),
    argued(checked(plain("timeline-name", "timeline_name() in RCU", 100_000, Some(safe::timeline_name), Some(mirror::timeline_name))), NAME),
    plain("wait-signaled", "wait() for what is signalled", 20_000, Some(safe::wait_signaled), Some(mirror::wait_signaled)),
    plain("describe", "describe()", 5_000, Some(safe::describe), Some(mirror::describe)),
    plain("deadline", "set_deadline(), without the op", 100_000, Some(safe::deadline), Some(mirror::deadline)),
    argued(plain("deadline-op", "set_deadline(), with the op", 100_000, Some(safe::deadline_op), Some(mirror::deadline_op)), BORDER),
    Operation { steps: (32, 96), ..plain("callbacks-1", "init + add callback + signal, by 1, per callback", 16_384, None, Some(mirror::callbacks::<1>)) },
    Operation { steps: (32, 96), ..plain("callbacks-16", "the same, by 16", 16_384, None, Some(mirror::callbacks::<16>)) },
    uncounted("callbacks-1024", "the same, by 1,024", 16_384, None, Some(mirror::callbacks::<1024>)),
    Operation { steps: (0, 1), ..plain("wait-any-poll", "wait_any() of 1,000, timeout 0", 100, Some(safe::wait_any_poll), Some(mirror::wait_any_poll)) },
    uncounted("wait-any", "wait_any() of 1,000, of which the last has signalled", 20, Some(safe::wait_any), Some(mirror::wait_any)),
    threads("threads-1", "add + remove callback, 1 thread", Some(safe::threads::<1, OWN>), Some(mirror::threads::<1, OWN>)),
    threads("threads-2-own", "add + remove callback, 2 threads, a fence each", Some(safe::threads::<2, OWN>), Some(mirror::threads::<2, OWN>)),
    threads("threads-2-one", "add + remove callback, 2 threads, one fence", Some(safe::threads::<2, ONE>), Some(mirror::threads::<2, ONE>)),
    threads("threads-4-own", "add + remove callback, 4 threads, a fence each", Some(safe::threads::<4, OWN>), Some(mirror::threads::<4, OWN>)),
    threads("threads-4-one", "add + remove callback, 4 threads, one fence", Some(safe::threads::<4, ONE>), Some(mirror::threads::<4, ONE>)),
    Operation {
        bounds: Bounds::at_most(0.3),
        ..apart(freeing(uncounted("round-trip", "signal and wait, to another thread and back", 300, Some(safe::round_trip), Some(mirror::round_trip))))
    },
    argued(chain("chain-walk", "walk a chain of 100,000, per node", safe::chain_walk, mirror::chain_walk), REFERENCES),
    chain("chain-collect", "walk a signalled chain of 100,000, per node", safe::chain_collect, mirror::chain_collect),
    argued(freeing(uncounted("array-complete", "signal each of an array of 1,024, per member", 1_024, Some(safe::array_complete), Some(mirror::array_complete))), GIVEN_UP),
    Operation {
        bounds: Bounds::at_most(0.5),
        steps: (0, 256),
        ..freeing(plain("merge-128", "unwrap_merge() of 2 x 128, per fence", 2_560, Some(safe::merge::<128>), Some(mirror::merge::<128>)))
    },
    Operation {
        bounds: Bounds::at_most(0.5),
        ..freeing(uncounted("merge-2048", "unwrap_merge() of 2 x 2,048, per fence", 8_192, Some(safe::merge::<2048>), Some(mirror::merge::<2048>)))
    },
    Operation {
        steps: (0, 64),
        ..freeing(plain("resv-add", "reserve a slot of a dma_resv and add a fence, 64 times", 1_280, Some(safe::resv_add), Some(mirror::resv_add)))
    },
    Operation {
        steps: (0, 128),
        ..freeing(plain("resv-iterate", "iterate over the 64 fences of a dma_resv, per fence", 6_400, Some(safe::resv_iterate), Some(mirror::resv_iterate)))
    },
    uncounted("synchronize", "synchronize_rcu(), no reader", 50, Some(safe::synchronize), Some(mirror::synchronize)),
    apart(uncounted("synchronize-reader", "synchronize_rcu(), a reader in and out", 50, Some(safe::synchronize_reader), Some(mirror::synchronize_reader))),
    uncounted("call-rcu", "call_rcu() of 20,000 and a barrier, per callback", 20_000, None, Some(mirror::call_rcu_many)),
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
