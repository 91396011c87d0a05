// SPDX-License-Identifier: GPL-2.0-only
//! What tasks wait for and hold, for the report of a deadlock or a hang.
//!
//! A thread keeps it for itself, in arrays of its own, and no other reads it: a blocked thread that
//! is asked wakes up and describes itself, its stack included. So what is not reported costs a few
//! stores.

mod hung;
mod names;
mod report;

use super::{
    console,
    cpu::{self, Count, Cpu},
    location::{self, Site},
    task::task_struct,
};
use core::{
    any::Any,
    cell::Cell,
    ffi::CStr,
    fmt,
    mem::MaybeUninit,
    panic::Location,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use std::{
    sync::{mpsc, Mutex},
    time::Duration,
};

pub use hung::set_hung_task_timeout;
pub(super) use hung::{hangs, spins, Patience};
pub use names::name_lock;
pub(super) use report::{report, Description, MOST};

type At = &'static Location<'static>;

/// A production kernel knows nothing of all this.
pub const ON: bool = cfg!(all(feature = "debug", not(loom)));

/// Where the numbers of the kinds of things begin that this crate knows, or C does; those before are
/// for things that have two numbers.
pub const KINDS: u64 = u64::MAX - 15;

/// The kind of wait queues.
const QUEUES: u64 = KINDS + 5;

/// A section, of which a task is in no more than one.
const SECTION: (u64, u64) = (KINDS + 9, 0);

/// What a task waits for, or holds while others wait for it.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct Thing {
    /// What it is.
    pub what: &'static str,
    /// Which of its kind it is.
    pub id: (u64, u64),
    /// Writes what there is to say of it beside that, after a space.
    pub say: fn(id: (u64, u64), out: &mut dyn fmt::Write) -> fmt::Result,
    /// How it is with a task that others wait for because of it: `held`, for example.
    pub how: &'static str,
    /// The name of its kind, if it has one.
    pub name: Option<&'static CStr>,
    /// Where it was asked for, if that is known.
    pub asked: Option<Site>,
    /// What another task may have that this needs in order to happen, if no task has it itself.
    pub needs: Option<(u64, u64)>,
}

impl Thing {
    /// A thing of which nothing else is to be said, and which no task holds.
    pub const fn new(what: &'static str, id: (u64, u64)) -> Self {
        Self {
            what,
            id,
            say: |_, _| Ok(()),
            how: "held",
            name: None,
            asked: None,
            needs: None,
        }
    }

    /// A lock at this address.
    pub fn lock(what: &'static str, addr: usize) -> Self {
        let say = |(_, addr), out: &mut dyn fmt::Write| {
            // Whose it is says more than its name, which may be that of many.
            let mut owned = String::new();
            let owner = *super::lock(&OWNER);
            owner(addr as usize, &mut owned)?;
            match owned.as_str() {
                "" => names::write_name(addr, out),
                owned => out.write_str(owned),
            }
        };
        Self {
            say,
            ..Self::new(what, (KINDS, addr as u64))
        }
    }

    /// A queue of waiting tasks, whose lock at this address has its name.
    pub fn queue(what: &'static str, addr: usize) -> Self {
        Self {
            id: (QUEUES, addr as u64),
            ..Self::lock(what, addr)
        }
    }

    /// What no task inside a section lets happen.
    pub const GRACE_PERIOD: Self = Self {
        how: "held up",
        ..Self::new("a grace period", (KINDS + 1, 0))
    };

    /// The item of work of that number, which was queued there.
    pub const fn work_item(number: u64, name: Option<&'static CStr>, asked: Option<Site>) -> Self {
        Self {
            how: "run",
            name,
            asked,
            ..Self::new("work item", (KINDS + 2, number))
        }
    }

    /// A section that may be needed for what others wait for.
    pub const SECTION: Self = Self::section("a section");

