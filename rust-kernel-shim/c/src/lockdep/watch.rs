// SPDX-License-Identifier: GPL-2.0-only
//! What locks, interrupts and tasks tell the engine.
//!
//! Each machine is a world with classes and edges of its own, so that a run finds the same whatever
//! was run before it in the process; all threads that run freely are in one, as a kernel's are. With
//! its first finding lockdep is off in the machine, as in Linux.

pub(crate) use super::map::dep_map;
pub(super) use super::report::circles_break;
use super::{map, mode, needs, place, report, How, LockdepMode, Off, What, LOCK_ORDER};
use crate::{
    ffi::c_int,
    globals,
    rule::{self, Rule},
    Globals,
};
use core::{
    cell::Cell,
    fmt,
    panic::Location,
    ptr,
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use lockdep::{Context, Engine, Host, Known, Lock, Report, Same, Task, Text};
use machine::{
    blocked,
    cpu::{self, Count},
    location, task,
};

/// The kernel, for the engine.
pub(super) struct Shim {
    /// The engine's lock. No point of the scheduler: a task that has it goes on.
    locked: AtomicBool,
}

pub(super) static ENGINE: Engine<Shim> = Engine::new(Shim {
    locked: AtomicBool::new(false),
});

machine::per_thread! {
    static TASK: Task = Task::new();
    /// Where the thread has told the engine something last.
    static AT: Cell<Option<&'static Location<'static>>> = Cell::new(None);
    /// The interrupts that count as disabled.
    static OFF: Cell<Off> = Cell::new(Off::None);
    /// While the engine is told what may be done elsewhere: by a task that holds nothing, in that
    /// context, at that place.
    static PRETENDS: Cell<Option<(*const Task, Context, usize)>> = Cell::new(None);
    /// That task.
    static PRETENDER: Task = Task::new();
    /// Kinds of locks of which it was said last that they are taken in interrupts: the machine, the
    /// kind, and how often classes had been forgotten.
    static SAID: [Cell<Option<(u64, u16, usize)>>; SAID_OF] = [const { Cell::new(None) }; SAID_OF];
}

const SAID_OF: usize = 8;

/// How often classes were forgotten.
static FORGOTTEN: AtomicUsize = AtomicUsize::new(0);

impl Host for Shim {
    const LOCK_BYTES: usize = size_of::<crate::spinlock_t>();

    #[inline]
    fn enabled(&self) -> bool {
        mode() != LockdepMode::Off as u8
    }

    #[inline]
    fn with_task<R>(&self, f: impl FnOnce(&Task) -> R) -> R {
        match PRETENDS.get() {
            // SAFETY: It lives until `pretend()`, which has set this, returns.
            Some((task, ..)) => f(unsafe { &*task }),
            None => TASK.with(f),
        }
    }

    #[inline]
    fn context(&self) -> Context {
        if let Some((_, context, _)) = PRETENDS.get() {
            return context;
        }
        cpu::with(|cpu| {
            let softirq = cpu.open(Count::Softirq) != 0;
            Context {
                irqs_off: cpu.open(Count::IrqsOff) != 0 || OFF.get() == Off::Hard,
                hardirq: cpu.open(Count::Hardirq) != 0,
                // Locks are no raw ones here.
                threaded: true,
                softirq,
                softirqs_enabled: !softirq && OFF.get() == Off::None,
            }
        })
    }

    fn set_softirqs_enabled(&self, _on: bool) {}

    fn task_name(&self) -> (Text<16>, i32) {
        let task = task::current();
        (Text::from_bytes(task.comm().as_bytes()), task.pid)
    }

    fn lock(&self) {
        // Pairs with the `Release` in `unlock()`.
        while self.locked.swap(true, Acquire) {
            core::hint::spin_loop();
        }
    }

    fn unlock(&self) {
        self.locked.store(false, Release);
    }

    fn report(&self, report: &Report) {
        report::report(report, AT.get());
    }

    fn write_place(&self, ip: usize, out: &mut dyn fmt::Write) -> fmt::Result {
        match AT.get() {
            // What happens now: what has led there is on the stack.
            Some(at) if place::is(ip, at) => out.write_str(&location::entry(at)),
            _ => place::write(ip, out),
        }
    }

    #[inline]
    fn world(&self) -> u32 {
        globals::with(world)
    }
}

/// The world that a machine is.
#[inline]
fn world(globals: &Globals) -> u32 {
    // CAST: So many machines are not run at a time.
    globals.number as u32
}

impl dep_map {
    /// The task takes the lock at `instance`, of which this is a part, or is about to wait for it.
    /// From any context.
    #[inline]
    pub(crate) fn acquire(
        &self,
        instance: usize,
        what: What,
        how: How<'_>,
        at: &'static Location<'static>,
    ) {
        let again = how
            .plain()
            .is_some_and(|how| is_taken_again(self.kind(), instance, how, at));
        if !again || what == What::Mutex {
            self.acquire_slowly(instance, what, how, at, again);
        }
    }

    /// The rest of [`acquire`](Self::acquire); if it was taken `again`, what is to be done beside that.
    #[inline(never)]
    fn acquire_slowly(
        &self,
        instance: usize,
        what: What,
        how: How<'_>,
        at: &'static Location<'static>,
        again: bool,
    ) {
        if let Some(lock) = self.lock(instance, what) {
            if !again {
                let nest = how.nest.and_then(|(map, what, at)| map.lock(at, what));
                lock_is_taken(&lock, self.kind(), how, nest, at);
            }
            let waited = what == What::Mutex && !how.trylock && !how.stands_in;
            let waited = waited && PRETENDS.get().is_none();
            if waited && rule::checking() {
                let subclass = how.subclass;
                needs::takes(Lock { subclass, ..lock }, place::number(at, lock.key));
            }
        }
    }

    /// The task is about to release the lock. From any context.
    #[inline]
    pub(crate) fn release(&self, instance: usize, what: What) {
        if !is_released_first(instance) {
            if let Some(lock) = self.lock(instance, what) {
                release(&lock);
            }
        }
        if what == What::Mutex {
            needs::releases(instance);
        }
    }

    /// 1 if the task holds the lock, as reader or not if that is said; 0 if not; -1 if that is not
    /// known.
    pub(crate) fn is_held(&self, instance: usize, what: What, reader: Option<bool>) -> c_int {
        if holds_nothing() && self.is_watched() {
            return 0;
        }
        let lock = self.lock(instance, what);
        match lock.map(|lock| ENGINE.is_held(&lock, reader)) {
            Some(Known::Held) => 1,
            Some(Known::NotHeld) => 0,
            Some(Known::Unknown) | None => -1,
        }
    }

    /// True if it was said on this thread, in this machine, that locks of this kind are taken in
    /// interrupts; from now on it is.
    pub(super) fn is_said_in_irq(&self) -> bool {
        let (machine, checking) =
            globals::with(|globals| (globals.number, rule::checking_in(globals)));
        let kind = self.kind();
        let said = Some((machine, kind, FORGOTTEN.load(Relaxed)));
        let slot = |slots: &[Cell<_>; SAID_OF]| {
            let slot = &slots[usize::from(kind) % SAID_OF];
            let before = slot.get() == said;
            if !before {
                slot.set(said);
            }
            before
        };
        checking && SAID.with(slot)
    }

    /// The task waits for readers; false if locks are not watched.
    pub(crate) fn sync(&self, instance: usize, at: &'static Location<'static>) -> bool {
        let lock = self.lock(instance, What::Event);
        lock.filter(|_| ENGINE.host().enabled() && rule::checking())
            .map(|lock| lock_is_taken(&lock, self.kind(), How::SYNC, None, at))
            .is_some()
    }

    /// The task waits for the end of what runs in such interrupts.
    pub(crate) fn touch(&self, off: Off, at: &'static Location<'static>) {
        if let Some(lock) = self.lock(0, What::Event) {
            let before = OFF.replace(off);
            lock_is_taken(&lock, self.kind(), How::LOCK, None, at);
            release(&lock);
            OFF.set(before);
        }
    }
}

/// What is the same whenever a lock of that kind is taken so, there, in this context; none if locks are
/// not watched, or what is done now is not what this task does.
#[inline(always)]
fn same(kind: u16, how: u32, at: &'static Location<'static>) -> Option<Same> {
    let (mode, world, checking) = globals::with(|globals| {
        let mode = globals.lockdep.load(Relaxed);
        (mode, world(globals), rule::checking_in(globals))
    });
    if mode < LockdepMode::Kernel as u8 || PRETENDS.get().is_some() {
        return None;
    }
    let how = how << 3 | (OFF.get() as u32) << 1 | u32::from(checking);
    let context = cpu::with(|cpu| cpu.interrupts());
    let how = how << cpu::INTERRUPTS | context;
    Some(Same::new(world, how, ptr::from_ref(at).addr(), kind))
}

/// The task takes a lock as it has taken one before; false if it does not remember.
#[inline(never)]
fn is_taken_again(kind: u16, instance: usize, how: u32, at: &'static Location<'static>) -> bool {
    let again =
        same(kind, how, at).is_some_and(|same| ENGINE.acquire_again(task(), instance, &same));
    if again {
        Rule::count([&LOCK_ORDER]);
    }
    again
}

/// The thread's task in the engine, for what is too large to be inlined into [`LocalKey::with`].
///
/// [`LocalKey::with`]: std::thread::LocalKey::with
#[inline(always)]
fn task<'a>() -> &'a Task {
    let task = TASK.with(ptr::from_ref);
    // SAFETY: There is nothing to drop in it, so it is there as long as the thread, which it does not
    // leave, since others may not share it.
    unsafe { &*task }
}

/// The task releases the lock that it has taken last; false if it is another.
#[inline(never)]
fn is_released_first(instance: usize) -> bool {
    PRETENDS.get().is_none() && ENGINE.host().enabled() && task().release_last(instance)
}

fn lock_is_taken(
    lock: &Lock,
    kind: u16,
    how: How<'_>,
    nest: Option<Lock>,
    at: &'static Location<'static>,
) {
    // Where rules are broken on purpose it is held, and no more.
    let checking = rule::checking();
    Rule::count([&LOCK_ORDER]);
    told(at);
    let acquire = lockdep::Acquire {
        subclass: how.subclass,
        trylock: how.trylock,
        read: how.read,
        check: checking && !how.unchecked,
        nest: nest.as_ref(),
        ip: match PRETENDS.get() {
            Some((.., place)) => place,
            None if how.asked.is_some() && checking => how.asked.map_or(0, place::asked),
            None if how.own_place || !checking => place::own(at),
            None => place::number(at, lock.key),
        },
    };
    match how.plain().and_then(|how| same(kind, how, at)) {
        _ if how.sync => ENGINE.sync(lock, &acquire),
        Some(same) => ENGINE.acquire_as(&same, lock, &acquire),
        None => ENGINE.acquire(lock, &acquire),
    }
}

fn release(lock: &Lock) {
    AT.set(None);
    ENGINE.release(lock, 0);
}

/// Tells the engine what some task may do that holds nothing else: in a hard interrupt if `hardirq`,
/// else in process context; reports say `place`. From any context.
pub(super) fn pretend(hardirq: bool, place: &'static &'static str, f: impl FnOnce()) {
    if PRETENDS.get().is_some() {
        return pretend_as(&Task::new(), hardirq, place, f);
    }
    // Not made anew each time, since it has room for many locks.
    PRETENDER.with(|task| {
        task.init();
        pretend_as(task, hardirq, place, f);
    });
}

fn pretend_as(task: &Task, hardirq: bool, place: &'static &'static str, f: impl FnOnce()) {
    let context = Context {
        irqs_off: hardirq,
        hardirq,
        threaded: true,
        softirq: false,
        softirqs_enabled: true,
    };
    let now = Some((ptr::from_ref(task), context, place::text(place)));
    let _restore = Restore(PRETENDS.replace(now));
    f();
}

/// Ends what is told of another task, also if that panics.
struct Restore(Option<(*const Task, Context, usize)>);

impl Drop for Restore {
    fn drop(&mut self) {
        PRETENDS.set(self.0);
    }
}

/// What the engine is told now happens there.
pub(super) fn told(at: &'static Location<'static>) {
    AT.set(Some(at));
}

/// Interrupts were disabled.
#[inline]
pub(crate) fn hardirqs_off() {
    ENGINE.hardirqs_off(0);
}

/// Interrupts are about to be enabled.
#[inline]
pub(crate) fn hardirqs_on(at: &'static Location<'static>) {
    let mut ip = 0;
    if TASK.with(Task::depth) != 0 {
        ip = place::own(at);
        if !is_on_again() {
            AT.set(Some(at));
            ENGINE.hardirqs_on_prepare(ip);
        }
    }
    ENGINE.hardirqs_on(ip);
}

/// True if there is nothing new in that interrupts are enabled here.
#[inline(never)]
fn is_on_again() -> bool {
    PRETENDS.get().is_none()
        && cpu::with(|cpu| cpu.open(Count::Hardirq) == 0)
        && ENGINE.hardirqs_on_again(task())
}

/// True if the task holds no lock, and these are watched.
#[inline]
fn holds_nothing() -> bool {
    let none = |task: &Task| task.depth() == 0 && !task.is_busy();
    PRETENDS.get().is_none() && TASK.with(none) && ENGINE.host().enabled()
}

/// Memory is about to be freed.
pub(crate) fn memory_goes(addr: usize, size: usize, at: &'static Location<'static>) {
    if TASK.with(Task::depth) != 0 {
        AT.set(Some(at));
        ENGINE.check_no_locks_freed(addr, size, place::own(at));
        blocked::memory_goes(addr, size);
    }
}

/// The task is about to end, or to return to where it must hold nothing.
///
/// C: `debug_check_no_locks_held()`.
pub fn debug_check_no_locks_held() {
    if TASK.with(Task::depth) != 0 {
        AT.set(None);
        ENGINE.check_no_locks_held();
        TASK.with(Task::init);
    }
    needs::ends();
}

/// A machine has ended: its classes are forgotten.
pub fn lockdep_machine_ended(number: u64) {
    // CAST: As in `world()`.
    ENGINE.end_world(number as u32);
    place::forget(number);
}

/// Returns how many locks the task holds, as far as is known. From any context.
pub fn lockdep_depth() -> usize {
    if ENGINE.host().enabled() {
        TASK.with(Task::depth)
    } else {
        0
    }
}

/// Forgets the classes of a key, of which no lock is used any more.
pub(super) fn key_goes(key: *mut super::lock_class_key) {
    map::forget(key.addr(), forget);
}

/// Forgets the classes of keys in this memory.
pub(super) fn forget(start: usize, size: usize) {
    FORGOTTEN.fetch_add(1, Relaxed);
    ENGINE.free_key_range(start, size);
}
