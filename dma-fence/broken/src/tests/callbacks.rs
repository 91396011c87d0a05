// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks and ops that do what they must not, and misuse of callbacks.

use crate::exporter::{
    finish, job, job_with, notify, pending_job, zeroed, Timeline, Waiter, OPS, WITH_RELEASE,
};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_enable_signaling, dma_fence_func_t,
    dma_fence_get, dma_fence_get_status, dma_fence_init, dma_fence_is_signaled, dma_fence_ops,
    dma_fence_put, dma_fence_remove_callback, dma_fence_seqno, dma_fence_set_deadline,
    dma_fence_signal,
};
use core::{
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering::Relaxed},
};
use kernel::{
    bindings::{kfree, list_del_init, might_sleep, synchronize_rcu, INIT_LIST_HEAD},
    prelude::*,
    testing::{device_gone, insmod},
};

/// A callback that is added, in memory that is there for all machines, and is pending at the end of this one.
#[cfg(feature = "debug")]
pub(super) fn pending_at_the_end() -> Result {
    static CB: AtomicPtr<dma_fence_cb> = AtomicPtr::new(null_mut());
    if CB.load(Relaxed).is_null() {
        CB.store(zeroed()?, Relaxed);
    }
    let (_, fence) = pending_job()?;
    // SAFETY: The fence stays, and the callback is added to none of this machine but that.
    unsafe { dma_fence_add_callback(fence, CB.load(Relaxed), Some(notify)) };
    Ok(())
}

/// Has `func` called for a job that signals; `notify` if not `wrong`.
fn called(wrong: bool, func: dma_fence_func_t) -> Result {
    let (timeline, fence) = pending_job()?;
    let waiter = zeroed::<Waiter>()?;
    let right: dma_fence_func_t = Some(notify);
    let func = if wrong { func } else { right };
    // SAFETY: All of this is ours until the fence has signalled.
    unsafe {
        dma_fence_add_callback(fence, &raw mut (*waiter).cb, func);
        finish(timeline, [fence]);
        kfree(waiter.cast());
    }
    Ok(())
}

pub(super) fn that_sleeps(wrong: bool) -> Result {
    extern "C" fn sleeps(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
        // SAFETY: `might_sleep()` has no preconditions.
        unsafe { might_sleep() };
    }
    called(wrong, Some(sleeps))
}

pub(super) fn that_takes_the_lock(wrong: bool) -> Result {
    /// # Safety
    ///
    /// The fence signals.
    unsafe extern "C" fn takes_the_lock(fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
        // SAFETY: A fence that signals is valid.
        unsafe { dma_fence_get_status(fence) };
    }
    called(wrong, Some(takes_the_lock))
}

/// A callback signals a fence of another ring: under the lock of its own.
pub(super) fn that_signals_another(wrong: bool) -> Result {
    static NEXT: AtomicPtr<dma_fence> = AtomicPtr::new(null_mut());

    /// # Safety
    ///
    /// `NEXT` is a fence.
    unsafe extern "C" fn signals_the_next(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
        // SAFETY: `NEXT` is a fence: the caller says so.
        unsafe { dma_fence_signal(NEXT.load(Relaxed)) };
    }
    let (timeline, next) = pending_job()?;
    NEXT.store(next, Relaxed);
    called(wrong, Some(signals_the_next))?;
    // SAFETY: The reference and the timeline are ours.
    unsafe { finish(timeline, [next]) };
    Ok(())
}

/// The last reference to a fence with the lock of the one that signals, or with its own.
pub(super) fn that_drops_the_last_reference(wrong: bool) -> Result {
    static DROPPED: AtomicPtr<dma_fence> = AtomicPtr::new(null_mut());

    /// # Safety
    ///
    /// The reference to the other fence is the callback's.
    unsafe extern "C" fn drops(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
        // SAFETY: The reference is the callback's.
        unsafe { dma_fence_put(DROPPED.load(Relaxed)) };
    }

    let timeline = Timeline::new()?;
    let waiter = zeroed::<Waiter>()?;
    // SAFETY: All of this is ours until the fences are gone.
    unsafe {
        let lock = &raw mut (*timeline).lock;
        let other = if wrong { lock } else { null_mut() };
        let fence = job_with(timeline, 1, &OPS, lock)?;
        let other = job_with(timeline, 2, &OPS, other)?;
        dma_fence_signal(other);
        DROPPED.store(other, Relaxed);
        dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(drops));
        finish(timeline, [fence]);
        kfree(waiter.cast());
    }
    Ok(())
}

extern "C" fn sleeping_op(_fence: *mut dma_fence) -> bool {
    // SAFETY: `might_sleep()` has no preconditions.
    unsafe { might_sleep() };
    true
}

extern "C" fn sleeping_deadline(_fence: *mut dma_fence, _deadline: i64) {
    // SAFETY: `might_sleep()` has no preconditions.
    unsafe { might_sleep() };
}