    /// The same, of that name.
    pub const fn section(name: &'static str) -> Self {
        Self {
            how: "maybe held up",
            ..Self::new(name, SECTION)
        }
    }

    /// The end of a task to which the caller has a reference as long as it waits.
    pub(super) fn end_of(task: &task_struct) -> Self {
        Self {
            // SAFETY: The task waits, so it has its reference.
            say: |(_, addr), out| unsafe {
                let task: *const task_struct = core::ptr::with_exposed_provenance(addr as usize);
                write!(out, " {}", shown(&*task))
            },
            how: "",
            ..Self::new("the end of", end_id(task))
        }
    }

    /// The end of all tasks but the one that waits.
    pub(super) const ALL_ENDS: Self = Self::new("the end of all other tasks", (KINDS + 4, 0));
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        if let Some(name) = self.name.and_then(|name| name.to_str().ok()) {
            write!(f, " `{name}`")?;
        }
        (self.say)(self.id, f)?;
        match self.asked {
            Some(site) => write!(f, " (queued at {site})"),
            None => Ok(()),
        }
    }
}

/// Writes whose a lock is that has no name, after a space.
pub type Owner = fn(addr: usize, out: &mut dyn fmt::Write) -> fmt::Result;

static OWNER: Mutex<Owner> = Mutex::new(|_, _| Ok(()));

/// From now on, `owner` is asked whose the locks are that have no name.
pub fn ask_for_owners(owner: Owner) {
    *super::lock(&OWNER) = owner;
}

fn end_id(task: &task_struct) -> (u64, u64) {
    (
        KINDS + 3,
        core::ptr::from_ref(task).expose_provenance() as u64,
    )
}

fn shown(task: &task_struct) -> String {
    format!("{}/{}", task.comm(), task.pid)
}

/// A thing, and where the task has begun to wait for it.
#[derive(Clone, Copy)]
struct Entry {
    thing: Thing,
    at: At,
    /// When that was (ns).
    since: u64,
}

/// A thing that a task has got, and where. Locks and sections come and go often: what all of these have in
/// common is added when it is asked for, and other things are kept as a whole beside this.
#[derive(Clone, Copy)]
struct Got {
    what: &'static str,
    id: (u64, u64),
    at: At,
}

impl Got {
    fn thing(self) -> Thing {
        match self.id {
            (KINDS, addr) => Thing::lock(self.what, addr as usize),
            SECTION => Thing::section(self.what),
            id => {
                let whole = OTHERS.with(|others| others.iter().find(|thing| thing.id == id));
                whole.unwrap_or(Thing::new(self.what, id))
            }
        }
    }
}

/// What a thread has got.
pub(super) struct Held(Stack<Got, 32>);

impl Held {
    pub(super) const fn new() -> Self {
        Self(Stack::new())
    }
}

/// The section that a thread is in, which may be needed for what others wait for, if it is in one.
pub(super) struct Section {
    /// How many are open, one inside the other.
    depth: Cell<usize>,
    name: Cell<&'static str>,
    /// Where the outermost began.
    began: Cell<At>,
    /// What the thread had got before.
    before: Cell<usize>,
    rule: Cell<Option<SectionRule>>,
    reported: Cell<bool>,
}

/// The rule that holds in a section, which the layer above knows.
pub type SectionRule = &'static (dyn Any + Send + Sync);

impl Section {
    pub(super) const fn new() -> Self {
        Self {
            depth: Cell::new(0),
            name: Cell::new(""),
            began: Cell::new(Location::caller()),
            before: Cell::new(0),
            rule: Cell::new(None),
            reported: Cell::new(false),
        }
    }

    fn got(&self) -> Option<Got> {
        (self.depth.get() != 0).then(|| Got {
            what: self.name.get(),
            id: SECTION,
            at: self.began.get(),
        })
    }
}

