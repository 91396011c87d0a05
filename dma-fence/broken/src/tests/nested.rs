// SPDX-License-Identifier: GPL-2.0-only
//! Locks inside locks, as drivers and containers of fences on the C API nest them, beside what looks
//! like it and is wrong.

use crate::exporter::{finish, job, job_with, pending_job, zeroed, Timeline, OPS};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_driver_name,
    dma_fence_enable_signaling, dma_fence_init, dma_fence_lock_irqsave, dma_fence_ops,
    dma_fence_put, dma_fence_signal, dma_fence_unlock_irqrestore,
};
use core::{mem::offset_of, ptr::null_mut};
use kernel::{
    bindings::{
        __mutex_init, hrtimer, hrtimer_cancel, hrtimer_mode_HRTIMER_MODE_REL, hrtimer_restart,
        hrtimer_restart_HRTIMER_NORESTART, hrtimer_setup, hrtimer_start_range_ns,
        hrtimer_try_to_cancel, init_irq_work, irq_work, irq_work_queue, irq_work_sync, kfree,
        lock_class_key, lockdep_set_class, mutex, mutex_lock_nested, mutex_unlock, spin_lock,
        spin_lock_irqsave, spin_unlock, spin_unlock_irqrestore, CLOCK_MONOTONIC,
    },
    ffi::c_int,
    prelude::*,
    sync::rcu,
    time::{delay::fsleep, Delta},
};

/// A fence of fences: of one, and of those that the one before it is of.
#[repr(C)]
struct Container {
    /// With the container's own timeline.
    base: dma_fence,
    timeline: *mut Timeline,
    cb: dma_fence_cb,
    later: irq_work,
    member: *mut dma_fence,
    /// Null for a container that is no link of a chain, and for the first.
    before: *mut Container,
}

static CONTAINER: dma_fence_ops = dma_fence_ops {
    enable_signaling: Some(enable_signaling),
    ..OPS
};

/// # Safety
///
/// The fence is that of a [`Container`], under its lock.
unsafe extern "C" fn enable_signaling(fence: *mut dma_fence) -> bool {
    // SAFETY: The fence is the first member of a `Container`: the caller's guarantee.
    unsafe { listen(fence.cast()) }
}

/// Listens to the first member that has not signalled; false if there is none.
///
/// # Safety
///
/// The container lives, and its callback is on no list.
unsafe fn listen(container: *mut Container) -> bool {
    // SAFETY: The container, those before it and their members live: the caller's guarantee.
    unsafe {
        let cb = &raw mut (*container).cb;
        let first = (*container).before;
        [first, container].into_iter().any(|link| {
            let member = match link.is_null() {
                true => return false,
                false => (*link).member,
            };
            dma_fence_add_callback(member, cb, Some(member_signals)) == 0 // BUG
        })
    }
}

/// # Safety
///
/// The callback is that of a [`Container`].
unsafe extern "C" fn member_signals(_member: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The callback is a field of a `Container`: the caller's guarantee.
    unsafe {
        let container: *mut Container = cb.byte_sub(offset_of!(Container, cb)).cast();
        irq_work_queue(&raw mut (*container).later);
    }
}

/// # Safety
///
/// The work is that of a [`Container`].
unsafe extern "C" fn signal_container(work: *mut irq_work) {
    // SAFETY: The work is a field of a `Container`: the caller's guarantee.
    unsafe {
        let container: *mut Container = work.byte_sub(offset_of!(Container, later)).cast();
        if !listen(container) {
            dma_fence_signal(container.cast());
        }
    }
}

/// Kinds of containers, by the class of their locks.
static mut ARRAY: lock_class_key = lock_class_key::new();
static mut CHAIN: lock_class_key = lock_class_key::new();

