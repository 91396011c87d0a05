// SPDX-License-Identifier: GPL-2.0-only
//! A test body under many schedules.

use super::{memory::fail_nth_in, vcpu::STACK, Lockdep};
use crate::bindings::{self, Globals};
use ::machine::{
    explore as machine, report_log,
    vcpu::{How, Policy, Stuck, Vcpu},
};
use core::{fmt, panic::Location};

pub use machine::Message;

/// Schedules that [`explore`] tries, unless the environment says otherwise.
const SCHEDULES: usize = 500;

/// Points that a schedule may have before it counts as endless.
const POINTS: usize = 2_000_000;

/// Runs `body` under many random schedules: a machine with one processor and virtual time, on
/// which a task may be stopped at any point at which another processor could interfere. Half of
/// them switch often; the other half at a few points only, after which the task that was stopped
/// waits until all others are blocked.
///
/// Time may jump to the next timer even while other tasks could run, as if they were slow. So
/// sleeping, however long, proves nothing about what others have done by then: wait for them.
///
/// All schedules share what `body` captures, which those that are stuck use forever: so it may not
/// borrow from the caller.
///
/// A deadlock, a schedule without end, a BUG or a WARNING, a panic (a failed assertion, say), memory
/// that `body` leaves behind, or the report of a broken rule is a failure. The environment has the
/// last word: `FENCE_SCHEDULES` is how many schedules are tried, `FENCE_SEED` is the seed of the
/// only one, `FENCE_SHARD=2/4` tries the second quarter of them, and `FENCE_REPORT` is a file to which
/// a line of JSON is added that says what was tried.
///
/// A panic in what `body` sets off is one of the schedule: in a task, a callback, an op, a timer, an
/// item of work. What cannot be caught ends the process, after the seed was printed: a panic in an
/// `extern "C"` function of the driver's own, or one of a destructor during another.
///
/// # Panics
///
/// At the first schedule that fails, with the seed that replays it.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::{Arc, Completion}, testing::explore};
///
/// explore(|| {
///     let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
///     done.complete_all();
///     done.wait_for_completion();
/// });
/// ```
#[track_caller]
pub fn explore(body: impl Fn() + Send + Sync + 'static) {
    let outcome = Explorer::new().from_environment().run(body);
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Parameters of an exploration.
#[derive(Clone, Copy, Debug)]
pub struct Explorer {
    schedules: usize,
    seed: u64,
    how: How,
    /// The last allocation that may be the one to fail; 0 if none does.
    failing: usize,
    /// What lockdep looks at, if that is said.
    lockdep: Option<Lockdep>,
    /// Of so many shards, the number of the one that is tried, from 0.
    shard: (usize, usize),
}

impl Default for Explorer {
    fn default() -> Self {
        Self::new()
    }
}

impl Explorer {
    /// As [`explore`] does without an environment.
    pub const fn new() -> Self {
        Self {
            schedules: SCHEDULES,
            seed: 1,
            how: How::new(POINTS),
            failing: 0,
            lockdep: None,
            shard: (0, 1),
        }
    }

    /// Has timers become due only when no task is runnable: for what must not be late, as a
    /// watchdog that must not bark at a job which is done in time. Else time may overtake a task at
    /// any point, as if that were slow.
    pub const fn timers_wait(self) -> Self {
        let timers_wait = true;
        Self {
            how: How {
                timers_wait,
                ..self.how
            },
            ..self
        }
    }

    /// Has tasks that are in a read-side section fall behind all others, often: for what must not
    /// depend on how fast readers are.
    pub const fn slow_readers(self) -> Self {
        let slow_readers = true;
        Self {
            how: How {
                slow_readers,
                ..self.how
            },
            ..self
        }
    }

    /// Has so many of a thousand interrupts that [`IrqLine::raise`](super::IrqLine::raise) raises never
    /// come: for drivers that look for themselves when none has come for long.
    ///
    /// # Examples
    ///
    /// A driver that only waits for the interrupt waits forever when that is lost, which is a failure.
    ///
    /// ```
    /// use kernel::{
    ///     faux, irq::{Flags, Handler, IrqReturn, Registration}, prelude::*, sync::Completion,
    ///     testing::{Explorer, IrqLine},
    /// };
    ///
    /// #[pin_data]
    /// struct Done {
    ///     #[pin]
    ///     done: Completion,
    /// }
    ///
    /// impl Handler for Done {
    ///     fn handle(&self) -> IrqReturn {
    ///         self.done.complete_all();
    ///         IrqReturn::Handled
    ///     }
    /// }
    ///
    /// let explorer = Explorer::new().schedules(50).lost_interrupts(200).late_interrupts(200);
    /// let outcome = explorer.run(|| {
    ///     let device = faux::Registration::new(c"device", None).unwrap();
    ///     let line = IrqLine::new().unwrap();
    ///     let request = line.request(device.as_ref().as_ref());
    ///     let init = try_pin_init!(Done { done <- Completion::new() }? Error);
    ///     // SAFETY: Dropped below.
    ///     let init = unsafe { Registration::new(request, Flags::TRIGGER_NONE, c"done", init) };
    ///     let registration = KBox::pin_init(init, GFP_KERNEL).unwrap();
    ///     line.raise();
    ///     registration.handler().done.wait_for_completion(); // Forever, if none comes.
    ///     drop(registration);
    /// });
    /// assert!(outcome.unwrap_err().to_string().contains("deadlock"));
    /// ```
    pub const fn lost_interrupts(self, per_mille: u32) -> Self {
        Self {
            how: How {
                lost: per_mille,
                ..self.how
            },
            ..self
        }
    }

    /// Has so many of a thousand interrupts that are not lost come 1 us to 100 ms after they were
    /// raised, if there is a handler then; those that are late on one line at the same time are one.
    pub const fn late_interrupts(self, per_mille: u32) -> Self {
        Self {
            how: How {
                late: per_mille,
                ..self.how
            },
            ..self
        }
    }

    /// Has modules unloaded while more of what they have set off is under way: dropping a
    /// [`Loaded`](super::Loaded) sleeps for a while before the module's exit begins, as if the
    /// task were slow; and callbacks of RCU are called long after their grace period has ended,
    /// so that to wait for one is not to wait for callbacks.
    ///
    /// # Examples
    ///
    /// A driver that frees by a function of its own waits for that in its exit:
    ///
    /// ```
    /// # mod driver {
    /// use kernel::{prelude::*, sync::rcu, testing::{insmod, Explorer}};
    ///
    /// struct Driver;
    ///
    /// impl kernel::Module for Driver {
    ///     fn init(_module: &'static ThisModule) -> Result<Self> {
    ///         Ok(Self)
    ///     }
    /// }
    ///
    /// impl Drop for Driver {
    ///     fn drop(&mut self) {
    ///         rcu::rcu_barrier();
    ///     }
    /// }
    ///
    /// module! {
    ///     type: Driver,
    ///     name: "driver",
    ///     license: "GPL",
    /// }
    ///
    /// # pub fn main() {
    /// let explorer = Explorer::new().schedules(50).late_unload();
    /// explorer.run(|| drop(insmod::<Driver>().unwrap())).unwrap();
    /// # }
    /// # }
    /// # driver::main()
    /// ```
    pub const fn late_unload(self) -> Self {
        let late_unload = true;
        Self {
            how: How {
                late_unload,
                ..self.how
            },
            ..self
        }
    }

    /// Has one allocation fail in most schedules, of whatever task: of the first `most`, the one that
    /// the seed decides. For bodies that take that well.
    pub const fn failing_allocation(self, most: usize) -> Self {
        Self {
            failing: most,
            ..self
        }
    }

    /// Has lockdep look at that much, whatever the environment says.
    pub const fn lockdep(self, mode: Lockdep) -> Self {
        let lockdep = Some(mode);
        Self { lockdep, ..self }
    }

    /// Tries at most `schedules`, of successive seeds; with 0, [`Explorer::run`] does not call its
    /// body.
    pub const fn schedules(self, schedules: usize) -> Self {
        Self { schedules, ..self }
    }

    /// Begins with the schedule of `seed`.
    pub const fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Tries every `count`th schedule only, from the one of number `shard` on: so `count` machines
    /// can share them.
    ///
    /// # Panics
    ///
    /// Unless `shard` is below `count`.
    pub const fn shard(self, shard: usize, count: usize) -> Self {
        assert!(shard < count, "there is no such shard");
        Self {
            shard: (shard, count),
            ..self
        }
    }

    /// Lets `FENCE_SCHEDULES`, `FENCE_SEED` and `FENCE_SHARD` of the environment have the last word.
    /// `FENCE_SHARD=2/4` is the second of four.
    ///
    /// # Panics
    ///
    /// If they are not numbers, or no schedule is to be tried, as that would find nothing wrong.
    pub fn from_environment(self) -> Self {
        let mut explorer = self;
        if let Some(schedules) = machine::variable("FENCE_SCHEDULES") {
            assert_ne!(
                schedules, 0,
                "FENCE_SCHEDULES is `0`, but should be at least 1"
            );
            explorer.schedules = usize::try_from(schedules).unwrap_or(usize::MAX);
        }
        if let Some((shard, count)) = machine::shard() {
            explorer = explorer.shard(shard, count);
        }
        if let Some(seed) = machine::variable("FENCE_SEED") {
            explorer.seed = seed;
            explorer.schedules = 1;
            explorer.shard = (0, 1);
        }
        explorer
    }

    /// Runs `body` under every schedule that preempts a task at most `preemptions` times, until one
    /// fails, or as many as [`schedules`](Self::schedules) says have not; which tasks run next where
    /// one blocks is tried out as well. A failure says which `FENCE_PATH` replays it.
    ///
    /// For small bodies: with two tasks of a hundred points each, there are some hundred schedules
    /// with one preemption, and ten thousand with two.
    ///
    /// # Errors
    ///
    /// The first failure; also if `body` does not repeat itself, because it asks for a number that
    /// is random, or depends on what an earlier schedule left in what it captures.
    ///
    /// # Panics
    ///
    /// If `FENCE_PATH` is set, and is not what a failure has said.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{prelude::*, sync::{Arc, Completion}, testing::{spawn, Explorer}};
    ///
    /// let search = Explorer::new().schedules(10_000).search(1, || {
    ///     let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
    ///     let other = done.clone();
    ///     spawn(move || other.complete_all());
    ///     done.wait_for_completion();
    /// });
    /// assert!(search.unwrap().complete);
    /// ```
    #[track_caller]
    pub fn search(
        self,
        preemptions: usize,
        body: impl Fn() + Send + Sync + 'static,
    ) -> Result<Search, Failure> {
        Vcpu::may_run();
        let body = machine::shared(body);
        let given = machine::path();
        let path = given.clone().unwrap_or_default();
        let at = Location::caller();
        for schedule in 1..=self.schedules {
            let policy = Policy::search(path.clone(), preemptions, self.how);
            let outcome = one(policy, None, self.lockdep, body.clone());
            let outcome = path.strayed().map(Outcome::Strayed).or(outcome);
            if let Some(outcome) = outcome {
                machine::explored(at, (0, 1), schedule, Some(&path));
                return Err(Failure {
                    seed: 0,
                    path: Some(path.text()),
                    schedule,
                    outcome,
                });
            }
            let complete = given.is_some() || !path.advance();
            if complete || schedule == self.schedules {
                machine::explored(at, (0, 1), schedule, None);
                return Ok(Search {
                    schedules: schedule,
                    complete: complete && given.is_none(),
                });
            }
        }
        Ok(Search::default())
    }

    /// Runs `body` under each schedule until one fails.
    ///
    /// # Errors
    ///
    /// The first failure.
    #[track_caller]
    pub fn run(self, body: impl Fn() + Send + Sync + 'static) -> Result<(), Failure> {
        Vcpu::may_run();
        let body = machine::shared(body);
        let at = Location::caller();
        let mut tried = 0;
        for n in (self.shard.0..self.schedules).step_by(self.shard.1) {
            let seed = self.seed.wrapping_add(n as u64);
            let policy = Policy::explore(seed, self.how);
            tried += 1;
            let (body, nth) = (body.clone(), machine::drawn(seed, self.failing));
            let body = move || fail_nth_in("", nth, body).0;
            if let Some(outcome) = one(policy, Some(seed), self.lockdep, body) {
                machine::explored(at, self.shard, tried, Some(&seed));
                return Err(Failure {
                    seed,
                    path: None,
                    schedule: tried,
                    outcome,
                });
            }
        }
        machine::explored(at, self.shard, tried, None);
        Ok(())
    }
}

/// What a search has tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The schedules that were run.
    pub schedules: usize,
    /// True if these are all.
    pub complete: bool,
}

