// SPDX-License-Identifier: GPL-2.0-only
//! What is no ratio to C in one process: growth, memory, readers, and the like.
//!
//! Each is found in a process of its own, which knows nothing of what others have left behind.

use crate::{
    measure::{processor, start},
    mirror,
    operation::Column,
    others, safe, schedules,
};
use dma_fence::{bindings::__tracepoint_dma_fence_signaled, Fence};
use fake_gpu::{Config, FakeGpu, Job};
use kernel::{
    sync::{aref::ARef, rcu::rcu_barrier},
    testing::trace,
};
use serde::{Deserialize, Serialize};
use std::{fs, hint::black_box, path::Path, process::Command};
use sw_timeline::Timeline;

/// Something to be found.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    /// The flavour of which it is told.
    pub(crate) debug: bool,
    /// The most that it may be.
    pub(crate) most: f64,
    /// Why it may be more.
    pub(crate) argued: Option<&'static str>,
    find: fn() -> Found,
}

/// What was found: a figure, and of what it was made, if of more than one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) value: f64,
    /// Nanoseconds in all, for so many.
    pub(crate) series: Vec<(f64, f64)>,
}

impl From<f64> for Found {
    fn from(value: f64) -> Self {
        let series = Vec::new();
        Self { value, series }
    }
}

const fn figure(
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    most: f64,
    find: fn() -> Found,
) -> Figure {
    Figure {
        name,
        what,
        unit,
        debug: false,
        most,
        argued: None,
        find,
    }
}

const fn debug(figure: Figure) -> Figure {
    let debug = true;
    Figure { debug, ..figure }
}

/// A bound for what has none.
const ANY: f64 = f64::INFINITY;

/// All of them.
#[rustfmt::skip]
pub(crate) const ALL: &[Figure] = &[
    Figure {
        argued: Some("a tree of n fences takes n log n, of which the exponent is 1.13 here, and 100 of them stay in the caches"),
        ..figure("timeline-create", "sw_timeline: create n fences, of rising values", "exponent", 1.1, || growth(|n| timeline(n).0))
    },
    figure("timeline-advance", "sw_timeline: advance by one, n times, n fences pending", "exponent", 1.1, || growth(|n| timeline(n).1)),
    figure("timeline-advance-all", "sw_timeline: advance over 100,000 pending fences at once", "ns each", ANY, || (timeline_at_once(100_000) / 1e5).into()),
    figure("gpu-jobs", "fake_gpu: n jobs submitted, then completed", "exponent", 1.1, || growth(gpu)),
    figure("gpu-jobs-3000", "fake_gpu: jobs a second of processor time, 3,000 queued", "a second", ANY, || (3e12 / gpu(3_000)).into()),
    figure("gpu-jobs-30000", "fake_gpu: jobs a second of processor time, 30,000 queued", "a second", ANY, || (3e13 / gpu(30_000)).into()),
    debug(figure("debug-free", "debug: free n blocks, n fences of the C API pending", "exponent", 1.1, || growth(free_beside))),
    debug(figure("debug-signal", "debug: signal and put n fences of the C API", "exponent", ANY, || growth(signal_all))),
    figure("memory-c", "a live fence of C", "bytes", ANY, || memory(Column::C)),
    figure("memory-mirror", "a live fence of the mirror", "bytes", 80.5, || memory(Column::Mirror)),
    Figure {
        argued: Some("beside C's 64 bytes it has the driver's context, the result, and a head for RCU, which a driver in C keeps in a structure of its own"),
        ..figure("memory-safe", "a live fence of the safe API", "bytes", 80.0, || memory(Column::Safe))
    },
    debug(figure("memory-debug-mirror", "debug: a live fence of the mirror", "bytes", 600.0, || memory(Column::Mirror))),
    debug(figure("memory-debug-safe", "debug: a live fence of the safe API", "bytes", 600.0, || memory(Column::Safe))),
    figure("wait-cpu", "processor time of a wait of 1 s", "ms", 1.0, wait),
    figure("tracing", "init + signal while that is traced", "times as long", ANY, tracing),
    figure("reader-ours", "a read-side section: ours", "ns", ANY, || least(1_000_000, mirror::rcu)),
    figure("reader-liburcu", "a read-side section: liburcu's memb", "ns", ANY, || least(1_000_000, |n| others::liburcu("rcu", n))),
    figure("reader-crossbeam", "a read-side section: crossbeam-epoch's pin()", "ns", ANY, || least(1_000_000, others::crossbeam_read)),
    figure("reader-seize", "a read-side section: seize's enter()", "ns", ANY, || least(1_000_000, others::seize_read)),
    figure("retire-ours", "allocate a block, free it after a grace period: ours", "ns", ANY, || least(20_000, others::ours_retire)),
    figure("retire-liburcu", "the same: liburcu's memb", "ns", ANY, || least(20_000, |n| others::liburcu("retire", n))),
    figure("retire-crossbeam", "the same: crossbeam-epoch", "ns", ANY, || least(20_000, others::crossbeam_retire)),
    figure("retire-seize", "the same: seize", "ns", ANY, || least(20_000, others::seize_retire)),
    debug(figure("explore-empty", "explore(): a schedule of an empty body", "us", ANY, || schedules::microseconds(0))),
    debug(figure("explore-fence", "explore(): a schedule of two tasks and a fence", "us", 200.0, || schedules::microseconds(1))),
    debug(figure("explore-gpu", "explore(): a schedule of six jobs of fake_gpu", "us", 690.0, || schedules::microseconds(2))),
];

/// The figure of that name.
pub(crate) fn find(name: &str) -> Option<&'static Figure> {
    ALL.iter().find(|figure| figure.name == name)
}