/// A container of `member`, whose lock is of the class `key`, or that of all fences if that is null.
fn container(member: *mut dma_fence, key: *mut lock_class_key) -> Result<*mut Container> {
    let timeline = Timeline::new()?;
    let container = zeroed::<Container>()?;
    // SAFETY: All of this is ours; the name is a literal.
    unsafe {
        let lock = &raw mut (*timeline).lock;
        lockdep_set_class(lock, c"container".as_char_ptr(), key);
        let lock = if key.is_null() { null_mut() } else { lock };
        dma_fence_init(&raw mut (*container).base, &CONTAINER, lock, 7, 1);
        (*container).timeline = timeline;
        (*container).member = member;
        init_irq_work(&raw mut (*container).later, Some(signal_container));
    }
    Ok(container)
}

/// Waits until the container has signalled, and frees it.
///
/// # Safety
///
/// Its members have signalled, and the caller does not use it any more.
unsafe fn free(container: *mut Container) {
    // SAFETY: The container is the caller's to give up.
    unsafe {
        irq_work_sync(&raw mut (*container).later);
        let timeline = (*container).timeline;
        dma_fence_signal(container.cast());
        dma_fence_put(container.cast());
        finish(timeline, []);
    }
}

/// Containers listen to their members under their own lock, which is of another class; and signal in
/// an interrupt of their own. The mistake is that both locks are of one class.
pub(super) fn container_over_its_member(wrong: bool) -> Result {
    let (timeline, member) = pending_job()?;
    let array = container(member, if wrong { null_mut() } else { &raw mut ARRAY })?;
    // SAFETY: All of this is ours.
    unsafe {
        dma_fence_enable_signaling(array.cast());
        finish_all(timeline, member, [array]);
    }
    Ok(())
}

/// Signals the member, and frees what contains it, from within.
///
/// # Safety
///
/// All of this is the caller's to give up.
unsafe fn finish_all<const N: usize>(
    timeline: *mut Timeline,
    member: *mut dma_fence,
    containers: [*mut Container; N],
) {
    // SAFETY: The caller's guarantees are the same.
    unsafe {
        dma_fence_signal(member);
        containers.into_iter().for_each(|container| free(container));
        finish(timeline, [member]);
    }
}

/// A link of a chain listens to the members of those before it, one after the other. The mistake is
/// that it listens to the link before it, whose lock is of the same class.
pub(super) fn chain_over_a_chain(wrong: bool) -> Result {
    let (timeline, member) = pending_job()?;
    let last = job(timeline, 2)?;
    let first = container(member, &raw mut CHAIN)?;
    let second = container(last, &raw mut CHAIN)?;
    // SAFETY: All of this is ours.
    unsafe {
        match wrong {
            true => (*second).member = first.cast(),
            false => (*second).before = first,
        }
        dma_fence_enable_signaling(second.cast());
        dma_fence_enable_signaling(first.cast());
        dma_fence_signal(member);
        dma_fence_signal(last);
        free(first);
        free(second);
        finish(timeline, [member, last]);
    }
    Ok(())
}

/// An array listens to links of chains, and these to fences. The mistake is a chain of such arrays.
pub(super) fn array_over_chains(wrong: bool) -> Result {
    let (timeline, member) = pending_job()?;
    let link = container(member, &raw mut CHAIN)?;
    let array = container(link.cast(), &raw mut ARRAY)?;
    // SAFETY: All of this is ours.
    unsafe {
        dma_fence_enable_signaling(array.cast());
        let outer = match wrong {
            true => container(array.cast(), &raw mut CHAIN)?,
            false => container(member, &raw mut CHAIN)?,
        };
        dma_fence_enable_signaling(outer.cast());
        finish_all(timeline, member, [link, array, outer]);
    }
    Ok(())
}

/// A job whose fence a timer signals, if the interrupt does not come.
#[repr(C)]
struct Watchdog {
    timer: hrtimer,
    fence: *mut dma_fence,
}

/// # Safety
///
/// The timer is that of a [`Watchdog`], whose fence lives.
unsafe extern "C" fn watchdog(timer: *mut hrtimer) -> hrtimer_restart {
    // SAFETY: It is the first member of a `Watchdog`: the caller's guarantee.
    unsafe { dma_fence_signal((*timer.cast::<Watchdog>()).fence) };
    hrtimer_restart_HRTIMER_NORESTART
}

