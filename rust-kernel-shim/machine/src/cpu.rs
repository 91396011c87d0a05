// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's data per processor, here per thread: context counts and the RCU reader word.

use crate::{
    atomic::{planted, quiet},
    blocked, per_thread,
    task::{self, task_struct},
};
use core::{
    cell::Cell,
    fmt,
    panic::Location,
    ptr,
    sync::atomic::{
        AtomicBool, AtomicI32, AtomicIsize, AtomicPtr, AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
use std::fs;
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// Sleepable sections of a thread of which others can know.
const SLEEPABLE: usize = 8;

/// A sleepable section, for the report of a grace period that it holds up.
struct Sleepable {
    /// What it is a section of; 0 for none.
    domain: AtomicUsize,
    at: AtomicPtr<Location<'static>>,
}

/// Checks of a debug kernel that a thread counts: those with numbers from 1 to this.
pub const CHECKS: usize = if cfg!(feature = "debug") { 64 } else { 0 };

/// A thread's state that others read while they wait for a grace period.
///
/// `word` is 0 while the thread is in a quiescent state, else the number of the grace period
/// that was current when its outermost section began.
pub struct Reader {
    /// Shared by `rcu_read_lock()` and the updater.
    word: quiet::AtomicU64,
    /// The location of the last outermost `rcu_read_lock()`, if a debug kernel has set it.
    at: AtomicPtr<Location<'static>>,
    taken: AtomicBool,
    /// Blocks that its threads have allocated, less those that they have freed; only its thread writes.
    blocks: AtomicIsize,
    /// Counts the readers.
    number: usize,
    /// How often its threads have come to each check; only its thread writes.
    checked: [AtomicUsize; CHECKS],
    /// The thread's number with the host.
    tid: AtomicI32,
    /// The number of the task that the thread is, and its name; 0 if it is none yet.
    pid: AtomicI32,
    comm: [AtomicU64; 2],
    /// Sleepable sections, and how many there are beside them.
    sleepable: [Sleepable; SLEEPABLE],
    more: AtomicUsize,
}

impl Reader {
    /// The number of the grace period that was current when its outermost section began; 0 in a
    /// quiescent state, and then the caller sees what was done in the sections that have ended.
    #[inline]
    pub fn grace_period(&self) -> u64 {
        // Pairs with the `Release` stores in `quiesce()` and `Cpu::exit()`.
        self.word.load(Acquire)
    }

    /// Has it no longer hold up grace periods, whatever section it is in.
    pub(super) fn quiesce(&self) {
        // Pairs with the `Acquire` in `grace_period()`.
        self.word.store(0, Release);
    }

    /// Sets where its section begins.
    #[inline]
    pub fn set_at(&self, at: &'static Location<'static>) {
        self.at.store(ptr::from_ref(at).cast_mut(), Relaxed);
    }

    /// Returns the location at which its section, or the last one, began, if it is known.
    pub fn at(&self) -> Option<&'static Location<'static>> {
        // SAFETY: Null, or a location, which is static.
        unsafe { self.at.load(Relaxed).as_ref() }
    }

    /// Its number among all readers, from 0 on.
    #[inline]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Counts that the thread has come to the check of this number; false if there is none. It is this
    /// thread's.
    #[inline(always)]
    pub fn checks(&self, number: usize) -> bool {
        let Some(checked) = self.checked.get(number.wrapping_sub(1)) else {
            return false;
        };
        checked.store(checked.load(Relaxed).wrapping_add(1), Relaxed);
        true
    }

    pub(super) fn set_task(&self, comm: &[u8], pid: i32) {
        let mut name = [0; 16];
        for (to, from) in name.iter_mut().zip(comm) {
            *to = *from;
        }
        for (to, from) in self.comm.iter().zip(name.chunks_exact(8)) {
            to.store(
                from.iter()
                    .rev()
                    .fold(0, |word, &byte| word << 8 | u64::from(byte)),
                Relaxed,
            );
        }
        self.pid.store(pid, Relaxed);
    }

    /// Writes the name and number of its task, or of its thread if that is none, for reports.
    pub fn write_task(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (pid, tid) = (self.pid.load(Relaxed), self.tid.load(Relaxed));
        if pid == 0 {
            let name = fs::read_to_string(format!("/proc/self/task/{tid}/comm"));
            return write!(out, "{}/{tid}", name.as_deref().unwrap_or("?").trim_end());
        }
        let words = self
            .comm
            .each_ref()
            .map(|word| word.load(Relaxed).to_le_bytes());
        let name = words.as_flattened().split(|&c| c == 0).next();
        let name = name
            .and_then(|name| str::from_utf8(name).ok())
            .unwrap_or("?");
        write!(out, "{name}/{pid}")
    }

    /// A sleepable section of `domain` begins, which is not 0.
    pub fn sleepable_begins(&self, domain: usize, at: &'static Location<'static>) {
        match self.sleepable_of(0) {
            Some(slot) => {
                slot.at.store(ptr::from_ref(at).cast_mut(), Relaxed);
                slot.domain.store(domain, Relaxed);
            }
            None => self.more.store(self.more.load(Relaxed) + 1, Relaxed),
        }
    }

    /// A sleepable section of `domain` ends; false if none has begun.
    pub fn sleepable_ends(&self, domain: usize) -> bool {
        let more = self.more.load(Relaxed);
        match self.sleepable_of(domain) {
            Some(slot) => slot.domain.store(0, Relaxed),
            None if more == 0 => return false,
            None => self.more.store(more - 1, Relaxed),
        }
        true
    }

    /// Returns where a sleepable section of `domain` begins, if it is known.
    pub fn sleepable_at(&self, domain: usize) -> Option<&'static Location<'static>> {
        let at = self.sleepable_of(domain)?.at.load(Relaxed);
        // SAFETY: Null, or a location, which is static.
        unsafe { at.as_ref() }
    }

    /// True if there may be sleepable sections of which nothing else is known.
    pub fn has_more(&self) -> bool {
        self.more.load(Relaxed) != 0
    }

    fn sleepable_of(&self, domain: usize) -> Option<&Sleepable> {
        let mut slots = self.sleepable.iter();
        slots.find(|slot| slot.domain.load(Relaxed) == domain)
    }

    fn sleeps(&self) -> bool {
        self.has_more()
            || self
                .sleepable
                .iter()
                .any(|slot| slot.domain.load(Relaxed) != 0)
    }
}

crate::global! {
    /// All readers that were ever needed; those of ended threads are used again.
    static READERS: Mutex<Vec<&'static Reader>> = Mutex::new(Vec::new());
}

fn readers() -> MutexGuard<'static, Vec<&'static Reader>> {
    #[cfg(loom)]
    return READERS.lock().unwrap();
    #[cfg(not(loom))]
    crate::lock(&READERS)
}

/// Calls `f` with every reader.
pub fn for_each_reader(mut f: impl FnMut(&'static Reader)) {
    // A copy, so that waiting for a reader does not keep new threads from registering. Of a thread
    // that registers later, READERS' lock orders: its sections begin after our unlock, so they see
    // what the caller unpublished.
    let readers = readers().clone();
    readers.into_iter().for_each(&mut f);
}

/// The blocks of threads that have no reader.
static BLOCKS: AtomicIsize = AtomicIsize::new(0);

/// The blocks that all threads have allocated and not freed.
pub fn blocks() -> isize {
    let readers = readers();
    let blocks = readers.iter().map(|reader| reader.blocks.load(Relaxed));
    blocks.fold(BLOCKS.load(Relaxed), isize::wrapping_add)
}

/// How often all threads have come to the check of this number.
pub fn checked(number: usize) -> usize {
    let readers = readers();
    let checked = readers
        .iter()
        .filter_map(|reader| reader.checked.get(number.wrapping_sub(1)));
    checked.map(|checked| checked.load(Relaxed)).sum()
}

fn register() -> &'static Reader {
    let mut readers = readers();
    // `Acquire`: pairs with the `Release` in `Leave::drop()`, by the reader's last thread.
    let known = readers.iter().find(|r| !r.taken.swap(true, Acquire));
    let reader = known.copied().unwrap_or_else(|| {
        let reader = std::boxed::Box::new(Reader {
            word: quiet::AtomicU64::new(0),
            at: AtomicPtr::new(ptr::null_mut()),
            taken: AtomicBool::new(true),
            blocks: AtomicIsize::new(0),
            number: readers.len(),
            checked: [const { AtomicUsize::new(0) }; CHECKS],
            comm: [const { AtomicU64::new(0) }; 2],
            pid: AtomicI32::new(0),
            tid: AtomicI32::new(0),
            sleepable: [const {
                Sleepable {
                    domain: AtomicUsize::new(0),
                    at: AtomicPtr::new(ptr::null_mut()),
                }
            }; SLEEPABLE],
            more: AtomicUsize::new(0),
        });
        std::boxed::Box::leak(reader)
    });
    // SAFETY: The call has no preconditions.
    reader.tid.store(unsafe { libc::gettid() }, Relaxed);
    reader.pid.store(0, Relaxed);
    if known.is_none() {
        readers.push(reader);
    }
    reader
}

/// The kinds of sections that hold up a grace period.
#[derive(Clone, Copy)]
pub enum Count {
    /// `rcu_read_lock()` sections.
    Rcu,
    /// `preempt_disable()` sections, a spinlock being one.
    Preempt,
    /// Sections with interrupts disabled.
    IrqsOff,
    /// Nested soft interrupt handlers.
    Softirq,
    /// Nested hard interrupt handlers.
    Hardirq,
}

impl Count {
    /// The lowest bit of its field in a [`Cpu`]'s counts, and the highest, which no count reaches. One
    /// section of what is entered often is a number that an instruction has room for.
    const fn bits(self) -> (u32, u32) {
        match self {
            Self::IrqsOff => (0, 3),
            Self::Rcu => (4, 25),
            Self::Preempt => (27, 46),
            Self::Softirq => (47, 54),
            Self::Hardirq => (55, 62),
        }
    }

    /// One section.
    const fn one(self) -> u64 {
        1 << self.bits().0
    }

    /// Set once there are too many.
    const fn full(self) -> u64 {
        1 << self.bits().1
    }

    /// All of its field.
    const fn mask(self) -> u64 {
        (self.full() - self.one()) | self.full()
    }
}

/// Something of a thread that is not so of most, and has it do otherwise what others do in a shorter way.
#[derive(Clone, Copy)]
pub enum Unusual {
    /// Its task is one of a virtual CPU's.
    Vcpu = 1,
    /// No rule is checked on it.
    Unchecked = 2,
    /// What it tells lockdep is not of itself, or not all.
    Lockdep = 4,
    /// It has sent itself an interrupt that it has not taken.
    IrqWork = 8,
}

/// The layer above has not said where it keeps what it knows of the thread, which is unusual as well.
const UNKNOWN: u32 = 16;

/// Set in the counts of a thread that needs a full fence where a section begins and ends, see
/// [`barrier::ready`](super::barrier::ready): then its counts are never 0.
const FENCED: u64 = 1 << 26;

/// The bits of [`Cpu::interrupts`].
const INTERRUPTS: u64 = Count::IrqsOff.mask() | Count::Softirq.mask() | Count::Hardirq.mask();

/// Not 0 in the counts of a thread that is [`in_atomic`](Cpu::in_atomic).
const IN_ATOMIC: u64 = Count::Preempt.mask() | Count::Softirq.mask() | Count::Hardirq.mask();

/// What [`Cpu::interrupts`] is where the thread [is atomic](Cpu::is_atomic).
pub const ATOMIC_INTERRUPTS: u64 = ATOMIC & INTERRUPTS;

/// Bits that [`Cpu::interrupts`] does not use, from the first to before the last.
pub const NOT_INTERRUPTS: core::ops::Range<u32> =
    Count::IrqsOff.bits().1 + 1..Count::Softirq.bits().0;

/// The counts of a thread that has no reader: too many of each kind.
const NO_READER: u64 = Count::IrqsOff.full()
    | Count::Rcu.full()
    | Count::Preempt.full()
    | Count::Softirq.full()
    | Count::Hardirq.full();

/// The counts of a thread that holds one spinlock, with interrupts disabled, and is in no other section.
const ATOMIC: u64 = Count::Preempt.one() | Count::IrqsOff.one();

/// The counts of one thread.
///
/// # Invariants
///
/// - `counts` is `NO_READER` exactly while there is no `reader`; else it has a field for each
///   [`Count`], and is 0 or `FENCED` exactly while no section is open that holds up a grace period.
/// - The reader's word is not 0 exactly while a section is open.
/// - `above` is not null unless `unusual` has `UNKNOWN`.
pub struct Cpu {
    reader: Cell<Option<&'static Reader>>,
    /// In one word: what is stored as two and loaded as one waits until both are in the cache.
    counts: Cell<u64>,
    /// The task that this thread is, once it was asked for.
    task: Cell<*const task_struct>,
    /// What is [`Unusual`], a bit each, and [`UNKNOWN`].
    unusual: Cell<u32>,
    /// What the layer above knows of the thread.
    above: Cell<*const ()>,
    pub(super) held: blocked::Held,
    pub(super) section: blocked::Section,
}

per_thread! {
    static CPU: Cpu = Cpu {
        reader: Cell::new(None),
        counts: Cell::new(NO_READER),
        task: Cell::new(ptr::null()),
        unusual: Cell::new(UNKNOWN),
        above: Cell::new(ptr::null()),
        held: blocked::Held::new(),
        section: blocked::Section::new(),
    };
}

std::thread_local! {
    static LEAVE: Leave = const { Leave };
}

/// Returns what the thread holds of the machine when it ends.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        CPU.with(|cpu| {
            // A thread that ends inside a section has leaked a guard: what that protects may be in
            // use elsewhere, so the section stays open forever, and its reader is never used
            // again.
            if !cpu.in_section() {
                cpu.counts.set(NO_READER);
                if let Some(reader) = cpu.reader.take().filter(|reader| !reader.sleeps()) {
                    // Pairs with the `Acquire` in `register()`.
                    reader.taken.store(false, Release);
                }
            }
            task::leave(cpu.set_task(ptr::null()));
        });
    }
}

