// SPDX-License-Identifier: GPL-2.0-only
//! Interrupts: what runs the handlers of a line, and their threads.
//!
//! C files mirrored: [`kernel/irq/chip.c`](srctree/kernel/irq/chip.c),
//! [`kernel/irq/handle.c`](srctree/kernel/irq/handle.c)

use super::{
    irq_work::irq_work,
    irqdesc::{
        handlers_of, irq_desc, irqaction, irqreturn_IRQ_NONE, irqreturn_IRQ_WAKE_THREAD,
        irqreturn_t, Guard, Inner, Irqs,
    },
    irqflags::{irqs_disabled, local_irq_disable},
};
use crate::{
    container_of,
    ffi::{c_int, c_void},
    from_char_ptr, globals, kthread_should_stop,
    lockdep::{slept, How, What},
    time::hrtimer::{hrtimer, hrtimer_restart, hrtimer_restart_HRTIMER_NORESTART},
    wake_up_process, TASK_IDLE, TASK_RUNNING, WARN,
};
use core::{
    mem::{replace, take},
    panic::Location,
    ptr,
};
use machine::{blocked, failed, task};

/// An interrupt that was late.
///
/// # Safety
///
/// `timer` is that of an [`irq_desc`].
pub(super) unsafe extern "C" fn comes(timer: *mut hrtimer) -> hrtimer_restart {
    // SAFETY: The caller says so.
    let desc = unsafe { container_of!(timer, irq_desc, late) };
    // SAFETY: The line is valid until its timer was cancelled.
    globals::with(|globals| unsafe { handle_edge_irq(&globals.irqs, desc) });
    hrtimer_restart_HRTIMER_NORESTART
}

/// # Safety
///
/// `work` is that of an [`irq_desc`].
pub(super) unsafe extern "C" fn raised(work: *mut irq_work) {
    // SAFETY: The caller says so.
    let desc = unsafe { container_of!(work, irq_desc, raise) };
    // SAFETY: The line is valid as long as its work is queued.
    globals::with(|globals| unsafe { handle_edge_irq(&globals.irqs, desc) });
}

/// Runs the handlers of a line, in a hard interrupt.
///
/// # Safety
///
/// `desc` is valid, and one of `irqs`.
pub(super) unsafe fn handle_edge_irq(irqs: &Irqs, desc: *mut irq_desc) {
    let mut inner = irqs.lock();
    // SAFETY: `desc` is valid: the caller's guarantee. It is used under the lock.
    unsafe {
        if (*desc).in_progress || (*desc).depth != 0 {
            (*desc).pending = !(*desc).action.is_null();
            return;
        }
        let thing = handlers_of((*desc).irq);
        blocked::acquired(thing, Location::caller());
        loop {
            (*desc).pending = false;
            (*desc).in_progress = true;
            inner = handle_irq_event(irqs, inner, desc);
            (*desc).in_progress = false;
            if !(*desc).pending || (*desc).depth != 0 {
                break;
            }
        }
        blocked::released(thing.id);
    }
    // Under the lock: a waiter frees the line.
    irqs.wake(&mut inner);
}

/// # Safety
///
/// As [`handle_edge_irq`], and the line is in progress, so that no handler of it is freed.
unsafe fn handle_irq_event<'a>(
    irqs: &'a Irqs,
    mut inner: Guard<'a>,
    desc: *mut irq_desc,
) -> Guard<'a> {
    // SAFETY: `desc` is valid: the caller's guarantee. The lock is held.
    let mut action = unsafe { (*desc).action };
    while !action.is_null() {
        drop(inner);
        // SAFETY: Not freed while the line is in progress.
        let result = unsafe { run(action, false) };
        // SAFETY: `irqs_disabled()` has no preconditions.
        let enabled = unsafe { !irqs_disabled() };
        // SAFETY: As above.
        let irq = unsafe { (*desc).irq };
        if WARN!(enabled, "irq {irq} handler enabled interrupts") {
            // SAFETY: `local_irq_disable()` has no preconditions.
            unsafe { local_irq_disable() };
        }
        inner = irqs.lock();
        // SAFETY: As above, and the lock is held.
        unsafe {
            if result == irqreturn_IRQ_WAKE_THREAD {
                wake_thread(&mut inner, action);
            }
            action = (*action).next;
        }
    }
    inner
}

/// Wakes the thread of a handler, unless it is to run anyway.
///
/// # Safety
///
/// `action` is valid.
unsafe fn wake_thread(_inner: &mut Inner, action: *mut irqaction) {
    // SAFETY: `action` is valid, and its line with it. The lock is held. The thread ends when the
    // action does.
    unsafe {
        let thread = (*action).thread;
        let irq = (*(*action).desc).irq;
        if WARN!(
            thread.is_null(),
            "IRQ {irq} device {:?} returned IRQ_WAKE_THREAD but no thread function available.",
            from_char_ptr((*action).name)
        ) {
            return;
        }
        if !replace(&mut (*action).run_thread, true) {
            (*(*action).desc).threads_active += 1;
            wake_up_process(thread);
        }
    }
}

/// Runs a handler, or the function of its thread, for its test, with what stands for it held.
///
/// # Safety
///
/// `action` is valid.
unsafe fn run(action: *mut irqaction, thread: bool) -> irqreturn_t {
    // SAFETY: `action` is valid, and its line with it: the caller's guarantee. What is used here
    // never changes. The caller of `request_threaded_irq()` vouches for the function.
    unsafe {
        let map = &(*action).dep_maps[usize::from(thread)];
        let instance = ptr::from_ref(map).addr();
        let function = match thread {
            false => (*action).handler,
            true => (*action).thread_fn,
        };
        let (irq, dev) = ((*(*action).desc).irq.cast_signed(), (*action).dev_id);
        let how = How::run((*action).asked.map(|asked| asked.at));
        map.acquire(instance, What::Event, how, Location::caller());
        let result = failed::work_for((*action).test, || {
            function.map_or(irqreturn_IRQ_NONE, |function| function(irq, dev))
        });
        map.release(instance, What::Event);
        result
    }
}

/// The thread of a handler.
///
/// # Safety
///
/// `data` is an [`irqaction`] that is valid until the thread has ended.
pub(super) unsafe extern "C" fn irq_thread(data: *mut c_void) -> c_int {
    let action: *mut irqaction = data.cast();
    let me = task::current();
    globals::with(|globals| loop {
        // Before the look, so that no wake-up is lost.
        me.set_state(TASK_IDLE);
        let inner = globals.irqs.lock();
        // SAFETY: `action` is valid: the caller's guarantee. The lock is held.
        let run = unsafe { take(&mut (*action).run_thread) };
        drop(inner);
        // SAFETY: `kthread_should_stop()` has no preconditions.
        if !run && unsafe { kthread_should_stop() } {
            return me.set_state(TASK_RUNNING);
        }
        if !run {
            me.schedule(None);
            slept();
            continue;
        }
        me.set_state(TASK_RUNNING);
        // SAFETY: As above.
        unsafe {
            let thing = handlers_of((*(*action).desc).irq);
            blocked::acquired(thing, Location::caller());
            self::run(action, true);
            blocked::released(thing.id);
        }
        let mut inner = globals.irqs.lock();
        // SAFETY: As above, and the lock is held.
        unsafe { (*(*action).desc).threads_active -= 1 };
        globals.irqs.wake(&mut inner);
    });
    0
}
