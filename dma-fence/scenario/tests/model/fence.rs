// SPDX-License-Identifier: GPL-2.0-only
//! The model's fences.

use super::{
    call::{signed, Model, Place},
    fault::Fault,
    wait::Task,
};
use std::collections::VecDeque;

/// A timestamp of the clock. Those of a scenario that are printed are smaller.
pub(crate) const CLOCK: u64 = 1_000_000_000;

/// An entry in the queue of a fence.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    Callback(&'a str),
    Sleeper(Task),
}

#[derive(Default)]
pub(crate) struct Fence<'a> {
    pub(crate) name: &'a str,
    pub(crate) context: &'a str,
    pub(crate) seqno: u64,
    /// What it is made of, and what its ops do.
    pub(crate) options: Vec<(&'a str, &'a str)>,
    pub(crate) stub: bool,
    pub(crate) signaled: bool,
    pub(crate) enabled: bool,
    pub(crate) attached: bool,
    pub(crate) timestamp: Option<u64>,
    pub(crate) error: i64,
    pub(crate) refs: u32,
    /// References of the scenario.
    pub(crate) held: u32,
    /// Commands under way that name it.
    pub(crate) busy: u32,
    pub(crate) gone: bool,
    /// How often the signaled op still says false, if it will ever say true.
    pub(crate) completes: Option<u64>,
    /// In the order in which they will be told.
    pub(crate) queue: VecDeque<Entry<'a>>,
}

impl<'a> Fence<'a> {
    pub(crate) fn new(context: &'a str, seqno: u64, options: Vec<(&'a str, &'a str)>) -> Self {
        Self {
            context,
            seqno,
            options,
            attached: true,
            refs: 1,
            ..Self::default()
        }
    }

    /// A stub that will be signalled.
    pub(crate) fn stub() -> Self {
        let options = vec![("driver", "stub"), ("timeline", "stub")];
        Self {
            stub: true,
            enabled: true,
            ..Self::new("stub", 0, options)
        }
    }

    /// The value of an option, of which the last counts.
    pub(crate) fn option(&self, name: &str) -> Option<&'a str> {
        let mut options = self.options.iter().rev();
        options
            .find(|(option, _)| *option == name)
            .map(|&(_, value)| value)
    }

    fn has(&self, option: &str) -> bool {
        self.option(option).is_some()
    }

    /// Does the enable_signaling op return false?
    pub(crate) fn refuses(&self) -> bool {
        self.option("enable_signaling")
            .is_some_and(|value| !value.is_empty())
    }

    pub(crate) fn flags(&self) -> String {
        let flags = [
            ("initialized", true),
            ("inline_lock", !self.has("lock")),
            ("seqno64", self.has("seqno64")),
            ("signaled", self.signaled),
            ("timestamp", self.timestamp.is_some()),
            ("enable_signal", self.enabled),
        ];
        let names = flags
            .into_iter()
            .filter(|&(_, set)| set)
            .map(|(name, _)| name);
        format!("[{}]", names.collect::<Vec<_>>().join(" "))
    }
}

/// A number as a transcript has it.
pub(crate) fn show(value: i64) -> String {
    let name = match value {
        -2 => "-ENOENT",
        -4 => "-EINTR",
        -5 => "-EIO",
        -22 => "-EINVAL",
        -35 => "-EDEADLK",
        -62 => "-ETIME",
        -512 => "-ERESTARTSYS",
        _ => return value.to_string(),
    };
    name.to_owned()
}

