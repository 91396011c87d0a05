// SPDX-License-Identifier: GPL-2.0-only
//! Reports of rules that were broken.
//!
//! What C itself would say (`WARN_ON()`, "BUG: sleeping function ...") it says here too, by
//! `splat()`. A report is something else: a debug kernel's own word, that Linux would not say. It
//! names the rule and its page, and where what led to it has happened.

use super::splat;
use crate::globals;
use core::{
    cell::Cell,
    fmt::{self, Write as _},
    panic::Location,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use machine::{
    cpu::{self, Cpu, Reader, Unusual},
    location, report_log, task,
};
pub use machine::{
    location::{site, Site},
    report_log::Text,
};

/// The words of a rule's subsystem.
pub struct Words {
    /// The subsystem.
    pub subsystem: &'static str,
    /// The kind of object.
    pub object: &'static str,
    /// The step in which such an object is created.
    pub created: &'static str,
    /// Writes whose the objects of a context are, in brackets after a space, if that is known.
    pub names: fn(context: u64, out: &mut dyn fmt::Write) -> fmt::Result,
}

/// A rule that is checked at run time.
pub struct Rule {
    name: &'static str,
    words: Option<&'static Words>,
    /// Its number from 1 on, once it has one.
    number: AtomicUsize,
    broken: AtomicUsize,
    /// The rule that is counted for it.
    with: Option<&'static Rule>,
}

/// Rules that have their numbers from the start.
const NUMBERED: usize = 1;

/// The location of a step that led to a report.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// There.
    At(&'static Location<'static>),
    /// At what happens now: there, or if that is in the kernel itself, where it was entered.
    Here(&'static Location<'static>),
    /// There, as [`site`] has found it.
    Site(Site),
    /// It is not known.
    Unknown,
}

/// Steps of a report beside the first.
pub const STEPS: usize = 8;

/// A step of what led to a report: what happened, and where.
pub type Evidence<'a> = (&'a str, Place);

impl Rule {
    /// A rule that its page calls `name`.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            words: None,
            number: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            with: None,
        }
    }

    /// The same rule, whose check is reached whenever that of another is, which is counted.
    pub(crate) const fn looked_at_with(self, rule: &'static Self) -> Self {
        Self {
            with: Some(rule),
            ..self
        }
    }

    /// The same rule, with that number: up to [`NUMBERED`].
    pub(crate) const fn numbered(self, number: usize) -> Self {
        assert!(number <= NUMBERED);
        Self {
            number: AtomicUsize::new(number),
            ..self
        }
    }

    /// The same rule, for objects that `words` describe.
    pub const fn about(self, words: &'static Words) -> Self {
        Self {
            words: Some(words),
            ..self
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Counts that its check has something to look at; false if it must not look, since rules
    /// are broken here on purpose. From any context.
    #[inline]
    pub fn look(&self) -> bool {
        Self::count([self]);
        checking()
    }

    /// As [`look`](Self::look), for each of them, where the caller asks whether it is
    /// [`checking()`] once it has found something.
    #[inline]
    pub fn count<const N: usize>(rules: [&Self; N]) {
        cpu::with(|cpu| Self::count_on(cpu, rules));
    }

    /// The same, on this thread.
    #[inline(always)]
    pub(crate) fn count_on<const N: usize>(cpu: &Cpu, rules: [&Self; N]) {
        let reader = cpu.reader();
        for rule in rules {
            if !reader.checks(rule.number.load(Relaxed)) {
                rule.checked_first(reader);
            }
        }
    }

    /// It has no number yet; or there are too many.
    #[cold]
    fn checked_first(&self, reader: &Reader) {
        static NEXT: AtomicUsize = AtomicUsize::new(NUMBERED + 1);
        if self.number.load(Relaxed) == 0 {
            let number = NEXT.fetch_add(1, Relaxed);
            let first = self.number.compare_exchange(0, number, Relaxed, Relaxed);
            reader.checks(first.err().unwrap_or(number));
        }
    }

    /// Returns how often its check was reached.
    pub fn looked(&self) -> usize {
        if let Some(rule) = self.with {
            return rule.looked();
        }
        match self.number.load(Relaxed) {
            0 => 0,
            number => cpu::checked(number),
        }
    }

    /// Returns how often it was found broken.
    pub fn broken(&self) -> usize {
        self.broken.load(Relaxed)
    }

    /// Reports that the rule is broken, with evidence. From any context, but inside no `SideTable`.
    #[cold]
    pub fn report(&self, what: fmt::Arguments<'_>, evidence: &[Evidence<'_>]) {
        let mut text = report_log::Text::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text, what, evidence);
        self.add(text);
    }

    /// Adds a report.
    fn add(&self, mut text: report_log::Text) {
        self.broken.fetch_add(1, Relaxed);
        // As above.
        let _ = write!(text, "  task {}, ", task::current().comm());
        let _ = cpu::write_context(&mut text);
        text += "\n";
        let report = |globals: &globals::Globals| {
            let late = globals.ending.load(Relaxed) || report_log::panicking();
            let (machine, rule) = (globals.number, self.name);
            let report = report_log::Report {
                machine,
                rule,
                text,
                late,
            };
            (report, globals.expects.load(Relaxed))
        };
        let (report, expected) = globals::with(report);
        report_log::add(report, expected);
    }

    /// As [`report`](Self::report): `what`, on the object that its context and number name, which
    /// was created there, and up to [`STEPS`] steps that led to it.
    #[cold]
    pub fn report_on<'a>(
        &self,
        (context, number): (u64, u64),
        created: Place,
        what: fmt::Arguments<'_>,
        evidence: impl IntoIterator<Item = Evidence<'a>>,
    ) {
        let (subsystem, object, step) = self.words.map_or(("", "", ""), |words| {
            (words.subsystem, words.object, words.created)
        });
        let mut steps = [(step, created); 1 + STEPS];
        let mut count = 1;
        for (slot, step) in steps[1..].iter_mut().zip(evidence) {
            *slot = step;
            count += 1;
        }
        let names = fmt::from_fn(|f| match self.words {
            Some(words) => (words.names)(context, f),
            None => Ok(()),
        });
        self.report(
            format_args!("{subsystem}: {what}, {object} {context}:{number}{names}"),
            &steps[..count],
        );
    }

    /// Reports that the rule is broken, in the words of a checker of Linux's own: `what` was found,
    /// at `now`, and `text` says it all. Not if another report has blamed that statement already:
    /// false then.
    #[cold]
    #[cfg_attr(any(not(feature = "debug"), loom, tsan), allow(dead_code))]
    pub(crate) fn report_text(
        &self,
        what: &str,
        now: &'static Location<'static>,
        text: impl fmt::Display,
    ) -> bool {
        if splat::accuse(&location::entry(now)) {
            return false;
        }
        let (mut body, name) = (report_log::Text::new(), self.name);
        // Writing to a string does not fail.
        let _ = write!(body, "{text}");
        let mut text = report_log::Text::new();
        let _ = writeln!(text, "BUG: lockdep: {what}");
        let _ = writeln!(text, "  rule {name}, see Documentation/rules/{name}.rst");
        // The title is above, in short; an empty line would end the report.
        let lines = body.lines().filter(|line| !line.trim().is_empty());
        for line in lines.skip_while(|line| !line.starts_with("--")).skip(1) {
            let _ = writeln!(text, "  {line}");
        }
        self.add(text);
        true
    }

    /// Reports that the rule is broken by `what`, at `now`, in the section `name` that it is about.
    #[cold]
    pub(crate) fn report_in(
        &self,
        name: &str,
        what: &str,
        began: &'static Location<'static>,
        now: &'static Location<'static>,
    ) {
        let subsystem = self.words.map_or("", |words| words.subsystem);
        self.report(
            format_args!("{subsystem}: {what} in {name}"),
            &[
                ("section begun", Place::Here(began)),
                (what, Place::Here(now)),
            ],
        );
    }

    fn write(
        &self,
        out: &mut report_log::Text,
        what: fmt::Arguments<'_>,
        evidence: &[Evidence<'_>],
    ) -> fmt::Result {
        let rule = self.name;
        writeln!(out, "BUG: {what}")?;
        writeln!(out, "  rule {rule}, see Documentation/rules/{rule}.rst")?;
        for (step, place) in evidence {
            match place {
                Place::At(at) => writeln!(out, "  {step} at {}", location::at(at))?,
                Place::Here(at) => {
                    writeln!(out, "  {step} at {}", location::called(at))?;
                    splat::accuse(&location::entry(at));
                }
                Place::Site(at) => writeln!(out, "  {step} at {at}")?,
                Place::Unknown => writeln!(out, "  {step}")?,
            }
        }
        Ok(())
    }
}