/// The task is in a section of that name from now on, which begins there and in which `rule` holds,
/// unless it is in one already: they nest. From any context.
#[inline(always)]
pub fn section_begins(cpu: &Cpu, name: &'static str, at: At, rule: SectionRule) {
    let section = &cpu.section;
    let depth = section.depth.replace(section.depth.get() + 1);
    if depth == 0 {
        section.name.set(name);
        section.began.set(at);
        section.before.set(cpu.held.0.len.get());
        section.rule.set(Some(rule));
        section.reported.set(false);
    }
}

/// The innermost section of the task ends, if it is in one. From any context.
#[inline(always)]
pub fn section_ends(cpu: &Cpu) {
    let depth = &cpu.section.depth;
    depth.set(depth.get().saturating_sub(1));
}

/// The task is in no section any more. From any context.
pub fn section_is_left(cpu: &Cpu) {
    cpu.section.depth.set(0);
}

/// Of the section that the task is in: its name, where it began, its rule, and whether it was reported
/// that it breaks it. From any context.
pub fn section_of(cpu: &Cpu) -> Option<(&'static str, At, SectionRule, &Cell<bool>)> {
    let (section, got) = (&cpu.section, cpu.section.got()?);
    Some((got.what, got.at, section.rule.get()?, &section.reported))
}

/// True for a thing of which its name and its id say all.
#[inline]
fn is_short(id: (u64, u64)) -> bool {
    id.0 == KINDS
}

/// The things of one thread, the youngest last; those for which there is no place are not known.
///
/// # Invariants
///
/// `len` is at most `N`, and so many entries are initialised.
struct Stack<E, const N: usize> {
    entries: [Cell<MaybeUninit<E>>; N],
    len: Cell<usize>,
}

impl<E: Copy, const N: usize> Stack<E, N> {
    const fn new() -> Self {
        Self {
            entries: [const { Cell::new(MaybeUninit::uninit()) }; N],
            len: Cell::new(0),
        }
    }

    #[inline]
    fn push(&self, entry: E) {
        let len = self.len.get();
        if let Some(slot) = self.entries.get(len) {
            // INVARIANT: This one is initialised now as well.
            slot.set(MaybeUninit::new(entry));
            self.len.set(len + 1);
        }
    }

    /// The number of the youngest, if that is true of it.
    #[inline(always)]
    fn youngest(&self, is: impl Fn(&E) -> bool) -> Option<usize> {
        let youngest = self.len.get().wrapping_sub(1);
        let entry = self.entries.get(youngest)?.get();
        // SAFETY: By the invariant: it is one of `len`, or `get()` would have found none.
        is(&unsafe { entry.assume_init() }).then_some(youngest)
    }

    /// Takes out the youngest for which that is true.
    #[inline(always)]
    fn remove(&self, is: impl Fn(&E) -> bool) {
        // Mostly it is the youngest of all.
        match self.youngest(&is) {
            Some(youngest) => self.len.set(youngest),
            None => self.remove_from_below(is),
        }
    }

    #[cold]
    fn remove_from_below(&self, is: impl Fn(&E) -> bool) {
        let len = self.len.get();
        if let Some(back) = self.iter().position(|entry| is(&entry)) {
            for slot in len - back..len {
                self.entries[slot - 1].set(self.entries[slot].get());
            }
            self.len.set(len - 1);
        }
    }

    /// The youngest first.
    #[inline]
    fn iter(&self) -> impl Iterator<Item = E> + '_ {
        let known = &self.entries[..self.len.get()];
        let entries = known.iter().rev().map(Cell::get);
        // SAFETY: By the invariant.
        entries.map(|entry| unsafe { entry.assume_init() })
    }
}

crate::per_thread! {
    static WAITS: Stack<Entry, 8> = Stack::new();
    /// The things that the thread has got which are neither locks nor sections.
    static OTHERS: Stack<Thing, 32> = Stack::new();
    /// True while the thread sleeps for a time that ends by itself.
    static TIMED: Cell<bool> = Cell::new(false);
}