impl<'a> Model<'a> {
    fn lock_of(&self, f: usize) -> Result<&'a str, usize> {
        self.fences[f].option("lock").ok_or(f)
    }

    pub(crate) fn lock_held(&self, f: usize) -> bool {
        self.held.contains(&self.lock_of(f))
    }

    /// Runs `body` with the lock held; takes it, unless that was done further up.
    pub(crate) fn locked<R>(&mut self, f: usize, body: impl FnOnce(&mut Self) -> R) -> R {
        if self.lock_held(f) {
            return body(self);
        }
        self.held.push(self.lock_of(f));
        let result = body(self);
        self.held.pop();
        result
    }

    /// The names that the ops return.
    fn own_names(&self, f: usize) -> (&'a str, &'a str) {
        let fence = &self.fences[f];
        let driver = fence.option("driver").unwrap_or("oracle");
        if self.has(Fault::TimelineNameIsDrivers) {
            return (driver, driver);
        }
        (driver, fence.option("timeline").unwrap_or(fence.context))
    }

    /// The names that users of the fence get.
    pub(crate) fn names(&self, f: usize) -> (&'a str, &'a str) {
        let Fence {
            attached, signaled, ..
        } = self.fences[f];
        if attached && (!signaled || self.has(Fault::NamesAskedWhileAttached)) {
            self.own_names(f)
        } else {
            ("detached-driver", "signaled-timeline")
        }
    }

    /// An event that asks as users do.
    pub(crate) fn trace(&mut self, event: &str, f: usize) {
        self.event(event, f, self.names(f));
    }

    /// An event that asks the ops.
    pub(crate) fn trace_ops(&mut self, event: &str, f: usize) {
        self.event(event, f, self.own_names(f));
    }

    fn event(&mut self, event: &str, f: usize, (driver, timeline): (&str, &str)) {
        let Fence { context, seqno, .. } = self.fences[f];
        let seqno = seqno & u64::from(u32::MAX);
        self.note(format_args!(
            "~ {event} driver={driver} timeline={timeline} context={context} seqno={seqno}"
        ));
    }

    /// The note of an op that is called.
    pub(crate) fn op(&mut self, op: &str, f: usize, more: std::fmt::Arguments<'_>) {
        let locked = if self.lock_held(f) { " locked" } else { "" };
        let name = self.fences[f].name;
        self.note(format_args!("! op {op} {name}{locked}{more}"));
    }

    pub(crate) fn set_error(&mut self, f: usize, error: i64) {
        if self.fences[f].signaled {
            self.warn();
            if self.has(Fault::LateErrorIgnored) {
                return;
            }
        }
        if !(-4095..=-1).contains(&error) {
            self.warn();
        }
        self.fences[f].error = error;
    }

    /// Sets the error that an option says.
    fn set_error_of(&mut self, f: usize, option: &str) {
        let value = self.fences[f].option(option).unwrap_or_default();
        if value.starts_with('-') {
            self.set_error(f, signed(value));
        }
    }

    /// Signals, with the lock held.
    fn signal_locked(&mut self, f: usize, time: u64) {
        let twice = self.fences[f].signaled;
        if twice {
            if self.has(Fault::SecondSignalMovesTimestamp) {
                self.fences[f].timestamp = Some(time);
            }
            return;
        }
        self.fences[f].signaled = true;
        self.trace_ops("signaled", f);
        let stays = self.has(Fault::OpsStayAttached);
        let fence = &mut self.fences[f];
        fence.attached = stays || fence.has("release") || fence.has("wait");
        fence.timestamp = Some(time);
        let mut queue = std::mem::take(&mut fence.queue);
        if self.has(Fault::CallbacksLastInFirstOut) {
            queue.make_contiguous().reverse();
        }
        if self.has(Fault::CallbacksRunTwice) {
            queue.extend(queue.clone());
        }
        for entry in queue {
            match entry {
                Entry::Callback(cb) => self.callback(f, cb),
                Entry::Sleeper(task) => self.wake(task),
            }
        }
    }

    pub(crate) fn signal(&mut self, f: usize, time: u64) {
        self.locked(f, |model| model.signal_locked(f, time));
    }

    fn callback(&mut self, f: usize, name: &'a str) {
        let callback = self.callbacks.entry(name).or_default();
        callback.pending = false;
        let actions = callback.actions.clone();
        match self.fences[f].error {
            0 => self.note(format_args!("! cb {name}")),
            error => self.note(format_args!("! cb {name} error={}", show(error))),
        }
        for action in actions {
            self.note(format_args!("! {name}: {action}"));
            let answer = self.run(Place::Callback, action);
            self.outcome(&format!("! {name}: "), &answer);
        }
    }

    /// Enables signalling, with the lock held; false if the fence has signalled.
    pub(crate) fn enable_locked(&mut self, f: usize) -> bool {
        let again = self.has(Fault::EnablesEachTime);
        let fence = &mut self.fences[f];
        let first = !std::mem::replace(&mut fence.enabled, true) || again;
        if fence.signaled {
            return false;
        }
        let agrees = !fence.refuses();
        if first && fence.has("enable_signaling") {
            self.trace_ops("enable_signal", f);
            self.op("enable_signaling", f, format_args!(" = {agrees}"));
            self.set_error_of(f, "enable_signaling");
            if !agrees && !self.has(Fault::RefusalIgnored) {
                self.signal_locked(f, CLOCK);
                return false;
            }
        }
        true
    }

    /// Adds an entry to the end of the queue; false if the fence has signalled.
    pub(crate) fn add(&mut self, f: usize, entry: Entry<'a>) -> bool {
        if self.fences[f].signaled || (self.has(Fault::AddPolls) && self.is_signaled(f)) {
            return false;
        }
        let pending = self.locked(f, |model| model.enable_locked(f));
        if pending {
            self.fences[f].queue.push_back(entry);
        }
        pending
    }

    /// Takes an entry out of the queue; false if it was not there.
    pub(crate) fn remove(&mut self, f: usize, entry: Entry<'a>) -> bool {
        let queue = &mut self.fences[f].queue;
        let before = queue.len();
        queue.retain(|&e| e != entry);
        queue.len() < before
    }

    /// Drops a reference.
    pub(crate) fn put(&mut self, f: usize) {
        let early = u32::from(self.has(Fault::PutDestroysEarly));
        let fence = &mut self.fences[f];
        fence.refs = fence.refs.saturating_sub(1);
        if fence.refs > early {
            return;
        }
        fence.gone = true;
        self.trace("destroy", f);
        if !self.fences[f].signaled && !self.fences[f].queue.is_empty() {
            self.warn();
            if !self.has(Fault::NoErrorOnRelease) {
                self.fences[f].error = -35;
            }
            self.signal(f, CLOCK);
        }
        if self.fences[f].attached && self.fences[f].has("release") {
            self.op("release", f, format_args!(""));
        }
    }

    /// The bit, or else the op, which has the fence signalled if it says so.
    pub(crate) fn is_signaled(&mut self, f: usize) -> bool {
        let fence = &mut self.fences[f];
        if fence.signaled || !fence.has("signaled") {
            return fence.signaled;
        }
        let done = fence.completes == Some(0);
        fence.completes = fence.completes.map(|left| left.saturating_sub(1));
        self.op("signaled", f, format_args!(" = {done}"));
        if done {
            self.set_error_of(f, "signaled");
            self.signal(f, CLOCK);
        }
        done
    }

    pub(crate) fn status(&mut self, f: usize) -> i64 {
        let signaled = self.is_signaled(f);
        match (signaled, self.fences[f].error) {
            (false, error) if self.has(Fault::PendingErrorIsStatus) => error,
            (false, _) => 0,
            (true, 0) => 1,
            (true, error) => error,
        }
    }

    pub(crate) fn timestamp(&mut self, f: usize) -> String {
        let time = self.fences[f].timestamp;
        if time.is_none() {
            self.warn();
        }
        match time {
            Some(time) if time < CLOCK => time.to_string(),
            _ => "clock".to_owned(),
        }
    }

    pub(crate) fn describe(&mut self, f: usize) -> String {
        let before = self.names(f);
        let signaled = self.is_signaled(f);
        let (driver, timeline) = match signaled {
            _ if self.has(Fault::DescribeAsksNamesFirst) => before,
            true => Default::default(),
            false => self.names(f),
        };
        let Fence { context, seqno, .. } = self.fences[f];
        let un = if signaled { "" } else { "un" };
        format!("{context}:{seqno} {timeline} {driver} {un}signalled")
    }

    pub(crate) fn set_deadline(&mut self, f: usize, ns: u64) {
        if !(self.fences[f].attached && self.fences[f].has("set_deadline")) {
            return;
        }
        if !self.is_signaled(f) || self.has(Fault::DeadlineAfterSignal) {
            self.op("set_deadline", f, format_args!(" {ns}"));
        }
    }

    /// Later by less than half of all 32-bit numbers, or by any 64-bit number.
    fn is_later_number(&self, f: usize, g: usize) -> bool {
        let (a, b) = (self.fences[f].seqno, self.fences[g].seqno);
        if self.fences[f].has("seqno64") || self.has(Fault::NumbersDoNotWrap) {
            return a > b;
        }
        let ahead = (a as u32).wrapping_sub(b as u32);
        0 < ahead && ahead < 1 << 31
    }

    fn same_context(&mut self, f: usize, g: usize) -> bool {
        let same = self.fences[f].context == self.fences[g].context;
        if !same {
            self.warn();
        }
        same
    }

    pub(crate) fn is_later(&mut self, f: usize, g: usize) -> bool {
        self.same_context(f, g) && self.is_later_number(f, g)
    }

    pub(crate) fn later(&mut self, f: usize, g: usize) -> Option<usize> {
        if !self.same_context(f, g) {
            return None;
        }
        let later = if self.is_later_number(f, g) { f } else { g };
        (!self.is_signaled(later)).then_some(later)
    }
}