/// The number of the machine that this task belongs to: 0 for all that runs freely.
#[inline]
pub fn this_machine() -> u64 {
    globals::with(|globals| globals.number)
}

/// False where rules are broken on purpose.
#[inline]
pub fn checking() -> bool {
    cfg!(feature = "debug") && counts()
}

/// False where what Linux says of a bug is no more than a line in its log.
#[inline]
pub(super) fn counts() -> bool {
    cpu::with(counts_on)
}

/// The same, on this thread.
#[inline(always)]
pub(crate) fn counts_on(cpu: &Cpu) -> bool {
    // All threads that run freely are in a machine in which the rules are checked.
    cpu.is_usual() || is_checked(cpu)
}

#[inline(never)]
fn is_checked(cpu: &Cpu) -> bool {
    let unchecked = |globals: &globals::Globals| globals.unchecked.load(Relaxed);
    !cpu.is(Unusual::Unchecked) && !globals::with_on(cpu, unchecked)
}

machine::per_thread! {
    /// While this is not 0 no rule is checked on this thread, which is [`Unusual`].
    static UNCHECKED: Cell<usize> = Cell::new(0);
}

/// Checks no rule while `body` runs: in this machine, or if it runs freely, on this thread.
pub fn without_checks<R>(body: impl FnOnce() -> R) -> R {
    struct Restore(Option<bool>);

    impl Drop for Restore {
        fn drop(&mut self) {
            match self.0 {
                Some(before) => globals::with(|globals| globals.unchecked.store(before, Relaxed)),
                None => unchecked(|count| count - 1),
            }
        }
    }

    fn unchecked(change: impl FnOnce(usize) -> usize) {
        let count = change(UNCHECKED.get());
        UNCHECKED.set(count);
        cpu::with(|cpu| cpu.set_unusual(Unusual::Unchecked, count != 0));
    }

    let _restore = Restore(if this_machine() == 0 {
        unchecked(|count| count + 1);
        None
    } else {
        Some(globals::with(|globals| {
            globals.unchecked.swap(true, Relaxed)
        }))
    });
    body()
}

/// From now on, files whose path begins as `file` does without its `end` belong to the kernel, and
/// no report says that something has happened there if it knows better.
pub fn core_files(file: &'static str, end: &str) {
    location::add_core(location::own_directory(file, end));
}

/// True for a place that is not in a driver. A production kernel does not look.
pub fn is_core(at: &'static Location<'static>) -> bool {
    #[cfg(feature = "debug")]
    return location::is_core_location(at);
    #[cfg(not(feature = "debug"))]
    return at.line() == 0;
}
