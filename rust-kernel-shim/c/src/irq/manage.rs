// SPDX-License-Identifier: GPL-2.0-only
//! Handlers of interrupts: requested, freed, waited for; and lines that are disabled.
//!
//! C file mirrored: [`kernel/irq/manage.c`](srctree/kernel/irq/manage.c)

use super::{handle::irq_thread, irq_work::irq_work_queue, irqdesc::*};
use crate::{
    base::vsprintf::Cut,
    ffi::{c_char, c_int, c_uint, c_ulong, c_void},
    from_char_ptr, get_task_struct, globals, is_err, kfree, kmalloc_obj, kthread_create,
    kthread_stop,
    lockdep::{dep_map, Off, What},
    may_sleep, put_task_struct, rcu_order,
    rule::site,
    sched::wait::wait_event,
    wake_up_process, EBUSY, EINVAL, ENOMEM, GFP_KERNEL, MAX_SCHEDULE_TIMEOUT, TASK_COMM_LEN, WARN,
};
use core::{
    fmt::Write,
    panic::Location,
    ptr::{addr_of_mut, null, null_mut},
};
use machine::{blocked, failed};

/// Has `handler` called for the interrupts of a line, with `dev`. May sleep.
///
/// Returns 0, or what [`request_threaded_irq`] does.
///
/// # Safety
///
/// As [`request_threaded_irq`].
#[track_caller]
pub unsafe fn request_irq(
    irq: c_uint,
    handler: irq_handler_t,
    flags: c_ulong,
    name: *const c_char,
    dev: *mut c_void,
) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    unsafe { request_threaded_irq(irq, handler, None, flags, name, dev) }
}

extern "C" fn default_handler(_irq: c_int, _dev: *mut c_void) -> irqreturn_t {
    irqreturn_IRQ_WAKE_THREAD
}

/// Has `handler` called in a hard interrupt for the interrupts of a line, with `dev`, and `thread_fn`
/// in a thread if that says so; without a `handler`, always. May sleep.
///
/// Returns 0; `-EINVAL` if there is no such line or such flags; `-EBUSY` if it has a handler and not
/// both share it; `-ENOMEM`.
///
/// # Safety
///
/// The functions may be called with `dev`, in these contexts, until [`free_irq`] has returned; the
/// name lives as long.
#[track_caller]
pub unsafe fn request_threaded_irq(
    irq: c_uint,
    handler: irq_handler_t,
    thread_fn: irq_handler_t,
    flags: c_ulong,
    name: *const c_char,
    dev: *mut c_void,
) -> c_int {
    may_sleep();
    let at = Location::caller();
    // CAST: The flags of a handler are below 32 bits.
    let flags = flags as c_uint;
    let has = |flag| flags & flag != 0;
    let refused = has(IRQF_SHARED) && (dev.is_null() || has(IRQF_NO_AUTOEN))
        || has(IRQF_COND_SUSPEND) && (!has(IRQF_SHARED) || has(IRQF_NO_SUSPEND))
        || has(IRQF_TRIGGER_HIGH | IRQF_TRIGGER_LOW)
        || handler.is_none() && (thread_fn.is_none() || !has(IRQF_ONESHOT));
    let Some(desc) = with(irq, |desc| desc).filter(|_| !refused) else {
        return -EINVAL.cast_signed();
    };
    // SAFETY: `kmalloc_obj()` has no preconditions.
    let action: *mut irqaction = unsafe { kmalloc_obj(GFP_KERNEL) };
    if action.is_null() {
        return -ENOMEM.cast_signed();
    }
    let handler = handler.or(Some(default_handler));
    let map = |function: irq_handler_t| {
        let key = function.map_or(null_mut(), |function| function as *mut c_void);
        // SAFETY: A name lives forever. All handlers of a function are of one class.
        unsafe { dep_map::named(name, key.cast(), What::Event) }
    };
    // SAFETY: The block is large enough, and ours.
    unsafe {
        action.write(irqaction {
            next: null_mut(),
            desc,
            handler,
            thread_fn,
            dev_id: dev,
            flags,
            name,
            thread: null_mut(),
            run_thread: false,
            test: failed::this_test(),
            asked: cfg!(feature = "debug").then(|| Asked {
                stamp: rcu_order(),
                at: site(at),
            }),
            dep_maps: [map(handler), map(thread_fn)],
        });
    }
    // SAFETY: The action is ours, and the thread ends before it does.
    let result = match unsafe { start_thread(action) } {
        // SAFETY: The lock is held, and the action ours.
        0 => with(irq, |desc| unsafe { add(desc, action) }).unwrap_or(-EINVAL.cast_signed()),
        error => error,
    };
    if result != 0 {
        // SAFETY: On no line.
        unsafe { free(action) };
    }
    result
}