/// Runs `body` under one schedule; what went wrong, if anything did.
fn one(
    policy: Policy,
    seed: Option<u64>,
    lockdep: Option<Lockdep>,
    body: impl FnOnce() + Send + 'static,
) -> Option<Outcome> {
    let globals = Globals::explored().lockdep(lockdep);
    let number = globals.number();
    let body = super::vcpu::returns(body);
    let run = machine::catch(move || Vcpu::run(policy, seed, globals, STACK, body));
    bindings::lockdep_machine_ended(number);
    let reports = report_log::take(number);
    // What is reported during a panic, or while no task goes on, comes of that.
    let well = matches!(run, Ok(Ok(_)));
    if let Some(report) = reports.iter().find(|report| well || !report.late) {
        return Some(match report.rule {
            "" => Outcome::Bug(report.said()),
            rule => Outcome::Broken(rule),
        });
    }
    match run {
        Err(message) => Some(Outcome::Panic(message)),
        Ok(Err(Stuck::Deadlock(text))) => Some(Outcome::Deadlock(text)),
        Ok(Err(Stuck::Endless(text))) => Some(Outcome::Endless(text)),
        Ok(Err(Stuck::Bug(message))) => Some(Outcome::Bug(message)),
        Ok(Err(Stuck::NoThread)) => Some(Outcome::NoThread),
        Ok(Ok(((), 0))) => None,
        Ok(Ok(((), blocks))) => {
            bindings::debug_show_leaks(number);
            Some(Outcome::Leak(blocks))
        }
    }
}

