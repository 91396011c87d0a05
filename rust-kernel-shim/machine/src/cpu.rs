// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's data per processor, here per thread: context counts and the RCU reader word.

use crate::per_thread;
use core::{
    cell::Cell,
    fmt,
    panic::Location,
    ptr,
    sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use std::sync::Mutex;

/// A thread's state that others read while they wait for a grace period.
///
/// `word` is 0 while the thread is in a quiescent state, else the number of the grace period
/// that was current when its outermost section began.
pub struct Reader {
    /// Shared by `rcu_read_lock()` and the updater.
    word: AtomicU64,
    /// The location of the last outermost `rcu_read_lock()`, if a debug kernel has set it.
    at: AtomicPtr<Location<'static>>,
    taken: AtomicBool,
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
}

/// All readers that were ever needed; those of ended threads are used again.
static READERS: Mutex<Vec<&'static Reader>> = Mutex::new(Vec::new());

/// Calls `f` with every reader.
pub fn for_each_reader(mut f: impl FnMut(&'static Reader)) {
    // A copy, so that waiting for a reader does not keep new threads from registering. Of a thread
    // that registers later, READERS' lock orders: its sections begin after our unlock, so they see
    // what the caller unpublished.
    let readers = crate::lock(&READERS).clone();
    readers.into_iter().for_each(&mut f);
}

fn register() -> &'static Reader {
    let mut readers = crate::lock(&READERS);
    // `Acquire`: pairs with the `Release` in `Leave::drop()`, by the reader's last thread.
    if let Some(reader) = readers.iter().find(|r| !r.taken.swap(true, Acquire)) {
        return reader;
    }
    let reader: &'static Reader = std::boxed::Box::leak(std::boxed::Box::new(Reader {
        word: AtomicU64::new(0),
        at: AtomicPtr::new(ptr::null_mut()),
        taken: AtomicBool::new(true),
    }));
    // The threads of a model come and go by the thousand; none waits for a grace period yet.
    if cfg!(not(loom)) {
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
                if let Some(reader) = cpu.reader.take() {
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
            super::barrier::light();
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
            super::barrier::light();
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