/// The counts of this thread.
#[inline(always)]
pub fn with<R>(f: impl FnOnce(&Cpu) -> R) -> R {
    #[cfg(loom)]
    return CPU.with(f);
    #[cfg(not(loom))]
    {
        // What is too large to be inlined into `LocalKey::with` is called from there.
        let cpu = CPU.with(ptr::from_ref);
        // SAFETY: There is nothing to drop in it, so it is there as long as the thread, which it does
        // not leave, since others may not share it.
        f(unsafe { &*cpu })
    }
}

/// True if this thread is in no section of any kind.
pub(super) fn is_idle() -> bool {
    with(|cpu| !cpu.in_section() && !cpu.reader().sleeps())
}

/// Makes sure that [`Leave`] runs when this thread ends.
pub(super) fn leave_at_exit() {
    // Refused in a thread whose `Leave` has run. A destructor of another thread-local that enters a
    // section after that leaks its reader: harmless, since it is quiescent once the section ends.
    if cfg!(not(loom)) {
        let _ = LEAVE.try_with(|_| ());
    }
}

impl Cpu {
    /// True if nothing of the thread is unusual: then it also has what is [`above`](Self::above).
    #[inline(always)]
    pub fn is_usual(&self) -> bool {
        self.unusual.get() == 0
    }

