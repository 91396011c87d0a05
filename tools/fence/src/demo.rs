// SPDX-License-Identifier: GPL-2.0-only
//! The main command: a machine with one driver, and everybody who wants something of its fences.

use crate::{
    names::{Counted, Names},
    output::{complain, print},
    scenarios,
};
use dma_fence::{
    testing::{listen, Books},
    Fence,
};
use fastrand::Rng;
use kernel::{
    error::{code::ENOENT, Error},
    sync::{aref::ARef, Arc},
    testing,
};
use std::{
    ffi::CString,
    fmt, io,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};
use sw_timeline::{SwTimeline, Timeline};

const TIMELINES: usize = 4;
const VALUES: u32 = 64;
const WAITERS: usize = 4;
const READERS: usize = 2;

static BOOKS: Books = Books::new();

/// Runs the demonstration; gives the exit code.
pub(crate) fn run(seed: u64, quiet: bool) -> u8 {
    let mut findings = Vec::new();
    let report = match workload(seed, &mut findings) {
        Ok(report) => report,
        Err(error) => {
            complain(format_args!("fence: the workload cannot run: {error}"));
            return 2;
        }
    };
    let level = testing::console::set_loglevel(0);
    let outcome = scenarios::run();
    testing::console::set_loglevel(level);
    testing::memory::rcu_barrier();
    if outcome.no_thread {
        complain(format_args!(
            "fence: the scenarios cannot be replayed: the host has too few threads"
        ));
        return 2;
    }

    findings.extend(outcome.differences.iter().map(|d| format!("scenario {d}")));
    if BOOKS.live() != 0 {
        findings.push(format!("{} fences are still alive", BOOKS.live()));
    }
    if testing::memory::rcu_callbacks_pending() {
        findings.push("RCU callbacks are still pending".into());
    }
    if testing::loaded_modules() != 0 {
        findings.push(format!(
            "{} modules are still loaded",
            testing::loaded_modules()
        ));
    }
    let printed = if quiet {
        0
    } else {
        print(report.text(seed, &outcome).as_bytes())
    };
    for finding in &findings {
        complain(format_args!("fence: {finding} (seed {seed})"));
    }
    printed.max(u8::from(!findings.is_empty()))
}

/// What a run has shown.
struct Report {
    created: usize,
    signalled: usize,
    in_error: usize,
    waits: usize,
    names: Counted,
}

impl Report {
    fn text(&self, seed: u64, outcome: &scenarios::Outcome) -> String {
        let Counted {
            before,
            between,
            after,
            wrong,
        } = &self.names;
        let equal = outcome.replayed - outcome.differences.len();
        let wrong = wrong.len();
        let Self {
            created,
            signalled,
            in_error,
            waits,
            ..
        } = self;
        let replayed = outcome.replayed;
        format!(
            "sw_timeline: {TIMELINES} timelines, seed {seed}\n  \
             fences     {created} created, {signalled} signalled, {in_error} of them in error\n  \
             waits      {waits} ended with the signal\n  \
             names      {before} read before signalling, {after} after it, {between} across it, {wrong} wrong\n  \
             scenarios  {equal} of {replayed} as recorded on Linux\n"
        )
    }
}