/// A task looks at a job under the lock of its fence, and has the timer that signals it begin anew. It
/// must not wait for the timer there.
pub(super) fn timer_that_signals(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let dog = zeroed::<Watchdog>()?;
    // SAFETY: All of this is ours. The mistake is that the function of the timer takes the lock.
    unsafe {
        (*dog).fence = fence;
        let timer = &raw mut (*dog).timer;
        let mode = hrtimer_mode_HRTIMER_MODE_REL;
        hrtimer_setup(timer, Some(watchdog), CLOCK_MONOTONIC as c_int, mode);
        hrtimer_start_range_ns(timer, 1_000_000, 0, mode);
        fsleep(Delta::from_millis(2));
        let flags = dma_fence_lock_irqsave(fence);
        match wrong {
            true => hrtimer_cancel(timer), // BUG
            false => hrtimer_try_to_cancel(timer),
        };
        dma_fence_unlock_irqrestore(fence, flags);
        hrtimer_cancel(timer);
        kfree(dog.cast());
        finish(timeline, [fence]);
    }
    Ok(())
}

/// A job whose fence an interrupt signals.
#[repr(C)]
struct Interrupt {
    later: irq_work,
    fence: *mut dma_fence,
}

/// # Safety
///
/// The work is that of an [`Interrupt`], whose fence lives.
unsafe extern "C" fn interrupt(work: *mut irq_work) {
    // SAFETY: It is the first member of an `Interrupt`: the caller's guarantee.
    unsafe { dma_fence_signal((*work.cast::<Interrupt>()).fence) };
}

/// The lock of a ring is that of its fences, which an interrupt signals; a task looks into the ring.
pub(super) fn lock_that_the_interrupt_takes(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    let irq = zeroed::<Interrupt>()?;
    // SAFETY: All of this is ours. The mistake is that the interrupt may come while the lock is held.
    unsafe {
        let lock = &raw mut (*timeline).lock;
        (*irq).fence = job_with(timeline, 1, &OPS, lock)?;
        init_irq_work(&raw mut (*irq).later, Some(interrupt));
        if wrong {
            spin_lock(lock); // BUG
            spin_unlock(lock);
        } else {
            let flags = spin_lock_irqsave(lock);
            spin_unlock_irqrestore(lock, flags);
        }
        irq_work_queue(&raw mut (*irq).later);
        irq_work_sync(&raw mut (*irq).later);
        finish(timeline, [(*irq).fence]);
        kfree(irq.cast());
    }
    Ok(())
}

/// The names of one fence are read under the lock of another, as a driver does that prints its ring.
/// There is no wrong way round: the section waits for nothing.
pub(super) fn names_under_a_lock(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let other = job(timeline, 2)?;
    // SAFETY: The references and the timeline are ours.
    unsafe {
        let outer = wrong.then(rcu::read_lock);
        let flags = dma_fence_lock_irqsave(fence);
        let inner = rcu::read_lock();
        let name = dma_fence_driver_name(other);
        drop((name, inner));
        dma_fence_unlock_irqrestore(fence, flags);
        drop(outer);
        finish(timeline, [fence, other]);
    }
    Ok(())
}

/// A parent is locked before its child, both of one class.
pub(super) fn child_under_its_parent(wrong: bool) -> Result {
    static mut KEY: lock_class_key = lock_class_key::new();
    let family = zeroed::<[mutex; 2]>()?;
    // SAFETY: The memory is ours, and the name and the key are static; what is taken is released.
    unsafe {
        let [parent, child] = [0, 1].map(|n| family.cast::<mutex>().add(n));
        for lock in [parent, child] {
            __mutex_init(lock, c"family".as_char_ptr(), &raw mut KEY);
        }
        mutex_lock_nested(parent, 0); // BUG
        mutex_lock_nested(child, if wrong { 0 } else { 1 }); // BUG
        mutex_unlock(child);
        mutex_unlock(parent);
        kfree(family.cast());
    }
    Ok(())
}
