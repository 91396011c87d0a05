// SPDX-License-Identifier: GPL-2.0-only
//! Machines of one processor, in which one task runs at a time and time is virtual.

use crate::bindings::{self, Globals};
use core::{fmt, mem::needs_drop};
use machine::{
    explore::Message,
    report_log, task,
    vcpu::{self, Hooks as _, Policy, Vcpu},
};

/// The reason why a machine is stuck, or did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Every task waits for another, and no timer is pending: who for whom, in one sentence, if this
    /// is a debug kernel. It has printed a line for each task.
    Deadlock(Message),
    /// A task loops without end: who does, and where. It has passed 30 million points without
    /// handing on the processor, or that was handed on 5 million times, or time went on a million
    /// times. A loop that passes no point (a lock, an atomic, a read-side section) hangs.
    Endless(Message),
    /// The machine ended at a bug, with this message.
    Bug(Message),
    /// The host has no thread for the first task.
    NoThread,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stuck::Deadlock(text) => vcpu::Stuck::write_deadlock(text, f),
            Stuck::Endless(text) => vcpu::Stuck::write_endless(text, f),
            Stuck::Bug(message) => f.write_str(message),
            Stuck::NoThread => f.write_str("the host has no thread for the machine"),
        }
    }
}

impl core::error::Error for Stuck {}

/// The stack of a first task, as a host's first thread has it.
pub(super) const STACK: usize = 8 << 20;

/// Runs `body` as the first task of a fresh machine, until it and all its tasks have ended.
///
/// Each task runs until it blocks or ends; the next is the one that became runnable first. When
/// none is, a grace period passes, and then the time to the next timer. Nothing outside has a
/// part in this: a machine does not wait for what a thread of the host would signal some time.
///
/// Sleeps; a BUG inside a section, an interrupt or an RCU callback, which it would wait for.
///
/// # Errors
///
/// [`Stuck::Deadlock`] if all are blocked forever, [`Stuck::Endless`] if there is no end. Their threads, and what they hold, are lost
/// then; so `body` may not borrow from the caller. [`Stuck::Bug`] if the machine ended at one.
/// [`Stuck::NoThread`] if the machine could not begin.
///
/// # Panics
///
/// If a rule was broken, or Linux itself would have said so of a bug (a BUG, a WARNING); the report
/// was printed. See [`expect_report`](super::expect_report) and [`expect_bug`](super::expect_bug).
/// If `body` panics, or what it has set off: another task, a callback, a timer, an item of work. Or if
/// memory was left behind that was allocated in the machine, unless an `R` has a destructor, since it
/// may own some; where it was allocated was printed.
///
/// # Examples
///
/// ```
/// use kernel::{
///     testing::vcpu,
///     time::{delay::fsleep, Delta, Instant, Monotonic},
/// };
///
/// let slept = vcpu::fifo(|| {
///     let start = Instant::<Monotonic>::now();
///     fsleep(Delta::from_secs(60));
///     start.elapsed()
/// });
/// assert_eq!(slept, Ok(Delta::from_secs(60)));
/// ```
#[track_caller]
pub fn fifo<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> Result<R, Stuck> {
    fifo_with_stack(STACK, body)
}

/// As [`fifo`], errors and panics included, with a stack of `stack` bytes for the first task.
#[track_caller]
pub fn fifo_with_stack<R: Send + 'static>(
    stack: usize,
    body: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Stuck> {
    let globals = Globals::machine();
    let number = globals.number();
    let (reports, end) = run(globals, stack, body);
    if let Some(report) = reports.first() {
        let said = report.said();
        match &end {
            // What is still pending then is so because of that.
            Err(stuck) if report.late => panic!("{stuck}; {said}, see above"),
            Err(stuck @ (Stuck::Deadlock(_) | Stuck::Endless(_))) => {
                panic!("{said}, see above; then {stuck}")
            }
            _ => panic!("{said}, see above"),
        }
    }
    // What it returns may own memory.
    if end.is_ok() && !needs_drop::<R>() {
        let left = bindings::debug_show_leaks(number);
        assert!(
            left == 0,
            "{left} blocks of memory were left behind, see above"
        );
    }
    end
}

/// Takes the reports of a machine whose body panics: those that were held back may be why, and are
/// printed; the others were printed already.
struct Panics {
    number: u64,
    held: bool,
}

impl Drop for Panics {
    fn drop(&mut self) {
        if self.held {
            report_log::show(self.number);
        }
        report_log::take(self.number);
        bindings::lockdep_machine_ended(self.number);
    }
}

/// As [`fifo_with_stack`], with the variables of the machine; returns its reports as well.
#[track_caller]
pub(super) fn run<R: Send + 'static>(
    globals: Globals,
    stack: usize,
    body: impl FnOnce() -> R + Send + 'static,
) -> (report_log::Reports, Result<R, Stuck>) {
    Vcpu::may_run();
    let number = globals.number();
    let held = globals.held_reports().is_some();
    let panics = Panics { number, held };
    let end = Vcpu::run(Policy::Fifo, None, globals, stack, returns(body));
    core::mem::forget(panics);
    bindings::lockdep_machine_ended(number);
    let end = end
        .map(|(result, _live)| result)
        .map_err(|stuck| match stuck {
            vcpu::Stuck::NoThread => Stuck::NoThread,
            vcpu::Stuck::Bug(message) => Stuck::Bug(message),
            vcpu::Stuck::Deadlock(text) => Stuck::Deadlock(text),
            vcpu::Stuck::Endless(text) => Stuck::Endless(text),
        });
    (report_log::take(number), end)
}

/// Runs `body`, which returns with no lock held.
pub(super) fn returns<R>(body: impl FnOnce() -> R) -> impl FnOnce() -> R {
    || {
        let result = body();
        bindings::debug_task_ends();
        result
    }
}

/// Lets every other task of this machine run until it is blocked or has ended. Time does not go
/// on. Nothing happens outside of a machine with a virtual CPU.
pub fn settle() {
    let me = task::current();
    if let Some(vcpu) = me.vcpu() {
        vcpu.settle(me);
    }
}

/// A number below `of`, which the schedule that is explored decides, and its seed or path replays; 0
/// where there is none. For the faults of a simulated device.
///
/// # Examples
///
/// ```
/// use kernel::testing::{vcpu::drawn, Explorer};
///
/// // Each number is tried by a search.
/// let search = Explorer::new().search(0, || assert!(drawn(3) < 3)).unwrap();
/// assert!(search.complete && search.schedules == 3);
/// ```
pub fn drawn(of: usize) -> usize {
    vcpu::with(|vcpu| vcpu.drawn(of)).unwrap_or(0)
}
