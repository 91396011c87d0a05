// SPDX-License-Identifier: GPL-2.0-only
//! Functions that are called from an interrupt which a processor sends to itself.
//!
//! C header: [`include/linux/irq_work.h`](srctree/include/linux/irq_work.h)
//!
//! Each processor, here each thread, has a list of its own. The interrupt is taken at once if
//! interrupts are enabled, else when the outermost section in which they are not ends. It takes
//! the whole list, and calls what came last first; what is queued meanwhile is for the next
//! interrupt, which comes when this one is over.

use crate::{
    ffi::{c_int, c_void},
    WARN_ON,
};
use crate::{local_irq_restore, local_irq_save, lockdep, may_sleep, rcu::current_grace_period};
use core::{
    cell::Cell,
    panic::Location,
    ptr::null_mut,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use machine::{
    atomic::AtomicI32,
    cpu::{self, Count, Cpu, Unusual},
    task,
};

/// Queued, and its function not called yet.
pub const IRQ_WORK_PENDING: c_int = 1;
/// Queued, or its function is running.
pub const IRQ_WORK_BUSY: c_int = 2;

/// A function to be called from an interrupt; of C's size, since others embed it.
///
/// # Invariants
///
/// The thread that has set [`IRQ_WORK_PENDING`] owns `next`, until it is cleared.
#[repr(C)]
pub struct irq_work {
    next: *mut irq_work,
    flags: AtomicI32,
    func: Option<unsafe extern "C" fn(work: *mut irq_work)>,
    /// Where C keeps the task in [`irq_work_sync`], which looks again and again here.
    irqwait: *mut c_void,
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<irq_work>() == 32);

machine::per_thread! {
    /// Work to run when interrupts are enabled again, the last queued first; if there is any, the
    /// thread is [`Unusual`].
    static LIST: Cell<*mut irq_work> = Cell::new(null_mut());
    /// Work whose function is running.
    static RUNNING: Cell<*mut irq_work> = Cell::new(null_mut());
}

/// True if this processor has sent itself an interrupt that it has not taken.
#[inline(always)]
pub(crate) fn irq_work_waits(cpu: &Cpu) -> bool {
    cpu.is(Unusual::IrqWork)
}

/// Has this be the work that waits; returns what has waited before.
fn set_list(list: *mut irq_work) -> *mut irq_work {
    cpu::with(|cpu| cpu.set_unusual(Unusual::IrqWork, !list.is_null()));
    LIST.replace(list)
}

/// Makes `work` one that calls `func`.
pub unsafe fn init_irq_work(
    work: *mut irq_work,
    func: Option<unsafe extern "C" fn(work: *mut irq_work)>,
) {
    // SAFETY: `work` is valid for writes: the caller's guarantee.
    unsafe {
        work.write(irq_work {
            next: null_mut(),
            flags: AtomicI32::new(0),
            func,
            irqwait: null_mut(),
        })
    };
}

/// Calls the function on this CPU, in an interrupt; false if it is pending. From any context.
///
/// # Safety
///
/// `work` is initialised, and valid until its function has returned and a grace
/// period has passed, or [`irq_work_sync`] has returned; the function may be called at once.
pub unsafe fn irq_work_queue(work: *mut irq_work) -> bool {
    // SAFETY: `work` is initialised: the caller's guarantee.
    let flags = unsafe { &(*work).flags };
    // `Acquire`: pairs with the `Release` in `call`, which has read `next`. `Release`: pairs with
    // the `Acquire` there, so that the function sees what was written before this call.
    if flags.fetch_or(IRQ_WORK_PENDING | IRQ_WORK_BUSY, AcqRel) & IRQ_WORK_PENDING != 0 {
        return false;
    }
    // SAFETY: `local_irq_save()` has no preconditions.
    let irqs = unsafe { local_irq_save() };
    // SAFETY: We have set the flag, so the link is ours.
    unsafe { (*work).next = LIST.get() };
    set_list(work);
    // SAFETY: Saved above.
    unsafe { local_irq_restore(irqs) };
    true
}

/// Takes the interrupts that this processor has sent to itself. Interrupts are enabled.
#[cold]
pub(crate) fn run_irq_work() {
    loop {
        let first = set_list(null_mut());
        if first.is_null() {
            return;
        }
        // One depth for any number of interrupts: at the end of this one, the next is left to us.
        cpu::with(|cpu| {
            cpu.enter(Count::IrqsOff, current_grace_period);
            lockdep::hardirqs_off(cpu);
            cpu.enter(Count::Hardirq, current_grace_period);
        });
        // SAFETY: The list was this processor's.
        unsafe { call(first) };
        cpu::with(|cpu| {
            cpu.exit(Count::Hardirq);
            lockdep::hardirqs_on(cpu, Location::caller());
            cpu.exit(Count::IrqsOff);
        });
    }
}

/// Calls the functions of a list.
///
/// # Safety
///
/// All on it are pending, and on no other list.
unsafe fn call(mut work: *mut irq_work) {
    while !work.is_null() {
        // SAFETY: Pending, so it is valid, and by its invariant the link is the list's. The flags
        // are not borrowed while the function runs, which may use the memory for something else.
        let (next, func) = unsafe {
            // From here on it may be queued again. Pairs with `irq_work_queue`, both ways.
            let read = ((*work).next, (*work).func);
            (*work).flags.fetch_and(!IRQ_WORK_PENDING, AcqRel);
            read
        };
        RUNNING.set(work);
        if let Some(func) = func {
            // SAFETY: The caller of `irq_work_queue()` vouches for the function.
            unsafe { func(work) };
        }
        if !RUNNING.replace(null_mut()).is_null() {
            // Not if it was queued again meanwhile. `Release`: pairs with `irq_work_is_busy`.
            // SAFETY: The function has not called `irq_work_ends()`, and what it has freed after a
            // grace period is still there, for this handler holds that up.
            let flags = unsafe { &(*work).flags };
            let _ = flags.compare_exchange(IRQ_WORK_BUSY, 0, Release, Relaxed);
        }
        work = next;
    }
}

/// The function that is running on this CPU does not need its `irq_work` any more, whose memory may
/// be used for something else at once. C does not say so: there the flags are looked at after the
/// function has returned, whatever has become of them.
pub fn irq_work_ends() {
    let work = RUNNING.replace(null_mut());
    if !work.is_null() {
        // SAFETY: It runs, so it is valid.
        let flags = unsafe { &(*work).flags };
        // As in `call`.
        let _ = flags.compare_exchange(IRQ_WORK_BUSY, 0, Release, Relaxed);
    }
}

/// True while the function is still to be called. From any context.
pub unsafe fn irq_work_is_pending(work: *mut irq_work) -> bool {
    // SAFETY: `work` is initialised: the caller's guarantee.
    unsafe { &(*work).flags }.load(Relaxed) & IRQ_WORK_PENDING != 0
}

/// True while the function is still to be called, or running. From any context.
pub unsafe fn irq_work_is_busy(work: *mut irq_work) -> bool {
    // `Acquire`: a caller that reads that it is over sees what the function did; pairs with `call`.
    // SAFETY: `work` is initialised: the caller's guarantee.
    unsafe { &(*work).flags }.load(Acquire) & IRQ_WORK_BUSY != 0
}

/// Waits until the function is neither to be called nor running. May sleep.
///
/// # Safety
///
/// `work` is initialised, and the caller is not its function.
#[track_caller]
pub unsafe fn irq_work_sync(work: *mut irq_work) {
    may_sleep();
    WARN_ON!(cpu::with(|cpu| cpu.open(Count::IrqsOff) != 0));
    // SAFETY: `work` is initialised: the caller's guarantee.
    while unsafe { irq_work_is_busy(work) } {
        task::relax();
    }
}