    /// True if that is so of the thread.
    #[inline(always)]
    pub fn is(&self, unusual: Unusual) -> bool {
        self.unusual.get() & unusual as u32 != 0
    }

    /// Says whether that is so of the thread.
    pub fn set_unusual(&self, unusual: Unusual, is: bool) {
        self.set_bit(unusual as u32, is);
    }

    fn set_bit(&self, bit: u32, is: bool) {
        let others = self.unusual.get() & !bit;
        self.unusual.set(others | if is { bit } else { 0 });
    }

    /// What the layer above knows of the thread, or null if it has not said so.
    #[inline(always)]
    pub fn above(&self) -> *const () {
        self.above.get()
    }

    /// From now on the layer above knows this of the thread.
    ///
    /// # Safety
    ///
    /// Only that layer calls this. What is there is its own, as long as the thread.
    pub unsafe fn set_above(&self, above: *const ()) {
        // INVARIANT: The bit is not there if this is not null.
        self.above.set(above);
        self.set_bit(UNKNOWN, above.is_null());
    }

    /// The task that this thread is, or null.
    #[inline]
    pub(super) fn task(&self) -> *const task_struct {
        self.task.get()
    }

    /// Has the thread be that task, or none if it is null; returns the one before.
    pub(super) fn set_task(&self, task: *const task_struct) -> *const task_struct {
        // SAFETY: Null, or a task to which the thread has a reference.
        let known = unsafe { task.as_ref() };
        let has_vcpu = known.is_some_and(|task| task.vcpu().is_some());
        self.set_unusual(Unusual::Vcpu, has_vcpu);
        self.task.replace(task)
    }