/// Calls an op of a pending fence, which sleeps if `wrong`.
fn op_called(wrong: bool, call: impl FnOnce(*mut dma_fence)) -> Result {
    static SLEEPING: dma_fence_ops = dma_fence_ops {
        enable_signaling: Some(sleeping_op),
        set_deadline: Some(sleeping_deadline),
        ..OPS
    };
    let timeline = Timeline::new()?;
    let ops = if wrong { &SLEEPING } else { &OPS };
    let fence = job_with(timeline, 1, ops, null_mut())?;
    call(fence);
    // SAFETY: The reference and the timeline are ours.
    unsafe { finish(timeline, [fence]) };
    Ok(())
}

pub(super) fn enable_signaling_that_sleeps(wrong: bool) -> Result {
    // SAFETY: The reference is the caller's.
    op_called(wrong, |fence| unsafe { dma_fence_enable_signaling(fence) })
}

pub(super) fn set_deadline_that_sleeps(wrong: bool) -> Result {
    // SAFETY: The reference is the caller's.
    op_called(wrong, |fence| unsafe { dma_fence_set_deadline(fence, 7) })
}

/// The lock is not held when this op is called.
pub(super) fn set_deadline_that_takes_the_lock() -> Result {
    /// # Safety
    ///
    /// The fence is valid.
    unsafe extern "C" fn takes_the_lock(fence: *mut dma_fence, _deadline: i64) {
        // SAFETY: The fence is valid: the caller's guarantee.
        unsafe { dma_fence_get_status(fence) };
    }
    const TAKES: dma_fence_ops = dma_fence_ops {
        set_deadline: Some(takes_the_lock),
        ..OPS
    };
    let timeline = Timeline::new()?;
    let fence = job_with(timeline, 1, &TAKES, null_mut())?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        dma_fence_set_deadline(fence, 7);
        finish(timeline, [fence]);
    }
    Ok(())
}

/// Nor is it when this one is called, if a task polls; the other fence has the same lock.
pub(super) fn signaled_that_drops_a_reference() -> Result {
    static DROPPED: AtomicPtr<dma_fence> = AtomicPtr::new(null_mut());

    /// # Safety
    ///
    /// The reference to the other fence is the op's.
    unsafe extern "C" fn drops(_fence: *mut dma_fence) -> bool {
        // SAFETY: The reference is the op's, which drops it once.
        unsafe { dma_fence_put(DROPPED.swap(null_mut(), Relaxed)) };
        true
    }
    const DROPS: dma_fence_ops = dma_fence_ops {
        signaled: Some(drops),
        ..OPS
    };
    let timeline = Timeline::new()?;
    // SAFETY: All of this is ours until the fences are gone.
    unsafe {
        let lock = &raw mut (*timeline).lock;
        let (fence, other) = (
            job_with(timeline, 1, &DROPS, lock)?,
            job_with(timeline, 2, &OPS, lock)?,
        );
        dma_fence_signal(other);
        DROPPED.store(other, Relaxed);
        assert!(dma_fence_is_signaled(fence));
        finish(timeline, [fence]);
    }
    Ok(())
}

/// Removed although it was never added, or was added too late.
pub(super) fn never_added(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let waiter = zeroed::<Waiter>()?;
    // SAFETY: All of this is ours.
    unsafe {
        let cb = &raw mut (*waiter).cb;
        if wrong {
            INIT_LIST_HEAD(&raw mut (*cb).node);
        } else {
            dma_fence_signal(fence);
            dma_fence_add_callback(fence, cb, Some(notify));
        }
        dma_fence_remove_callback(fence, cb);
        finish(timeline, [fence]);
        kfree(waiter.cast());
    }
    Ok(())
}

/// Takes a callback out of its fence's list.
///
/// # Safety
///
/// The callback was added to a fence that no other thread uses.
unsafe fn take_out(wrong: bool, fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The callback is in the list, which no other thread uses.
    unsafe {
        if wrong {
            // By hand, so that the fence can still signal: as far as it knows, it is there.
            list_del_init(&raw mut (*cb).node);
        } else {
            dma_fence_remove_callback(fence, cb);
        }
    }
}

pub(super) fn freed_while_pending(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let waiter = zeroed::<Waiter>()?;
    // SAFETY: All of this is ours, and the callback is not in the list when it goes.
    unsafe {
        let cb = &raw mut (*waiter).cb;
        dma_fence_add_callback(fence, cb, Some(notify));
        take_out(wrong, fence, cb);
        kfree(waiter.cast());
        finish(timeline, [fence]);
    }
    Ok(())
}