/// Starts the thread of a handler, if it is to have one; 0, or an error.
///
/// # Safety
///
/// `action` is the caller's, and freed by [`free`].
unsafe fn start_thread(action: *mut irqaction) -> c_int {
    // SAFETY: The action is the caller's, and its line is there.
    unsafe {
        if (*action).thread_fn.is_none() {
            return 0;
        }
        let mut comm = [0; TASK_COMM_LEN];
        let name = from_char_ptr((*action).name);
        let _ = write!(
            Cut(&mut comm[..TASK_COMM_LEN - 1], 0),
            "irq/{}-{}",
            (*(*action).desc).irq,
            Bytes(name.to_bytes())
        );
        let thread = kthread_create(irq_thread, action.cast(), comm.as_ptr());
        if is_err(thread) {
            return -ENOMEM.cast_signed();
        }
        get_task_struct(thread);
        (*action).thread = thread;
        wake_up_process(thread);
    }
    0
}

/// Bytes that are text, as far as they are.
struct Bytes<'a>(&'a [u8]);

impl core::fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(core::str::from_utf8(self.0).unwrap_or("?"))
    }
}

/// Adds a handler to a line; 0, or `-EBUSY`.
///
/// # Safety
///
/// The line is valid, and its lock held; `action` is the caller's.
unsafe fn add(desc: *mut irq_desc, action: *mut irqaction) -> c_int {
    // SAFETY: The caller's guarantees. The actions of a line are valid.
    unsafe {
        let new = (*action).flags;
        let mut link = addr_of_mut!((*desc).action);
        if !(*link).is_null() {
            let old = (**link).flags;
            let differ = (old ^ new) & (IRQF_TRIGGER_MASK | IRQF_ONESHOT) != 0;
            if old & new & IRQF_SHARED == 0 || differ {
                return -EBUSY.cast_signed();
            }
        } else {
            (*desc).depth = (new & IRQF_NO_AUTOEN != 0).into();
            (*desc).pending = false;
        }
        while !(*link).is_null() {
            link = addr_of_mut!((**link).next);
        }
        *link = action;
    }
    0
}

/// Ends a handler.
///
/// # Safety
///
/// `action` is from [`request_threaded_irq`], on no line, and does not run.
#[track_caller]
unsafe fn free(action: *mut irqaction) {
    // SAFETY: The action is the caller's. The thread ends only when it is asked to.
    unsafe {
        let thread = (*action).thread;
        if !thread.is_null() {
            kthread_stop(thread);
            put_task_struct(thread);
        }
        kfree(action.cast());
    }
}