    /// No section of this thread was counted yet, or too many are: returns the counts of none.
    #[cold]
    #[inline(never)]
    fn first_section(&self) -> u64 {
        if self.counts.get() != NO_READER {
            // So many guards were forgotten. A count that wraps would end the section under all.
            crate::end(format_args!("too many sections are open"));
        }
        let none = if super::barrier::ready() { 0 } else { FENCED };
        self.reader.set(Some(register()));
        self.counts.set(none);
        leave_at_exit();
        none
    }

    /// The word that others look at.
    #[inline]
    pub fn reader(&self) -> &'static Reader {
        match self.reader.get() {
            Some(reader) => reader,
            None => self.first_reader(),
        }
    }

    #[cold]
    #[inline(never)]
    fn first_reader(&self) -> &'static Reader {
        self.first_section();
        // SAFETY: There is one now.
        unsafe { self.known_reader() }
    }

    /// The same, if sleeping is allowed as far as C's preempt count says; none if it is not, or may not
    /// be.
    #[inline(always)]
    pub fn reader_outside_atomic(&self) -> Option<&'static Reader> {
        // SAFETY: The counts are not `NO_READER`, which is of all kinds.
        (self.counts.get() & IN_ATOMIC == 0).then(|| unsafe { self.known_reader() })
    }

    /// # Safety
    ///
    /// `counts` is not `NO_READER`.
    #[inline(always)]
    unsafe fn known_reader(&self) -> &'static Reader {
        // SAFETY: By the invariant there is one.
        unsafe { self.reader.get().unwrap_unchecked() }
    }

    /// Counts blocks that this thread has allocated, or freed if it is less than 0.
    #[inline]
    pub fn count_blocks(&self, count: isize) {
        match self.reader.get() {
            Some(Reader { blocks, .. }) => {
                blocks.store(blocks.load(Relaxed).wrapping_add(count), Relaxed);
            }
            // Not counted for a reader, which a thread that ends might leave behind.
            None => _ = BLOCKS.fetch_add(count, Relaxed),
        }
    }

    /// Returns the number of open sections of a kind.
    #[inline]
    pub fn open(&self, count: Count) -> u32 {
        // CAST: A field has no more than 22 bits.
        ((self.known() & count.mask()) >> count.bits().0) as u32
    }

    /// The counts, also of a thread that has no reader.
    #[inline]
    fn known(&self) -> u64 {
        match self.counts.get() {
            NO_READER => 0,
            counts => counts & !FENCED,
        }
    }

    /// True while a section of any kind is open.
    pub fn in_section(&self) -> bool {
        self.known() != 0
    }

    /// Opens a section of a kind, which holds up grace periods from `grace_period` on.
    #[inline]
    pub fn enter(&self, count: Count, grace_period: impl FnOnce() -> u64) {
        self.add(count.one(), count.full(), grace_period);
    }

    /// Disables interrupts and forbids preemption; true if interrupts were disabled before, and are
    /// not counted again.
    #[inline(always)]
    pub fn enter_atomic(&self, grace_period: impl Fn() -> u64) -> bool {
        if self.begin_atomic(&grace_period).is_none() {
            return self.enter_nested(grace_period());
        }
        false
    }

    /// The same if no section is open; nothing is done, and nothing returned, if one is, or may be. Else
    /// the thread [is atomic](Self::is_atomic), and returned is its reader.
    #[inline(always)]
    pub fn begin_atomic(&self, grace_period: impl Fn() -> u64) -> Option<&'static Reader> {
        (self.counts.get() == 0).then(|| self.begins(0, ATOMIC, grace_period()))
    }

    #[inline(never)]
    fn enter_nested(&self, grace_period: u64) -> bool {
        let off = self.is_in(&[Count::IrqsOff]);
        if !off {
            self.enter(Count::IrqsOff, || grace_period);
        }
        self.enter(Count::Preempt, || grace_period);
        off
    }

    #[inline(always)]
    fn add(&self, ones: u64, full: u64, grace_period: impl FnOnce() -> u64) {
        let counts = self.counts.get();
        let more = counts.wrapping_add(ones);
        if counts == 0 {
            // What is stored does not depend on what was loaded, so no section waits for the one before.
            _ = self.begins(0, ones, grace_period());
        } else if more & (full | FENCED) == 0 {
            self.counts.set(more);
        } else {
            self.add_slowly(ones, full, grace_period());
        }
    }

    #[cold]
    #[inline(never)]
    fn add_slowly(&self, ones: u64, full: u64, grace_period: u64) {
        let mut counts = self.counts.get();
        if counts.wrapping_add(ones) & full != 0 {
            counts = self.first_section();
        }
        match counts {
            0 | FENCED => _ = self.begins(counts, counts + ones, grace_period),
            _ => self.counts.set(counts + ones),
        }
    }

    /// The first section begins of a thread whose counts were `none`, and are `counts` now.
    #[inline(always)]
    fn begins(&self, none: u64, counts: u64, grace_period: u64) -> &'static Reader {
        self.counts.set(counts);
        // INVARIANT: A section is open now. If this store comes before the updater's heavy
        // barrier, its scan sees it and waits; if it comes after, our reads come after the
        // barrier as well and see what the updater unpublished. The partner is
        // `rcu::gp::wait()`.
        // SAFETY: The counts were those of a thread that has a reader.
        let reader = unsafe { self.known_reader() };
        let word = &reader.word;
        word.store(grace_period, Relaxed);
        // Where the checker can switch threads: it has a fence follow at once.
        #[cfg(loom)]
        word.fetch_add(0, Relaxed);
        if !planted("enter") {
            super::barrier::light_if(none != FENCED);
        }
        reader
    }

    /// Closes such a section; false if none was open.
    #[inline]
    pub fn exit(&self, count: Count) -> bool {
        let counts = self.counts.get();
        if counts == count.one() {
            self.ends(0);
            return true;
        }
        let open = counts & count.mask() != 0 && counts & count.full() == 0;
        if open {
            match counts - count.one() {
                FENCED => self.ends(FENCED),
                counts => self.counts.set(counts),
            }
        }
        open
    }

    /// True in one section with preemption forbidden and one with interrupts disabled, and no other.
    #[inline(always)]
    pub fn is_atomic(&self) -> bool {
        self.counts.get() == ATOMIC
    }

    /// Allows preemption and enables interrupts; false, and nothing is done, if a section is open beside
    /// these two.
    #[inline(always)]
    pub fn exit_atomic(&self) -> bool {
        let only = self.is_atomic();
        if only {
            self.ends(0);
        }
        only
    }

    /// Allows preemption and enables interrupts.
    ///
    /// # Safety
    ///
    /// The thread [is atomic](Self::is_atomic).
    #[inline(always)]
    pub unsafe fn end_atomic(&self) {
        self.ends(0);
    }

    /// The last section ends of a thread whose counts are `none` then.
    #[inline(always)]
    fn ends(&self, none: u64) {
        self.counts.set(none);
        // INVARIANT: No section is open now. The store pairs with the `Acquire` in
        // `Reader::grace_period()`: an updater that reads this 0 has everything of the section
        // behind it. The barrier pairs with the second `heavy()` in `rcu::gp::wait()`: the
        // updater may never see this 0 but the `Relaxed` store of our next section, which does
        // not order what was done in this one.
        if !planted("exit") && !planted("returned") {
            super::barrier::light_if(none != FENCED);
        }
        // SAFETY: A section was open, so there is a reader.
        unsafe { self.known_reader() }.word.store(0, Release);
    }

    /// True if C's preempt count is not 0: with preemption disabled, or in an interrupt handler.
    #[inline]
    pub fn in_atomic(&self) -> bool {
        self.is_in(&[Count::Preempt, Count::Softirq, Count::Hardirq])
    }

    /// True where sleeping is not allowed: in atomic context, or with interrupts disabled.
    #[inline]
    pub fn cannot_sleep(&self) -> bool {
        self.in_atomic() || self.is_in(&[Count::IrqsOff])
    }

    /// True in a section of one of these kinds.
    #[inline]
    fn is_in(&self, kinds: &[Count]) -> bool {
        let counts = self.known();
        kinds.iter().any(|kind| counts & kind.mask() != 0)
    }

    /// What of interrupts decides where this thread is, as a number of which the bits of
    /// [`NOT_INTERRUPTS`] are not used: in how many sections with interrupts disabled, and handlers of
    /// each kind, or that it has no reader.
    #[inline]
    pub fn interrupts(&self) -> u64 {
        self.counts.get() & INTERRUPTS
    }

    /// C's preempt count, for the log: preemption in bits 0-7, soft interrupts 8-15, hard ones 16-.
    pub fn preempt_count(&self) -> u32 {
        self.open(Count::Preempt) | self.open(Count::Softirq) << 8 | self.open(Count::Hardirq) << 16
    }
}

