// SPDX-License-Identifier: GPL-2.0-only
//! What locks, interrupts and tasks tell the engine.
//!
//! Each machine is a world with classes and edges of its own, so that a run finds the same whatever
//! was run before it in the process; all threads that run freely are in one, as a kernel's are. With
//! its first finding lockdep is off in the machine, as in Linux.

pub(crate) use super::map::dep_map;
pub(super) use super::report::circles_break;
use super::{
    map, mode, needs, place, report, How, LockdepMode, Off, What, LOCK_ORDER, LOCK_ORDER_NUMBER,
};
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
pub(crate) use lockdep::Task;
use lockdep::{Context, Engine, Host, Known, Lock, Report, Same, Text};
use machine::{
    blocked,
    cpu::{self, Count, Cpu, Reader, Unusual},
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
    /// The interrupts that count as disabled; if there are any, the thread is [`Unusual`].
    static OFF: Cell<Off> = Cell::new(Off::None);
    /// While the engine is told what may be done elsewhere: by a task that holds nothing, in that
    /// context, at that place. The thread is [`Unusual`] as long.
    static PRETENDS: Cell<Option<(*const Task, Context, usize)>> = Cell::new(None);
    /// That task.
    static PRETENDER: Task = Task::new();
    /// Kinds of locks of which it was said last that they are taken in interrupts: the machine and the
    /// kind, which is not `NONE`, and how often this had been forgotten.
    static SAID: [Cell<(u64, usize)>; SAID_OF] = [const { Cell::new((0, 0)) }; SAID_OF];
}

const SAID_OF: usize = 8;

/// How often classes were forgotten, or what was said of them.
static FORGOTTEN: AtomicUsize = AtomicUsize::new(0);

impl Host for Shim {
    const LOCK_BYTES: usize = size_of::<crate::spinlock_t>();

    #[inline]
    fn enabled(&self) -> bool {
        mode() != LockdepMode::Off as u8
    }

    #[inline]
    fn with_task<R>(&self, f: impl FnOnce(&Task) -> R) -> R {
        cpu::with(|cpu| with_task_on(cpu, f))
    }

