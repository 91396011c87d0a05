// SPDX-License-Identifier: GPL-2.0-only
//! What all torture tests share: threads that stop, pause and fail together.

use fastrand::Rng;
use std::{
    sync::{
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
        Mutex, PoisonError,
    },
    thread,
    time::{Duration, Instant},
};

/// The settings of a torture test.
#[derive(Clone, Debug)]
pub struct Options {
    /// For how long.
    pub duration: Duration,
    /// What the threads want to do follows from it.
    pub seed: u64,
    /// The threads that read, hold or wait; there are some more that write, or signal.
    pub threads: usize,
    /// The variant that is wrong on purpose.
    pub busted: Option<&'static str>,
}

/// How many steps a histogram has.
pub(crate) const STEPS: usize = 11;

/// The failures that are told; all are counted.
const TOLD: usize = 10;

/// What a torture test has seen.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How long it took.
    pub duration: Duration,
    /// What was done, and how often.
    pub counts: Vec<(&'static str, u64)>,
    /// For RCU: how many grace periods what a reader held was behind, when its section ended. More
    /// than one is a failure.
    pub histogram: Option<[u64; STEPS]>,
    /// How many failures there were.
    pub failed: u64,
    /// The first of them.
    pub failures: Vec<String>,
}

/// A torture test that runs.
pub(crate) struct Run {
    pub(crate) options: Options,
    start: Instant,
    stop: AtomicBool,
    paused: AtomicBool,
    rounds: AtomicU64,
    summary: Mutex<Summary>,
}

impl Run {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            start: Instant::now(),
            stop: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
            summary: Mutex::default(),
        }
    }

    /// True if the variant of that name runs.
    pub(crate) fn busted(&self, name: &str) -> bool {
        self.options.busted == Some(name)
    }

    /// The random numbers of a thread.
    pub(crate) fn rng(&self, thread: usize) -> Rng {
        Rng::with_seed(self.options.seed.wrapping_add((thread as u64 + 1) << 32))
    }

    /// False once the thread is to return. All pause here now and then, so that others find the
    /// mechanism idle, and full of threads that come at once.
    pub(crate) fn goes_on(&self) -> bool {
        while self.paused.load(Relaxed) && !self.stopped() {
            thread::sleep(Duration::from_millis(1));
        }
        !self.stopped()
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Acquire)
    }

    /// A reader, holder or waiter has come round.
    pub(crate) fn round(&self) {
        self.rounds.fetch_add(1, Relaxed);
    }

    /// Something that must hold does not.
    #[cold]
    pub(crate) fn fail(&self, what: impl FnOnce() -> String) {
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        summary.failed += 1;
        if summary.failures.len() < TOLD {
            let what = what();
            if !summary.failures.contains(&what) {
                summary.failures.push(what);
            }
        }
        drop(summary);
        if self.options.busted.is_some() {
            self.stop.store(true, Release);
        }
    }

    /// Adds to what was done.
    pub(crate) fn count(&self, what: &'static str, number: u64) {
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        match summary.counts.iter_mut().find(|(name, _)| *name == what) {
            Some((_, count)) => *count += number,
            None => summary.counts.push((what, number)),
        }
    }

    /// Adds to the histogram.
    pub(crate) fn histogram(&self, steps: &[u64; STEPS]) {
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = summary.histogram.get_or_insert_default();
        for (all, steps) in histogram.iter_mut().zip(steps) {
            *all += steps;
        }
    }

    /// Waits until the time is over, or a busted variant is caught, and has the threads return.
    pub(crate) fn watch(&self, mut progress: impl FnMut(Duration, u64)) {
        // Stutter: what follows a pause is not what follows a busy time.
        let mut next = Duration::from_secs(3);
        while !self.stopped() {
            let elapsed = self.start.elapsed();
            if elapsed >= self.options.duration {
                break;
            }
            self.paused.store(elapsed >= next, Relaxed);
            if elapsed >= next + Duration::from_millis(200) {
                next = elapsed + Duration::from_secs(3);
            }
            progress(elapsed, self.rounds.load(Relaxed));
            thread::sleep((self.options.duration - elapsed).min(Duration::from_millis(20)));
        }
        self.stop.store(true, Release);
    }

    pub(crate) fn into_summary(self) -> Summary {
        let mut summary = self
            .summary
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        summary.duration = self.start.elapsed();
        summary.counts.sort_unstable();
        summary
    }
}

/// Stays for a while: nearly always for no time at all, and seldom for long enough that others have
/// finished what they had begun.
pub(crate) fn delay(rng: &mut Rng, may_sleep: bool) {
    match rng.u32(0..4000) {
        0 if may_sleep => thread::sleep(Duration::from_millis(rng.u64(1..4))),
        0 | 1 => {
            let end = Instant::now() + Duration::from_micros(rng.u64(100..2000));
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        }
        2..40 => (0..rng.u32(1..2000)).for_each(|_| std::hint::spin_loop()),
        40..60 => thread::yield_now(),
        _ => (),
    }
}
