// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's data per processor, here per thread: context counts and the RCU reader word.

use crate::{
    atomic::{planted, quiet},
    per_thread,
};
use core::{
    cell::Cell,
    fmt,
    panic::Location,
    ptr,
    sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize,
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
    /// Counts the readers.
    number: usize,
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

fn register() -> &'static Reader {
    let mut readers = readers();
    // `Acquire`: pairs with the `Release` in `Leave::drop()`, by the reader's last thread.
    let known = readers.iter().find(|r| !r.taken.swap(true, Acquire));
    let reader = known.copied().unwrap_or_else(|| {
        let reader = std::boxed::Box::new(Reader {
            word: quiet::AtomicU64::new(0),
            at: AtomicPtr::new(ptr::null_mut()),
            taken: AtomicBool::new(true),
            number: readers.len(),
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

/// The counts of one thread.
///
/// # Invariants
///
/// - `sections` is the sum of the other counts: how many sections that hold up a grace period
///   are open.
/// - The reader's word is not 0 exactly while `sections` is not 0.
pub struct Cpu {
    reader: Cell<Option<&'static Reader>>,
    sections: Cell<u32>,
    /// Open sections by [`Count`].
    counts: [Cell<u32>; 5],
    /// The task that this thread is, once it was asked for.
    pub(super) task: Cell<*const super::task::task_struct>,
}

per_thread! {
    static CPU: Cpu = Cpu {
        reader: Cell::new(None),
        sections: Cell::new(0),
        counts: [const { Cell::new(0) }; 5],
        task: Cell::new(ptr::null()),
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
            if cpu.sections.get() == 0 {
                if let Some(reader) = cpu.reader.take().filter(|reader| !reader.sleeps()) {
                    // Pairs with the `Acquire` in `register()`.
                    reader.taken.store(false, Release);
                }
            }
            super::task::leave(cpu.task.replace(ptr::null()));
        });
    }
}

/// The counts of this thread.
#[inline(always)]
pub fn with<R>(f: impl FnOnce(&Cpu) -> R) -> R {
    CPU.with(f)
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
    #[cold]
    fn first_section(&self) -> &'static Reader {
        let reader = register();
        self.reader.set(Some(reader));
        leave_at_exit();
        reader
    }

    /// The word that others look at.
    #[inline]
    pub fn reader(&self) -> &'static Reader {
        match self.reader.get() {
            Some(reader) => reader,
            None => self.first_section(),
        }
    }

    /// Returns the number of open sections of a kind.
    #[inline]
    pub fn open(&self, count: Count) -> u32 {
        self.counts[count as usize].get()
    }

    /// True while a section of any kind is open.
    pub fn in_section(&self) -> bool {
        self.sections.get() != 0
    }

    /// Opens a section of a kind, which holds up grace periods from `grace_period` on.
    #[inline]
    pub fn enter(&self, count: Count, grace_period: impl FnOnce() -> u64) {
        let sections = self.sections.get();
        let Some(open) = sections.checked_add(1) else {
            // So many guards were forgotten. A count that wraps would end the section under all.
            crate::end(format_args!("too many sections are open"));
        };
        self.sections.set(open);
        // By the invariant no greater than `open`.
        let count = &self.counts[count as usize];
        count.set(count.get() + 1);
        if sections == 0 {
            // INVARIANT: `sections` is 1 now. If this store comes before the updater's heavy
            // barrier, its scan sees it and waits; if it comes after, our reads come after the
            // barrier as well and see what the updater unpublished. The partner is
            // `rcu::gp::wait()`.
            self.reader().word.store(grace_period(), Relaxed);
            // Where the checker can switch threads: it has a fence follow at once.
            #[cfg(loom)]
            self.reader().word.fetch_add(0, Relaxed);
            if !planted("enter") {
                super::barrier::light();
            }
        }
    }

    /// Closes such a section; false if none was open.
    #[inline]
    pub fn exit(&self, count: Count) -> bool {
        let count = &self.counts[count as usize];
        if count.get() == 0 {
            return false;
        }
        count.set(count.get() - 1);
        let sections = self.sections.get() - 1;
        self.sections.set(sections);
        if sections == 0 {
            // INVARIANT: `sections` is 0 now. The store pairs with the `Acquire` in
            // `Reader::grace_period()`: an updater that reads this 0 has everything of the section
            // behind it. The barrier pairs with the second `heavy()` in `rcu::gp::wait()`: the
            // updater may never see this 0 but the `Relaxed` store of our next section, which does
            // not order what was done in this one.
            if !planted("exit") && !planted("returned") {
                super::barrier::light();
            }
            self.reader().word.store(0, Release);
        }
        true
    }

    /// True if C's preempt count is not 0: with preemption disabled, or in an interrupt handler.
    #[inline]
    pub fn in_atomic(&self) -> bool {
        [Count::Preempt, Count::Softirq, Count::Hardirq]
            .iter()
            .any(|&count| self.open(count) != 0)
    }

    /// True where sleeping is not allowed: in atomic context, or with interrupts disabled.
    #[inline]
    pub fn cannot_sleep(&self) -> bool {
        self.in_atomic() || self.open(Count::IrqsOff) != 0
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
                cpu.counts[Count::Rcu as usize].set(u32::MAX);
                cpu.sections.set(u32::MAX);
                cpu.enter(Count::Preempt, || 1);
            });
        });
        assert!(
            matches!(end, Err(Stuck::Bug(said)) if said.ends_with("too many sections are open"))
        );
    }
}