/// The task is about to wait for a thing. From any context.
#[inline]
#[track_caller]
pub fn begin_wait(thing: Thing) {
    begin_wait_at(thing, Location::caller());
}

/// The same, there.
pub fn begin_wait_at(thing: Thing, at: At) {
    if !ON {
        return;
    }
    hung::does_not_spin();
    let since = 0;
    WAITS.with(|waits| {
        if waits.iter().all(|entry| entry.thing.id != thing.id) {
            waits.push(Entry { thing, at, since });
        }
    });
}

/// The task does not wait for the thing any more. From any context.
#[inline]
pub fn end_wait(id: (u64, u64)) {
    if ON {
        WAITS.with(|waits| waits.remove(|entry| entry.thing.id == id));
    }
}

/// A wait that ends when this is dropped.
#[derive(Debug)]
pub struct Waiting((u64, u64));

/// The task waits for a thing, until the result is dropped. From any context.
#[inline]
#[track_caller]
pub fn waiting(thing: Thing) -> Waiting {
    waiting_at(thing, Location::caller())
}

/// The same, there.
#[inline]
pub fn waiting_at(thing: Thing, at: At) -> Waiting {
    begin_wait_at(thing, at);
    Waiting(thing.id)
}

impl Drop for Waiting {
    fn drop(&mut self) {
        end_wait(self.0);
    }
}

/// The task has got a thing for which others wait now. From any context.
#[inline]
pub fn acquired(thing: Thing, at: At) {
    cpu::with(|cpu| acquired_on(cpu, thing, at));
}

/// The same, on this thread.
#[inline(always)]
pub fn acquired_on(cpu: &Cpu, thing: Thing, at: At) {
    if ON {
        let Thing { what, id, .. } = thing;
        cpu.held.0.push(Got { what, id, at });
        if !is_short(id) {
            OTHERS.with(|others| others.push(thing));
        }
    }
}

/// The task has it no longer. From any context.
#[inline]
pub fn released(id: (u64, u64)) {
    cpu::with(|cpu| released_on(cpu, id));
}

/// The same, on this thread.
#[inline(always)]
pub fn released_on(cpu: &Cpu, id: (u64, u64)) {
    if ON {
        cpu.held.0.remove(|got| got.id == id);
        if !is_short(id) {
            OTHERS.with(|others| others.remove(|thing| thing.id == id));
        }
    }
}

/// A thing that the task has got last.
#[must_use]
#[allow(missing_debug_implementations)]
pub struct Last<'a> {
    held: &'a Held,
    number: usize,
}

impl<'a> Last<'a> {
    /// The thing, which is a lock, if the task has got it last.
    #[inline(always)]
    pub fn of(cpu: &'a Cpu, id: (u64, u64)) -> Option<Self> {
        let number = match ON {
            true => cpu.held.0.youngest(|got| got.id == id)?,
            false => 0,
        };
        let held = &cpu.held;
        Some(Self { held, number })
    }

    /// The task has it no longer, nor what it has got since.
    #[inline(always)]
    pub fn released(self) {
        // INVARIANT: So many were initialised before.
        self.held.0.len.set(self.number);
    }
}

/// Memory goes: a lock in it that the task holds is one no more, which lockdep reports. From any context.
pub fn memory_goes(start: usize, size: usize) {
    let gone = |got: &Got| {
        let (kind, addr) = got.id;
        kind == KINDS && (addr as usize).wrapping_sub(start) < size
    };
    // One at a time: what follows moves.
    while let Some(got) = cpu::with(|cpu| cpu.held.0.iter().find(gone)) {
        released(got.id);
    }
}

/// How many things the calling task holds for which others wait, as far as is known. From any context.
pub fn holds_many() -> usize {
    let many = |cpu: &Cpu| cpu.held.0.len.get() + usize::from(cpu.section.got().is_some());
    if ON {
        cpu::with(many)
    } else {
        0
    }
}