pub(super) fn on_two_fences(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    let (old, new) = (job(timeline, 1)?, job(timeline, 2)?);
    let waiter = zeroed::<Waiter>()?;
    // SAFETY: All of this is ours, and the callback is in one list at a time.
    unsafe {
        let cb = &raw mut (*waiter).cb;
        dma_fence_add_callback(old, cb, Some(notify));
        take_out(wrong, old, cb);
        dma_fence_add_callback(new, cb, Some(notify));
        finish(timeline, [old, new]);
        kfree(waiter.cast());
    }
    Ok(())
}

pub(super) fn fence_in_memory_of_another() -> Result {
    let timeline = Timeline::new()?;
    let mut fence = core::mem::MaybeUninit::<dma_fence>::zeroed();
    let fence = fence.as_mut_ptr();
    // SAFETY: The fence is on this stack, and no other thread has a reference or uses the timeline.
    unsafe {
        for seqno in [1, 2] {
            dma_fence_init(fence, &OPS, null_mut(), 1, seqno);
            dma_fence_signal(fence);
        }
        synchronize_rcu();
        Timeline::free(timeline);
    }
    Ok(())
}

/// A module that waits for others' fences, and has an op.
struct Importer;

impl kernel::Module for Importer {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

module! {
    type: Importer,
    name: "importer",
    license: "GPL",
}

pub(super) fn left_behind_by_a_module(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    // Of another file, so that only the callback is the module's.
    let fence = super::elsewhere(timeline)?;
    let waiter = zeroed::<Waiter>()?;
    let module = insmod::<Importer>()?;
    // SAFETY: All of this is ours; `notify` stays although the module goes.
    unsafe {
        let cb = &raw mut (*waiter).cb;
        dma_fence_add_callback(fence, cb, Some(notify));
        if !wrong {
            dma_fence_remove_callback(fence, cb);
        }
        drop(module);
        finish(timeline, [fence]);
        kfree(waiter.cast());
    }
    Ok(())
}

pub(super) fn left_behind_by_a_device(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    let fence = super::elsewhere(timeline)?;
    let waiter = zeroed::<Waiter>()?;
    // SAFETY: All of this is ours.
    unsafe {
        let cb = &raw mut (*waiter).cb;
        dma_fence_add_callback(fence, cb, Some(notify));
        if !wrong {
            dma_fence_remove_callback(fence, cb);
        }
        device_gone::<Importer>();
        finish(timeline, [fence]);
        kfree(waiter.cast());
    }
    Ok(())
}

/// A fence that has signalled, but is still in a buffer.
pub(super) fn release_op_of_a_module(wrong: bool) -> Result {
    let module = insmod::<Importer>()?;
    let timeline = Timeline::new()?;
    let ops = if wrong { &WITH_RELEASE } else { &OPS };
    let fence = job_with(timeline, 1, ops, null_mut())?;
    // SAFETY: The references and the timeline are ours; `release` stays although the module goes.
    unsafe {
        let in_the_buffer = dma_fence_get(fence);
        dma_fence_signal(fence);
        dma_fence_put(fence);
        drop(module);
        finish(timeline, [in_the_buffer]);
    }
    Ok(())
}

/// Callbacks called inside each other, more deeply than the checks count.
pub(super) fn nested_deeply() -> Result {
    const DEEP: usize = 20;
    static CHAIN: [AtomicPtr<dma_fence>; DEEP] = [const { AtomicPtr::new(null_mut()) }; DEEP];
    static POLLED: dma_fence_ops = dma_fence_ops {
        signaled: Some(is_done),
        ..OPS
    };

    /// # Safety
    ///
    /// The fence is one of the chain, whose references the test has.
    unsafe extern "C" fn ask_the_next(fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
        let at = CHAIN.iter().position(|link| link.load(Relaxed) == fence);
        if let Some(next) = at.and_then(|at| CHAIN.get(at + 1)) {
            // SAFETY: The test has a reference.
            unsafe { dma_fence_get_status(next.load(Relaxed)) };
        }
    }

    /// True for all but the last one.
    ///
    /// # Safety
    ///
    /// The fence is valid.
    unsafe extern "C" fn is_done(fence: *mut dma_fence) -> bool {
        // SAFETY: The fence is valid.
        unsafe { dma_fence_seqno(fence) + 1 != DEEP as u64 }
    }

    let timeline = Timeline::new()?;
    let mut waiters = KVec::with_capacity(DEEP, GFP_KERNEL)?;
    // SAFETY: All of this is ours until the fences are gone.
    unsafe {
        for (seqno, link) in (0..).zip(&CHAIN) {
            let (fence, waiter) = (
                job_with(timeline, seqno, &POLLED, null_mut())?,
                zeroed::<Waiter>()?,
            );
            dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(ask_the_next));
            link.store(fence, Relaxed);
            waiters.push(waiter, GFP_KERNEL)?;
        }
        dma_fence_get_status(CHAIN[0].load(Relaxed));
        finish(timeline, CHAIN.each_ref().map(|link| link.load(Relaxed)));
        for &waiter in &waiters {
            kfree(waiter.cast());
        }
    }
    Ok(())
}