    #[inline]
    fn context(&self) -> Context {
        cpu::with(|cpu| {
            if let Some((_, context, _)) = pretends(cpu) {
                return context;
            }
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

/// What the thread tells the engine that is not of its own task.
#[inline(always)]
fn pretends(cpu: &Cpu) -> Option<(*const Task, Context, usize)> {
    match cpu.is(Unusual::Lockdep) {
        true => PRETENDS.get(),
        false => None,
    }
}

/// Says whether what the thread tells the engine is [`Unusual`].
fn is_unusual() {
    let is = PRETENDS.get().is_some() || OFF.get() != Off::None;
    cpu::with(|cpu| cpu.set_unusual(Unusual::Lockdep, is));
}

/// Calls `f` with the task that the engine is told of.
#[inline(always)]
fn with_task_on<R>(cpu: &Cpu, f: impl FnOnce(&Task) -> R) -> R {
    match pretends(cpu) {
        // SAFETY: It lives until `pretend()`, which has set this, returns.
        Some((task, ..)) => f(unsafe { &*task }),
        None => f(task()),
    }
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
        cpu::with(|cpu| self.acquire_on(cpu, instance, what, how, at));
    }

    /// The same, on this thread.
    #[inline(always)]
    pub(crate) fn acquire_on(
        &self,
        cpu: &Cpu,
        instance: usize,
        what: What,
        how: How<'_>,
        at: &'static Location<'static>,
    ) {
        let again = how
            .plain()
            .is_some_and(|how| is_taken_again(cpu, self.kind(), instance, how, at));
        if !again || what == What::Mutex {
            self.acquire_slowly(instance, what, how, at, again);
        }
    }

    /// The task takes a spinlock as it has taken one before; false if it does not remember.
    #[inline(always)]
    pub(crate) fn is_spinlock_again(
        &self,
        task: &Task,
        reader: &Reader,
        instance: usize,
        at: &'static Location<'static>,
    ) -> bool {
        const HOW: u64 = number(How::LOCK.plain().unwrap(), Off::None, true, 0);
        let same = Same::new(
            HOW | cpu::ATOMIC_INTERRUPTS,
            ptr::from_ref(at).addr(),
            self.kind(),
        );
        take_again(task, reader, instance, &same)
    }

    /// The task, which holds nothing and is not in atomic context, takes that of a map as a reader who
    /// finds it free, as it has taken one before; false if that may not be so, or it does not remember.
    #[inline(always)]
    pub(crate) fn is_read_again(
        &self,
        cpu: &Cpu,
        instance: usize,
        at: &'static Location<'static>,
    ) -> bool {
        const HOW: u64 = number(How::TRYREAD.plain().unwrap(), Off::None, true, 0);
        let reader = cpu.reader_outside_atomic().filter(|_| cpu.is_usual());
        reader.is_some_and(|reader| {
            // SAFETY: Nothing is unusual.
            let task = unsafe { usual_task(cpu) };
            let place = ptr::from_ref(at).addr();
            let same = Same::new(HOW | cpu.interrupts(), place, self.kind());
            task.depth() == 0 && take_again(task, reader, instance, &same)
        })
    }

    /// [`release`](Self::release) of a map.
    #[inline(always)]
    pub(crate) fn release_map(&self, instance: usize) {
        cpu::with(|cpu| {
            // SAFETY: Nothing is unusual.
            if !cpu.is_usual() || !unsafe { usual_task(cpu) }.release_last(instance) {
                self.release_slowly(instance, What::Event);
            }
        });
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
        cpu::with(|cpu| self.release_on(cpu, instance, what));
    }

    /// The same, on this thread.
    #[inline(always)]
    pub(crate) fn release_on(&self, cpu: &Cpu, instance: usize, what: What) {
        if !is_released_first(cpu, instance) {
            self.release_slowly(instance, what);
        }
        if what == What::Mutex {
            needs::releases(instance);
        }
    }

    #[inline(never)]
    fn release_slowly(&self, instance: usize, what: What) {
        if let Some(lock) = self.lock(instance, what) {
            release(&lock);
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
    #[inline(always)]
    pub(super) fn is_said_in_irq(&self, cpu: &Cpu) -> bool {
        let usual = cpu.is_usual();
        let machine = match usual {
            true => 0,
            false => globals::with_on(cpu, |globals| globals.number),
        };
        if !usual && !rule::counts_on(cpu) {
            return false;
        }
        let kind = self.kind();
        if kind == map::NONE {
            // It gets a kind when it is said.
            return false;
        }
        let said = (
            machine << u16::BITS | u64::from(kind),
            FORGOTTEN.load(Relaxed),
        );
        SAID.with(|slots| {
            let slot = &slots[usize::from(kind) % SAID_OF];
            let before = slot.get() == said;
            if !before {
                slot.set(said);
            }
            before
        })
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
            is_unusual();
            lock_is_taken(&lock, self.kind(), How::LOCK, None, at);
            release(&lock);
            OFF.set(before);
            is_unusual();
        }
    }
}

/// What is the same whenever a lock of that kind is taken so, there, in this context; none if what is
/// done now is not what this task does.
#[inline(always)]
fn same(cpu: &Cpu, kind: u16, how: u32, at: &'static Location<'static>) -> Option<Same> {
    if pretends(cpu).is_some() {
        return None;
    }
    let how = match cpu.is_usual() {
        true => number(how, Off::None, true, 0),
        false => unusual(cpu, how),
    };
    Some(Same::new(
        how | cpu.interrupts(),
        ptr::from_ref(at).addr(),
        kind,
    ))
}

/// How a lock is taken, the interrupts that count as disabled, whether rules are checked, and the world,
/// as one number that has room for [`Cpu::interrupts`].
#[inline(always)]
const fn number(how: u32, off: Off, checking: bool, world: u32) -> u64 {
    const BITS: [u32; 4] = [u32::BITS, 1, 2, 8];
    const ROOM: core::ops::Range<u32> = cpu::NOT_INTERRUPTS;
    const { assert!(BITS[0] + BITS[1] + BITS[2] + BITS[3] <= ROOM.end - ROOM.start) }
    let how = (how as u64) << BITS[2] | off as u64;
    ((how << BITS[1] | checking as u64) << BITS[0] | world as u64) << ROOM.start
}

#[inline(never)]
fn unusual(cpu: &Cpu, how: u32) -> u64 {
    let world = globals::with_on(cpu, world);
    number(how, OFF.get(), rule::counts_on(cpu), world)
}

/// The task takes a lock as it has taken one before; false if it does not remember.
#[inline(never)]
fn is_taken_again(
    cpu: &Cpu,
    kind: u16,
    instance: usize,
    how: u32,
    at: &'static Location<'static>,
) -> bool {
    let task = task();
    if cpu.above().is_null() {
        // SAFETY: This is the layer above, and the task is there as long as the thread, as in `task()`.
        unsafe { cpu.set_above(ptr::from_ref(task).cast()) };
    }
    same(cpu, kind, how, at).is_some_and(|same| take_again(task, cpu.reader(), instance, &same))
}

#[inline(always)]
fn take_again(task: &Task, reader: &Reader, instance: usize, same: &Same) -> bool {
    let again = ENGINE.acquire_again(task, instance, same);
    if again {
        reader.checks(LOCK_ORDER_NUMBER);
    }
    again
}

/// The thread's task in the engine.
///
/// # Safety
///
/// Nothing of the thread is unusual.
#[inline(always)]
pub(crate) unsafe fn usual_task(cpu: &Cpu) -> &Task {
    // SAFETY: It is not null then; so it is what `is_taken_again()` has said, which is there as long as
    // the thread.
    unsafe { &*cpu.above().cast() }
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
fn is_released_first(cpu: &Cpu, instance: usize) -> bool {
    pretends(cpu).is_none() && task().release_last(instance)
}

/// What may be looked at was decided otherwise.
pub(super) fn mode_changes() {
    ENGINE.forget_taken();
    // It may have been said in vain that locks are taken in interrupts.
    FORGOTTEN.fetch_add(1, Relaxed);
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
    let plain = how.plain();
    match plain.and_then(|how| cpu::with(|cpu| same(cpu, kind, how, at))) {
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
    is_unusual();
    f();
}

/// Ends what is told of another task, also if that panics.
struct Restore(Option<(*const Task, Context, usize)>);

impl Drop for Restore {
    fn drop(&mut self) {
        PRETENDS.set(self.0);
        is_unusual();
    }
}

/// What the engine is told now happens there.
pub(super) fn told(at: &'static Location<'static>) {
    AT.set(Some(at));
}

/// Interrupts were disabled, which were on.
#[inline(always)]
pub(crate) fn hardirqs_off(cpu: &Cpu) {
    with_task_on(cpu, |task| task.set_irqs(false, 0));
}

/// Interrupts are about to be enabled, which were off.
#[inline(always)]
pub(crate) fn hardirqs_on(cpu: &Cpu, at: &'static Location<'static>) {
    if !hardirqs_on_again(cpu, at) {
        AT.set(Some(at));
        let ip = place::own(at);
        ENGINE.hardirqs_on_prepare(ip);
        with_task_on(cpu, |task| task.set_irqs(true, ip));
    }
}

/// The same, if there is nothing new in it; false if there may be.
#[inline(always)]
pub(crate) fn hardirqs_on_again(cpu: &Cpu, at: &'static Location<'static>) -> bool {
    let mut ip = 0;
    if task().depth() != 0 {
        if !is_on_again(cpu) {
            return false;
        }
        ip = place::own(at);
    }
    with_task_on(cpu, |task| task.set_irqs(true, ip));
    true
}

/// The same for a task that holds locks, in process context.
#[inline(always)]
pub(crate) fn hardirqs_on_inside(task: &Task, at: &'static Location<'static>) -> bool {
    let again = ENGINE.hardirqs_on_again(task);
    if again {
        hardirqs_are_on(task, at);
    }
    again
}

/// Interrupts are about to be enabled by a task that holds locks, and there is nothing new in it.
#[inline(always)]
pub(crate) fn hardirqs_are_on(task: &Task, at: &'static Location<'static>) {
    task.set_irqs(true, place::own(at));
}

/// True if no lock that the task holds is looked at for that interrupts are enabled.
#[inline(never)]
fn is_on_again(cpu: &Cpu) -> bool {
    pretends(cpu).is_none() && cpu.open(Count::Hardirq) == 0 && ENGINE.hardirqs_on_again(task())
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
    }
    lockdep_forgets_held();
}

/// The task counts as one that holds nothing.
pub(crate) fn lockdep_forgets_held() {
    TASK.with(Task::init);
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
