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
        __mutex_init, init_irq_work, irq_work, irq_work_queue, irq_work_sync, kfree,
        lock_class_key, mutex, mutex_lock_nested, mutex_unlock, spin_lock, spin_lock_irqsave,
        spin_unlock, spin_unlock_irqrestore,
    },
    prelude::*,
    sync::rcu,
};

/// A fence of fences, of which this one has a single member.
#[repr(C)]
struct Container {
    /// With the container's own timeline.
    base: dma_fence,
    timeline: *mut Timeline,
    cb: dma_fence_cb,
    later: irq_work,
    member: *mut dma_fence,
}

static CONTAINER: dma_fence_ops = dma_fence_ops {
    enable_signaling: Some(wait_for_the_member),
    ..OPS
};

/// # Safety
///
/// The fence is that of a [`Container`], under its lock.
unsafe extern "C" fn wait_for_the_member(fence: *mut dma_fence) -> bool {
    let container: *mut Container = fence.cast();
    // SAFETY: The fence is the first member of a `Container`: the caller's guarantee.
    unsafe {
        let cb = &raw mut (*container).cb;
        let member = (*container).member;
        dma_fence_add_callback(member, cb, Some(member_signals)) == 0 // BUG
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
    unsafe { dma_fence_signal(work.byte_sub(offset_of!(Container, later)).cast()) };
}

/// Containers listen to their members under their own lock, which is of another class; and signal in
/// an interrupt of their own. A container of containers would need one class for each level.
pub(super) fn container_over_its_member(wrong: bool) -> Result {
    let (timeline, member) = pending_job()?;
    let outer = Timeline::new()?;
    let container = zeroed::<Container>()?;
    // SAFETY: All of this is ours. The mistake is that both locks are of one class.
    unsafe {
        let lock = match wrong {
            true => null_mut(),
            false => &raw mut (*outer).lock,
        };
        dma_fence_init(&raw mut (*container).base, &CONTAINER, lock, 7, 1);
        (*container).timeline = outer;
        (*container).member = member;
        init_irq_work(&raw mut (*container).later, Some(signal_container));
        dma_fence_enable_signaling(&raw mut (*container).base);
        dma_fence_signal(member);
        irq_work_sync(&raw mut (*container).later);
        dma_fence_put(&raw mut (*container).base);
        finish(timeline, [member]);
        finish(outer, []);
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
