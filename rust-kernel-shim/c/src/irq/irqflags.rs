// SPDX-License-Identifier: GPL-2.0-only
//! Contexts in which a task may not sleep, and the checks that it does not.
//!
//! C headers: [`include/linux/preempt.h`](srctree/include/linux/preempt.h),
//! [`include/linux/irqflags.h`](srctree/include/linux/irqflags.h)
//!
//! The counts are the thread's own: what it may do depends on where it is, not on whether
//! another thread really could interrupt it. All these sections hold up RCU grace periods, as
//! in Linux since 5.0.

use crate::ffi::{c_char, c_int, c_ulong};
#[cfg(feature = "debug")]
use crate::{debug::splat::splat, KERN_ERR};
use crate::{
    irq::irq_work::{irq_work_waits, run_irq_work},
    lockdep,
    rcu::current_grace_period,
};
use core::{cell::Cell, panic::Location};
#[cfg(feature = "debug")]
use machine::location;
use machine::{
    cpu::{self, Count, Cpu},
    task,
};

/// Forbids preemption, until [`preempt_enable`].
#[inline]
pub unsafe fn preempt_disable() {
    cpu::with(preempt_disable_on);
}

/// The same, on this thread.
#[inline(always)]
pub(crate) fn preempt_disable_on(cpu: &Cpu) {
    cpu.enter(Count::Preempt, current_grace_period);
}

/// Ends what [`preempt_disable`] began.
///
/// # Safety
///
/// The thread has called [`preempt_disable`] once more than this.
#[inline]
pub unsafe fn preempt_enable() {
    cpu::with(preempt_enable_on);
}

/// The same, on this thread.
#[inline(always)]
pub(crate) fn preempt_enable_on(cpu: &Cpu) {
    cpu.exit(Count::Preempt);
    task::point_on(cpu);
}

/// Disables interrupts and says in what state they were: 0 if they were on.
#[inline]
pub unsafe fn local_irq_save() -> c_ulong {
    cpu::with(|cpu| {
        let off = cpu.open(Count::IrqsOff) != 0;
        if !off {
            cpu.enter(Count::IrqsOff, current_grace_period);
            lockdep::hardirqs_off(cpu);
        }
        off.into()
    })
}

/// Goes back to the state that [`local_irq_save`] found, by its `flags`. If that enables interrupts,
/// those that came meanwhile are taken before this returns.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn local_irq_restore(flags: c_ulong) {
    local_irq_restore_at(flags, Location::caller());
}

/// The same, there.
#[inline]
pub(crate) fn local_irq_restore_at(flags: c_ulong, at: &'static Location<'static>) {
    if flags == 0 {
        enable_irqs(at);
    } else {
        // SAFETY: `local_irq_save()` has no preconditions.
        let _ = unsafe { local_irq_save() };
    }
}

/// Disables interrupts, whatever the state was.
#[inline]
pub unsafe fn local_irq_disable() {
    // SAFETY: `local_irq_save()` has no preconditions.
    let _ = unsafe { local_irq_save() };
}

/// Enables interrupts, whatever the state was, and takes those that came meanwhile.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn local_irq_enable() {
    enable_irqs(Location::caller());
}

#[inline]
fn enable_irqs(at: &'static Location<'static>) {
    cpu::with(|cpu| {
        if cpu.open(Count::IrqsOff) != 0 {
            lockdep::hardirqs_on(cpu, at);
            cpu.exit(Count::IrqsOff);
        }
    });
    if cpu::with(irq_work_waits) {
        run_irq_work();
    }
}

machine::per_thread! {
    /// How often interrupts were disabled by [`local_interrupt_disable`], and the state before.
    static DISABLED: Cell<(u32, c_ulong)> = Cell::new((0, 0));
}

/// Disables interrupts until [`local_interrupt_enable`] is called as often.
#[inline]
pub unsafe fn local_interrupt_disable() {
    // SAFETY: `local_irq_save()` has no preconditions.
    let flags = unsafe { local_irq_save() };
    match DISABLED.get() {
        (0, _) => DISABLED.set((1, flags)),
        (count, before) => DISABLED.set((count + 1, before)),
    }
}