impl Figure {
    /// Finds it, prints it, and ends the process.
    pub(crate) fn print(&self) -> ! {
        start();
        let found = (self.find)();
        println!("{}", serde_json::to_string(&found).expect("numbers"));
        // A debug kernel would look at each of a million fences at the end.
        // SAFETY: The line is written, and nothing else is to be.
        unsafe { libc::_exit(0) }
    }

    /// Has `program` find it.
    pub(crate) fn ask(&self, program: &Path) -> Result<Found, String> {
        let mut command = Command::new(program);
        let output = command.args(["figure", self.name]).output();
        let output = output.map_err(|error| error.to_string())?;
        let failed = |_| format!("{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).map_err(failed)
    }
}

/// The processor time that it takes, for how long other threads of this process work as well.
fn took(body: impl FnOnce()) -> f64 {
    let before = processor();
    body();
    processor() - before
}

/// The exponent with which the least of some times grows with their number, over three decades.
fn growth(time: impl Fn(u64) -> f64) -> Found {
    let series: Vec<_> = [100, 1_000, 10_000, 100_000]
        .map(|n| {
            let rounds = (100_000 / n).clamp(10, 30);
            let least = (0..rounds).map(|_| time(n)).fold(f64::INFINITY, f64::min);
            (n as f64, least)
        })
        .into();
    let log: Vec<_> = series.iter().map(|(n, ns)| (n.ln(), ns.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| log.iter().map(of).sum::<f64>() / log.len() as f64;
    let (x, y) = (mean(|at| at.0), mean(|at| at.1));
    let xy: f64 = log.iter().map(|at| (at.0 - x) * (at.1 - y)).sum();
    let xx: f64 = log.iter().map(|at| (at.0 - x).powi(2)).sum();
    let value = xy / xx;
    Found { value, series }
}

/// A timeline, and fences for n values.
fn pending(n: u64) -> (f64, kernel::sync::Arc<Timeline>, Vec<ARef<Fence>>) {
    let timeline = Timeline::new(c"bench").expect("memory");
    let mut fences = Vec::with_capacity(n as usize);
    let created = took(|| {
        for i in 0..n {
            fences.push(timeline.fence(i as u32 + 1).expect("memory"));
        }
    });
    (created, timeline, fences)
}

fn timeline(n: u64) -> (f64, f64) {
    let (created, timeline, fences) = pending(n);
    let advanced = took(|| {
        for _ in 0..n {
            timeline.advance(1);
        }
    });
    assert!(fences.iter().all(|fence| fence.is_signaled()));
    drop(fences);
    rcu_barrier();
    (created, advanced)
}

fn timeline_at_once(n: u64) -> f64 {
    let (_, timeline, _fences) = pending(n);
    took(|| timeline.advance(n as u32))
}

fn gpu(n: u64) -> f64 {
    let config = Config {
        watchdog: None,
        ..Config::default()
    };
    let gpu = FakeGpu::new(config).expect("a GPU");
    let contexts = [0, 1].map(|ring| gpu.context(ring, c"bench").expect("a context"));
    let took = took(|| {
        let submit = |i| contexts[i as usize % 2].submit(Job::Work(0), &[]);
        let fences: Vec<_> = (0..n).map(|i| submit(i).expect("memory")).collect();
        for fence in fences {
            fence.wait();
        }
    });
    gpu.remove();
    took
}

/// n times what it takes to free a block beside n pending fences.
fn free_beside(n: u64) -> f64 {
    let fences = mirror::Many::new(n);
    let blocks = n.min(1_000);
    let all = took(|| {
        mirror::blocks(blocks);
    });
    fences.end();
    rcu_barrier();
    n as f64 * all / blocks as f64
}

fn signal_all(n: u64) -> f64 {
    let fences = mirror::Many::new(n);
    took(|| {
        fences.end();
        rcu_barrier();
    })
}

/// The bytes of a fence, of a million that are alive.
fn memory(column: Column) -> Found {
    const FENCES: u64 = 1_000_000;
    let run = match column {
        Column::Safe => safe::memory,
        Column::Mirror => mirror::memory,
        Column::C | Column::Engine => |n| others::liburcu("memory", n),
    };
    run(1_000);
    let before = resident();
    run(FENCES);
    ((resident() - before) / FENCES as f64).into()
}

/// The bytes of this process that are in memory.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.map_or(f64::NAN, |kb| {
        1024.0 * kb.trim().parse().unwrap_or(f64::NAN)
    })
}

/// Waits for a fence that nobody signals for a second.
fn wait() -> Found {
    let issuer = safe::make();
    let took = took(|| {
        let timeout = kernel::time::msecs_to_jiffies(1_000);
        black_box(issuer.as_fence().wait_timeout(timeout).is_some());
    });
    issuer.signal(Ok(()));
    (took / 1e6).into()
}

/// How many times as long a signal takes that is traced.
fn tracing() -> Found {
    let signal = || least(10_000, mirror::init_signal).value;
    let off = signal();
    let recording = trace::record(&__tracepoint_dma_fence_signaled).expect("an event");
    let on = signal();
    drop(recording);
    Found {
        value: on / off,
        series: vec![(0.0, off), (1.0, on)],
    }
}

/// Nanoseconds of one of n, in the least of some rounds.
fn least(n: u64, times: impl Fn(u64) -> f64) -> Found {
    // The first grace period finds out how the machine has its barriers.
    kernel::sync::rcu::synchronize_rcu();
    let rounds = (0..20).map(|_| times(n));
    (rounds.fold(f64::INFINITY, f64::min) / n as f64).into()
}