/// Writes the context that the caller runs in, for reports. From any context, a signal handler's
/// included.
pub fn write_context(out: &mut dyn fmt::Write) -> fmt::Result {
    use Count::{Hardirq, IrqsOff, Preempt, Rcu, Softirq};
    let depths = [Hardirq, Softirq, IrqsOff, Rcu, Preempt];
    let [hardirq, softirq, irqs_off, rcu, preempt] =
        with(|cpu| depths.map(|count| cpu.open(count)));
    let context = match (hardirq, softirq) {
        (0, 0) => "process",
        (0, _) => "soft interrupt",
        _ => "hard interrupt",
    };
    let irqs = if irqs_off == 0 { "on" } else { "off" };
    write!(out, "{context} context, interrupts {irqs}, ")?;
    write!(out, "{rcu} read-side sections, preempt count {preempt}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vcpu::{Policy, Stuck, Vcpu};
    use core::any::Any;

    struct NoHooks;

    impl crate::vcpu::Hooks for NoHooks {
        fn idle(&self) -> bool {
            false
        }

        fn grace_period_is_due(&self) -> bool {
            false
        }

        fn time_passed(&self) {}

        fn left(&self) {}
        fn ended(&self, _: usize) {}

        fn number(&self) -> u64 {
            0
        }

        fn held_reports(&self) -> Option<u64> {
            None
        }

        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    #[test]
    fn as_many_sections_as_can_be_counted_are_not_none() {
        let end = Vcpu::run(Policy::Fifo, None, NoHooks, 1 << 20, || {
            with(|cpu| {
                cpu.enter(Count::Rcu, || 1);
                // As if so many guards had been forgotten.
                cpu.counts.set(Count::Rcu.full() - Count::Rcu.one());
                cpu.enter(Count::Preempt, || 1);
                assert_eq!(cpu.open(Count::Rcu), (1 << 21) - 1);
                cpu.enter(Count::Rcu, || 1);
            });
        });
        assert!(
            matches!(end, Err(Stuck::Bug(said)) if said.ends_with("too many sections are open"))
        );
    }
}