/// Takes the handler back that was requested with `dev`, and waits until it does not run any more,
/// nor its thread. Returns its name, or null if there is none. May sleep.
///
/// # Safety
///
/// The caller is neither of the two, or it waits for itself, forever.
#[track_caller]
pub unsafe fn free_irq(irq: c_uint, dev: *mut c_void) -> *const c_char {
    may_sleep();
    let at = Location::caller();
    // SAFETY: The line is valid, and its actions are; the lock is held.
    let found = with(irq, |desc| unsafe {
        let mut link = addr_of_mut!((*desc).action);
        while !(*link).is_null() && (**link).dev_id != dev {
            link = addr_of_mut!((**link).next);
        }
        let action = *link;
        if !action.is_null() {
            *link = (*action).next;
        }
        if (*desc).action.is_null() {
            (*desc).depth = 1;
            (*desc).pending = false;
        }
        action
    });
    let action = found.unwrap_or(null_mut());
    if WARN!(action.is_null(), "Trying to free already-free IRQ {irq}") {
        return null();
    }
    // SAFETY: Off the line, so it is ours. What runs does not change it, but for `run_thread`.
    unsafe {
        touch(&(*action).dep_maps, at);
        wait_until_done(irq);
        let name = (*action).name;
        free(action);
        name
    }
}

/// The task is about to wait for a handler and its thread, for lockdep.
fn touch([handler, thread]: &[dep_map; 2], at: &'static Location<'static>) {
    handler.touch(Off::Hard, at);
    thread.touch(Off::None, at);
}

/// Waits until neither handlers of the line run nor their threads.
#[track_caller]
fn wait_until_done(irq: c_uint) {
    let _waits = blocked::waiting(handlers_of(irq));
    // SAFETY: The line is valid, and the lock held.
    let busy = |desc: *mut irq_desc| unsafe { (*desc).in_progress || (*desc).threads_active != 0 };
    let done = || with(irq, busy) != Some(true);
    if !done() {
        // SAFETY: The first lock has initialised the queue.
        globals::with(|globals| unsafe {
            wait_event(globals.irqs.done(), 0, MAX_SCHEDULE_TIMEOUT, done)
        });
    }
}

/// Waits until the handlers of the line that run now do not run any more, nor their threads. May
/// sleep.
///
/// # Safety
///
/// The caller is none of them, or it waits for itself, forever.
#[track_caller]
pub unsafe fn synchronize_irq(irq: c_uint) {
    may_sleep();
    let at = Location::caller();
    // Copies, since a handler may go; the first stands for all.
    let first = with(irq, |desc| {
        // SAFETY: The line is valid, and the lock held.
        let action = unsafe { (*desc).action };
        // SAFETY: As above; the maps never change.
        let maps = unsafe { (!action.is_null()).then(|| &(*action).dep_maps) };
        maps.map(|maps| maps.each_ref().map(dep_map::copy))
    });
    if let Some(maps) = first.flatten() {
        touch(&maps, at);
    }
    wait_until_done(irq);
}

/// Disables a line until [`enable_irq`] is called as often; its handlers may still run. From any
/// context.
pub unsafe fn disable_irq_nosync(irq: c_uint) {
    // SAFETY: The line is valid, and the lock held.
    with(irq, |desc| unsafe { (*desc).depth += 1 });
}

/// As [`disable_irq_nosync`], and waits until they do not. May sleep.
///
/// # Safety
///
/// As [`synchronize_irq`].
#[track_caller]
pub unsafe fn disable_irq(irq: c_uint) {
    // SAFETY: The caller's guarantees are the same.
    unsafe {
        disable_irq_nosync(irq);
        synchronize_irq(irq);
    }
}

/// Undoes one [`disable_irq`]; an interrupt that came meanwhile comes now. From any context.
pub unsafe fn enable_irq(irq: c_uint) {
    // SAFETY: The line is valid, and the lock held.
    let raise = with(irq, |desc| unsafe {
        if WARN!((*desc).depth == 0, "Unbalanced enable for IRQ {irq}") {
            return None;
        }
        (*desc).depth -= 1;
        ((*desc).depth == 0 && (*desc).pending).then(|| addr_of_mut!((*desc).raise))
    });
    if let Some(raise) = raise.flatten() {
        // SAFETY: The caller knows of the line, which is there.
        unsafe { irq_work_queue(raise) };
    }
}