/// The failure of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every task waited for another: who for whom, in one sentence, if this is a debug kernel.
    Deadlock(Message),
    /// The machine exceeded its budget of points: who, and where, as for a deadlock.
    Endless(Message),
    /// A BUG or a WARNING; what was said.
    Bug(Message),
    /// The host had no thread for the machine.
    NoThread,
    /// There was a panic.
    Panic(Message),
    /// So many blocks of memory were left behind.
    Leak(isize),
    /// The rule of that name was broken; the report was printed.
    Broken(&'static str),
    /// The body of a search did not repeat itself; where it went another way.
    Strayed(Message),
}

/// A schedule under which something went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that replays it; 0 if a search has found it.
    pub seed: u64,
    /// The path that replays it, if a search has found it.
    pub path: Option<Message>,
    /// The number of schedules that were tried, this one included.
    pub schedule: usize,
    /// The failure.
    pub outcome: Outcome,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path {
            None => write!(f, "schedule {} (seed {}): ", self.schedule, self.seed)?,
            Some(_) => write!(f, "schedule {} of a search: ", self.schedule)?,
        }
        match &self.outcome {
            Outcome::Deadlock(text) => Stuck::write_deadlock(text, f)?,
            Outcome::Endless(text) => Stuck::write_endless(text, f)?,
            Outcome::Bug(message) => f.write_str(message)?,
            Outcome::NoThread => f.write_str("the host has no thread for the machine")?,
            Outcome::Panic(message) => write!(f, "panic: {message}")?,
            Outcome::Leak(blocks) => write!(f, "{blocks} blocks of memory were left behind")?,
            Outcome::Broken(rule) => write!(f, "the rule `{rule}` was broken, see above")?,
            Outcome::Strayed(text) => write!(f, "the body does not repeat itself: {text}")?,
        }
        match &self.path {
            None => write!(f, "; FENCE_SEED={} replays it", self.seed),
            Some(path) => write!(f, "; FENCE_PATH={path} replays it"),
        }
    }
}

impl core::error::Error for Failure {}
