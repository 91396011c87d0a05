// SPDX-License-Identifier: GPL-2.0-only
//! An exporter as C has them: a timeline with a name, and fences that point to it.

use ::dma_fence::bindings::{
    callback_head, dma_fence, dma_fence_cb, dma_fence_context_alloc, dma_fence_free,
    dma_fence_init, dma_fence_ops, dma_fence_put, dma_fence_signal,
};
use core::{ptr::null_mut, sync::atomic::AtomicU64};
use kernel::{
    bindings::{__spin_lock_init, kfree, kzalloc_obj, spinlock_t, synchronize_rcu, GFP_KERNEL},
    error::{code::ENOMEM, Result},
    ffi::c_char,
    str::CStrExt as _,
};

/// A timeline, which the fences of one queue share.
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

/// A waiter that a callback notifies.
#[repr(C)]
pub(crate) struct Waiter {
    pub(crate) cb: dma_fence_cb,
    pub(crate) notified: bool,
}

/// Allocates zeroed memory for a `T`. May sleep.
pub(crate) fn zeroed<T>() -> Result<*mut T> {
    // SAFETY: `kzalloc_obj()` has no preconditions.
    let new = unsafe { kzalloc_obj::<T>(GFP_KERNEL) };
    if new.is_null() {
        return Err(ENOMEM);
    }
    Ok(new)
}

impl Timeline {
    pub(crate) fn new() -> Result<*mut Self> {
        let timeline = zeroed::<Self>()?;
        // SAFETY: The memory is fresh, and no other thread has its address.
        unsafe {
            (*timeline).name = *b"ring0\0\0\0";
            (*timeline).number = dma_fence_context_alloc(1);
            let lock = &raw mut (*timeline).lock;
            __spin_lock_init(lock, c"lock".as_char_ptr(), null_mut());
        }
        Ok(timeline)
    }

    /// Frees the timeline without waiting for a grace period.
    ///
    /// # Safety
    ///
    /// It is not used any more, if the driver keeps the rules.
    #[track_caller]
    pub(crate) unsafe fn free(timeline: *mut Self) {
        // SAFETY: It was allocated by `new()`, and is not used any more.
        unsafe { kfree(timeline.cast()) };
    }
}

/// Creates the fence of a job on `timeline`; the caller owns its reference.
#[track_caller]
pub(crate) fn job(timeline: *mut Timeline, seqno: u64) -> Result<*mut dma_fence> {
    job_with(timeline, seqno, &OPS, null_mut())
}

/// As [`job`], with other ops and, unless it is null, a shared lock.
#[track_caller]
pub(crate) fn job_with(
    timeline: *mut Timeline,
    seqno: u64,
    ops: &'static dma_fence_ops,
    lock: *mut spinlock_t,
) -> Result<*mut dma_fence> {
    let job = zeroed::<JobFence>()?;
    // SAFETY: The memory is fresh, and no other thread has its address; the ops are static.
    unsafe {
        (*job).timeline = timeline;
        let fence = &raw mut (*job).base;
        dma_fence_init(fence, ops, lock, (*timeline).number, seqno);
        Ok(fence)
    }
}

/// Creates a timeline and the fence of a job on it; the caller owns both.
#[track_caller]
pub(crate) fn pending_job() -> Result<(*mut Timeline, *mut dma_fence)> {
    let timeline = Timeline::new()?;
    Ok((timeline, job(timeline, 1)?))
}

/// Signals the fences, drops them, and frees their timeline after a grace period.
///
/// # Safety
///
/// The caller owns the references to `fences` and the timeline, and does not use them any more.
pub(crate) unsafe fn finish<const N: usize>(timeline: *mut Timeline, fences: [*mut dma_fence; N]) {
    // SAFETY: The references and the timeline are the caller's to give up.
    unsafe {
        for fence in fences {
            dma_fence_signal(fence);
            dma_fence_put(fence);
        }
        synchronize_rcu();
        Timeline::free(timeline);
    }
}

/// # Safety
///
/// `fence` is that of a [`JobFence`], whose timeline lives.
pub(crate) unsafe fn timeline_of(fence: *mut dma_fence) -> *mut Timeline {
    // SAFETY: The fence is the first member of a `JobFence`.
    unsafe { (*fence.cast::<JobFence>()).timeline }
}

extern "C" fn get_driver_name(_fence: *mut dma_fence) -> *const c_char {
    c"broken".as_char_ptr()
}

/// # Safety
///
/// As [`timeline_of`].
unsafe extern "C" fn get_timeline_name(fence: *mut dma_fence) -> *const c_char {
    // SAFETY: The fence is a job's, whose timeline lives.
    unsafe { (&raw const (*timeline_of(fence)).name).cast() }
}

/// Ops with names only.
pub(crate) const OPS: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(get_driver_name),
    get_timeline_name: Some(get_timeline_name),
    ..pin_init::zeroed()
};

/// As [`OPS`], with an op `release`, so that they stay attached after the signal.
pub(crate) const WITH_RELEASE: dma_fence_ops = dma_fence_ops {
    release: Some(release),
    ..OPS
};

/// # Safety
///
/// The last reference to the fence of a [`JobFence`] was dropped.
unsafe extern "C" fn release(fence: *mut dma_fence) {
    // SAFETY: A job's fence is the first member of a block, and its last reference was dropped.
    unsafe { dma_fence_free(fence) };
}

/// A callback that notifies its [`Waiter`].
///
/// # Safety
///
/// `cb` is that of a [`Waiter`].
pub(crate) unsafe extern "C" fn notify(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The callback is the first member of a `Waiter`.
    unsafe { (*cb.cast::<Waiter>()).notified = true };
}
