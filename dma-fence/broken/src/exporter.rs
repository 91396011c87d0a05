// SPDX-License-Identifier: GPL-2.0-only
//! An exporter as C has them: a timeline with a name, and fences that point to it.

use ::dma_fence::bindings::{
    callback_head, dma_fence, dma_fence_cb, dma_fence_context_alloc, dma_fence_init, dma_fence_ops,
};
use core::sync::atomic::AtomicU64;
use kernel::{
    bindings::{__spin_lock_init, kfree, kzalloc_obj, spinlock_t, GFP_KERNEL},
    error::{code::ENOMEM, Result},
    ffi::c_char,
    str::CStrExt as _,
};

/// What the fences of one queue have in common.
#[repr(C)]
pub(crate) struct Timeline {
    pub(crate) name: [u8; 8],
    number: u64,
    /// The last job that the hardware has done.
    pub(crate) done: AtomicU64,
    /// For a driver whose fences share a lock.
    pub(crate) lock: spinlock_t,
    pub(crate) rcu: callback_head,
}

/// A job's fence.
#[repr(C)]
struct JobFence {
    base: dma_fence,
    timeline: *mut Timeline,
}

/// Somebody who waits, and has been told.
#[repr(C)]
pub(crate) struct Waiter {
    pub(crate) cb: dma_fence_cb,
    pub(crate) told: bool,
}

/// Fresh memory for a `T`.
pub(crate) fn zeroed<T>() -> Result<*mut T> {
    // SAFETY: Nothing is asked for.
    let new = unsafe { kzalloc_obj::<T>(GFP_KERNEL) };
    if new.is_null() {
        return Err(ENOMEM);
    }
    Ok(new)
}

impl Timeline {
    pub(crate) fn new() -> Result<*mut Self> {
        let timeline = zeroed::<Self>()?;
        // SAFETY: Fresh memory, which nobody else knows.
        unsafe {
            (*timeline).name = *b"ring0\0\0\0";
            (*timeline).number = dma_fence_context_alloc(1);
            let lock = &raw mut (*timeline).lock;
            __spin_lock_init(lock, c"lock".as_char_ptr(), core::ptr::null_mut());
        }
        Ok(timeline)
    }

    /// Frees it, now.
    ///
    /// # Safety
    ///
    /// It is not used any more, if the driver keeps the rules.
    #[track_caller]
    pub(crate) unsafe fn free(timeline: *mut Self) {
        // SAFETY: By the safety requirements.
        unsafe { kfree(timeline.cast()) };
    }
}

/// The fence of a job on `timeline`, whose reference is the caller's.
#[track_caller]
pub(crate) fn job(timeline: *mut Timeline, seqno: u64) -> Result<*mut dma_fence> {
    job_with(timeline, seqno, &OPS, core::ptr::null_mut())
}

/// As [`job`], with other ops, and a lock that is shared if it is not null.
#[track_caller]
pub(crate) fn job_with(
    timeline: *mut Timeline,
    seqno: u64,
    ops: &'static dma_fence_ops,
    lock: *mut spinlock_t,
) -> Result<*mut dma_fence> {
    let job = zeroed::<JobFence>()?;
    // SAFETY: Fresh memory, which nobody else knows; the ops are static.
    unsafe {
        (*job).timeline = timeline;
        let fence = &raw mut (*job).base;
        dma_fence_init(fence, ops, lock, (*timeline).number, seqno);
        Ok(fence)
    }
}

/// # Safety
///
/// `fence` is that of a [`JobFence`], whose timeline lives.
pub(crate) unsafe fn timeline_of(fence: *mut dma_fence) -> *mut Timeline {
    // SAFETY: By the safety requirements; the fence is the first member.
    unsafe { (*fence.cast::<JobFence>()).timeline }
}

/// # Safety
///
/// None; the type of an op asks for it.
unsafe extern "C" fn get_driver_name(_fence: *mut dma_fence) -> *const c_char {
    c"broken".as_char_ptr()
}

/// # Safety
///
/// As [`timeline_of`].
unsafe extern "C" fn get_timeline_name(fence: *mut dma_fence) -> *const c_char {
    // SAFETY: By the safety requirements.
    unsafe { (&raw const (*timeline_of(fence)).name).cast() }
}

/// Ops with names alone.
pub(crate) const OPS: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(get_driver_name),
    get_timeline_name: Some(get_timeline_name),
    enable_signaling: None,
    signaled: None,
    wait: None,
    release: None,
    set_deadline: None,
};

/// A callback that notes that it was called.
///
/// # Safety
///
/// `cb` is that of a [`Waiter`].
pub(crate) unsafe extern "C" fn tell(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: By the safety requirements; it is the first member.
    unsafe { (*cb.cast::<Waiter>()).told = true };
}