/// Loads the driver, has its timelines advanced while others wait for their fences and read their
/// names, closes them with some fences pending, and unloads the driver.
fn workload(seed: u64, findings: &mut Vec<String>) -> Result<Report, Failure> {
    let books = listen(&BOOKS)?;
    let driver = testing::insmod::<SwTimeline>()?;
    let mut rng = Rng::with_seed(seed);

    let mut timelines = Vec::new();
    let mut fences = Vec::new();
    for n in 0..TIMELINES {
        let name = CString::new(format!("timeline{n}")).unwrap_or_default();
        let timeline = driver.timeline(&name)?;
        let mut values: Vec<u32> = (1..=VALUES).collect();
        rng.shuffle(&mut values);
        for value in values {
            fences.push((timeline.fence(value)?, value));
        }
        // The last few values never come.
        timelines.push((timeline, VALUES - rng.u32(0..8)));
    }
    rng.shuffle(&mut fences);

    let (names, waits, done) = (
        Names::default(),
        AtomicUsize::new(0),
        AtomicBool::new(false),
    );
    for (fence, _) in &fences {
        names.read(fence);
    }
    thread::scope(|s| {
        let spawn = || thread::Builder::new();
        // Dropped before the scope waits for its threads.
        let _finish = Finish(&timelines, &done);
        for part in fences.chunks(fences.len().div_ceil(WAITERS)) {
            spawn().spawn_scoped(s, || wait_for_all(part, &waits))?;
        }
        for _ in 0..READERS {
            let mut rng = rng.fork();
            let (fences, names, done) = (&fences, &names, &done);
            spawn().spawn_scoped(s, move || read_names(&mut rng, fences, names, done))?;
        }
        let mut advancing = Vec::new();
        for (timeline, last) in &timelines {
            let mut rng = rng.fork();
            advancing.push(spawn().spawn_scoped(s, move || advance(&mut rng, timeline, *last))?);
        }
        for thread in advancing {
            // A panic there is one here when the scope ends.
            let _ = thread.join();
        }
        Ok::<_, io::Error>(())
    })?;

    let waits = waits.into_inner();
    if waits != fences.len() {
        findings.push(format!("{waits} of {} waits ended", fences.len()));
    }
    for (fence, value) in &fences {
        names.read(fence);
        check(fence, *value, findings);
    }
    let names = names.count("sw_timeline");
    for wrong in &names.wrong {
        findings.push(format!("a fence had the names `{wrong}`"));
    }
    drop((fences, timelines));
    drop(driver);
    testing::memory::rcu_barrier();
    drop(books);
    Ok(Report {
        created: BOOKS.created(),
        signalled: BOOKS.signalled(),
        in_error: BOOKS.in_error(),
        waits,
        names,
    })
}

/// Why the workload cannot run.
enum Failure {
    Kernel(Error),
    Thread(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Thread(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(error) => write!(f, "{error:?}"),
            Self::Thread(error) => write!(f, "the host has too few threads: {error}"),
        }
    }
}

/// Ends the waits and the reading, however the workload has ended: closes the timelines, which
/// those that were advanced to their end are already, and says so to the readers.
struct Finish<'a>(&'a [(Arc<Timeline>, u32)], &'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        for (timeline, _) in self.0 {
            timeline.close();
        }
        self.1.store(true, SeqCst);
    }
}

/// Advances a timeline to its last value in steps, and closes it.
fn advance(rng: &mut Rng, timeline: &Arc<Timeline>, last: u32) {
    let mut value = 0;
    while value < last {
        let step = rng.u32(1..=4).min(last - value);
        timeline.advance(step);
        value += step;
        if rng.bool() {
            thread::yield_now();
        }
    }
    timeline.close();
}

fn wait_for_all(fences: &[(ARef<Fence>, u32)], waits: &AtomicUsize) {
    for (fence, _) in fences {
        fence.wait();
        if fence.is_signaled() {
            waits.fetch_add(1, SeqCst);
        }
    }
}

fn read_names(rng: &mut Rng, fences: &[(ARef<Fence>, u32)], names: &Names, done: &AtomicBool) {
    while !done.load(SeqCst) {
        if let Some((fence, _)) = rng.choice(fences) {
            names.read(fence);
        }
    }
}

/// A fence has signalled, and without an error exactly if its value came.
fn check(fence: &Fence, value: u32, findings: &mut Vec<String>) {
    match fence.status() {
        Some(Ok(())) => {}
        Some(Err(error)) if error == ENOENT && value > VALUES - 8 => {}
        status => findings.push(format!("the fence of value {value} ended as {status:?}")),
    }
}