/// Ends what [`local_interrupt_disable`] began; the outermost goes back to the state before.
///
/// # Safety
///
/// The thread has called [`local_interrupt_disable`] once more than this.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn local_interrupt_enable() {
    let (count, flags) = DISABLED.get();
    DISABLED.set((count - 1, flags));
    if count == 1 {
        // SAFETY: Saved by the outermost `local_interrupt_disable()`.
        unsafe { local_irq_restore(flags) };
    }
}

/// Warns unless interrupts are disabled, in a debug kernel.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn lockdep_assert_irqs_disabled() {
    // SAFETY: `irqs_disabled()` has no preconditions.
    crate::WARN_ON!(cfg!(feature = "debug") && !unsafe { irqs_disabled() });
}

/// True while interrupts are disabled.
#[inline]
pub unsafe fn irqs_disabled() -> bool {
    cpu::with(|cpu| cpu.open(Count::IrqsOff) != 0)
}

/// True inside a hard interrupt handler.
#[inline]
pub unsafe fn in_hardirq() -> bool {
    cpu::with(|cpu| cpu.open(Count::Hardirq) != 0)
}

/// True inside a soft interrupt handler.
#[inline]
pub unsafe fn in_serving_softirq() -> bool {
    cpu::with(|cpu| cpu.open(Count::Softirq) != 0)
}

/// Runs `handler` as a hard interrupt handler: with interrupts disabled. Those that come
/// meanwhile are taken before this returns, unless this one itself came with them disabled.
pub(crate) fn serve_hardirq<R>(handler: impl FnOnce() -> R) -> R {
    // SAFETY: `local_irq_save()` has no preconditions.
    let flags = unsafe { local_irq_save() };
    cpu::with(|cpu| cpu.enter(Count::Hardirq, current_grace_period));
    let result = handler();
    // First this, so that what is taken next is not nested in it.
    cpu::with(|cpu| cpu.exit(Count::Hardirq));
    // SAFETY: Saved above.
    unsafe { local_irq_restore(flags) };
    result
}

/// Runs `handler` as a soft interrupt handler.
pub(crate) fn serve_softirq<R>(handler: impl FnOnce() -> R) -> R {
    cpu::with(|cpu| cpu.enter(Count::Softirq, current_grace_period));
    let result = handler();
    cpu::with(|cpu| cpu.exit(Count::Softirq));
    result
}

/// True if the preempt count is not 0: with preemption disabled, or in an interrupt handler. Merely
/// disabled interrupts do not count, so false does not allow sleeping.
#[inline]
pub unsafe fn in_atomic() -> bool {
    cpu::with(cpu::Cpu::in_atomic)
}

/// Marks a function that may sleep; reports a call in atomic context, with interrupts disabled, or
/// in an RCU read-side section.
#[inline]
#[track_caller]
pub unsafe fn might_sleep() {
    let _ = may_sleep();
}

/// As [`might_sleep`]; false if it is known to be wrong.
#[inline]
#[track_caller]
pub(crate) fn may_sleep() -> bool {
    #[cfg(feature = "debug")]
    return check_sleep(Location::caller());
    #[cfg(not(feature = "debug"))]
    true
}

/// As [`might_sleep`]. What it names as its place is not looked at: the caller is known.
#[track_caller]
pub unsafe fn __might_sleep(_file: *const c_char, _line: c_int) {
    let _ = may_sleep();
}

/// Reports a sleep at `at`, where there should be none; false then.
#[cfg(feature = "debug")]
fn check_sleep(at: &'static Location<'static>) -> bool {
    crate::rcu_no_sleep(at);
    let (atomic, irqs_off) = cpu::with(|cpu| (cpu.in_atomic(), cpu.open(Count::IrqsOff) != 0));
    let breaks_a_rule = crate::sleep_breaks_a_rule();
    if (atomic || irqs_off) && !breaks_a_rule {
        let [atomic, irqs_off] = [atomic, irqs_off].map(u8::from);
        let culprit = location::culprit(at);
        splat(
            KERN_ERR,
            &location::entry(at),
            format_args!("BUG: sleeping function called from invalid context at {culprit}"),
            format_args!("  in_atomic(): {atomic}, irqs_disabled(): {irqs_off}\n"),
        );
    }
    !(atomic || irqs_off || breaks_a_rule)
}