/// Describes the task that runs on this thread, and is about to block or does.
#[track_caller]
pub(super) fn describe(task: &task_struct) -> Description {
    let mut waits = None;
    let mut at = None;
    if let Some(entry) = WAITS.with(|waits| waits.iter().next()) {
        waits = Some((entry.thing, entry.thing.to_string()));
        at = Some(entry.at);
    }
    Description {
        task: shown(task),
        comm: task.comm().into(),
        pid: task.pid,
        end: end_id(task),
        state: task.state_letter(),
        waits,
        timed: TIMED.get(),
        at: location::driver_entry(at.unwrap_or(Location::caller())),
        holds: holds(task),
    }
}

/// Writes what the calling task, which is `task`, holds: a line before each thing. From any context.
pub fn write_held(task: &task_struct, text: &mut dyn fmt::Write) {
    if ON {
        let held = holds(task).into_iter().filter(|(_, held)| !held.is_empty());
        // Writing to a string does not fail.
        held.for_each(|(_, held)| _ = write!(text, "\n  {held}"));
    }
}

/// What the task that runs on this thread holds.
fn holds(task: &task_struct) -> Vec<(Thing, String)> {
    let mut holds: Vec<(Thing, String)> = Vec::new();
    let held = cpu::with(|cpu| {
        let mut held: Vec<Got> = cpu.held.0.iter().collect();
        held.reverse();
        let before = cpu.section.before.get().min(held.len());
        held.splice(before..before, cpu.section.got());
        held
    });
    for got in held {
        let (thing, at) = (got.thing(), location::at(got.at));
        let text = match thing.how {
            "held" => format!("holds {thing}, taken at {at}"),
            "run" => format!("runs {thing}"),
            _ => format!("is in {thing}, begun at {at}"),
        };
        holds.push((thing, text));
    }
    if let Some(text) = section(task) {
        holds.push((Thing::GRACE_PERIOD, text));
    }
    holds
}

/// The section in which the task is, if that holds up grace periods.
fn section(task: &task_struct) -> Option<String> {
    task.in_section().then(|| {
        let open = |count| cpu::with(|cpu| cpu.open(count) != 0);
        match cpu::with(|cpu| cpu.reader()).at() {
            Some(at) if open(Count::Rcu) => {
                format!("is in a read-side section, entered at {}", location::at(at))
            }
            _ if open(Count::Hardirq) => "is in an interrupt handler".into(),
            _ if open(Count::Softirq) => "is in a soft interrupt".into(),
            // A spinlock is one, and was named.
            _ => String::new(),
        }
    })
}

/// A question to the thread of a blocked task.
#[derive(Default)]
pub(super) struct Question {
    asked: AtomicBool,
    answer: Mutex<Option<mpsc::Sender<Description>>>,
}

impl Question {
    /// True if the thread that waits for its run token is to answer first.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// Asks; `wake` wakes the thread.
    pub(super) fn ask(&self, wake: impl FnOnce()) -> Option<Description> {
        let (answer, answered) = mpsc::channel();
        *super::lock(&self.answer) = Some(answer);
        self.asked.store(true, Relaxed);
        wake();
        // One that does not wait for its token is on the host's side of things, and cannot answer.
        answered.recv_timeout(Duration::from_secs(10)).ok()
    }

    /// Answers, on the thread that was asked.
    pub(super) fn answer(&self, task: &task_struct) {
        self.asked.store(false, Relaxed);
        let answer = super::lock(&self.answer).take();
        if let Some(answer) = answer {
            let _ = answer.send(describe(task));
        }
    }
}

/// Calls `sleep`, which ends by itself some time if it is `timed`.
pub(super) fn timed<R>(timed: bool, sleep: impl FnOnce() -> R) -> R {
    let before = TIMED.replace(timed);
    let result = sleep();
    TIMED.set(before);
    result
}

/// Writes lines to the log and the console.
fn say(level: u8, lines: &str) {
    console::emit(level, format_args!("{lines}"), |_| {});
}
