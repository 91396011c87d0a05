// SPDX-License-Identifier: GPL-2.0-only
//! The beginning of a fence.

use super::{
    super::contract,
    dma_fence, dma_fence_kref, dma_fence_ops,
    fence::{cb_list, dma_fence__bindgen_ty_1, live, Live, INITIALIZED, INLINE_LOCK, SEQNO64},
    trace_dma_fence_init,
};
use core::{cell::UnsafeCell, mem::ManuallyDrop, ptr::addr_of_mut};
use kernel::{
    bindings::{kref_init, spin_lock_init, spinlock, spinlock_t, INIT_LIST_HEAD},
    str::CStrExt as _,
    sync::atomic::Atomic,
    BUG_ON,
};

/// Initialises a fence, with one reference, which is the caller's. From any context.
///
/// `lock` is a lock that fences share, which then outlives them all; null, as new code should have
/// it, gives the fence a lock of its own. Rule
/// [extern-lock-outlives](../../../book/rules/extern-lock-outlives.html). The sequence number
/// compares as 32 bits with wraparound. Emits `dma_fence_init`.
///
/// Without ops, or without one of the two names, this is a BUG.
///
/// # Safety
///
/// `fence` is valid for writes and known to the caller alone. The ops, and whatever they reach, live
/// until a grace period after the fence has signalled; with a `wait` or `release` op as long as the
/// fence. Rules [grace-period-before-free](../../../book/rules/grace-period-before-free.html) and
/// [unload-after-detach](../../../book/rules/unload-after-detach.html).
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_init(
    fence: *mut dma_fence,
    ops: *const dma_fence_ops,
    lock: *mut spinlock_t,
    context: u64,
    seqno: u64,
) {
    // SAFETY: The fence, the ops and the lock are as `init` needs them.
    unsafe { init(fence, ops, lock, context, seqno, 0) }
}

/// As [`dma_fence_init`], with a sequence number that compares with all its 64 bits.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_init64(
    fence: *mut dma_fence,
    ops: *const dma_fence_ops,
    lock: *mut spinlock_t,
    context: u64,
    seqno: u64,
) {
    // SAFETY: The fence, the ops and the lock are as `init` needs them.
    unsafe { init(fence, ops, lock, context, seqno, SEQNO64) }
}

#[cfg_attr(feature = "debug", track_caller)]
unsafe fn init(
    fence: *mut dma_fence,
    ops: *const dma_fence_ops,
    lock: *mut spinlock_t,
    context: u64,
    seqno: u64,
    flags: usize,
) {
    // SAFETY: The ops are valid if they are not null.
    BUG_ON!(unsafe { ops.as_ref() }
        .is_none_or(|ops| ops.get_driver_name.is_none() || ops.get_timeline_name.is_none()));

    let shared = lock;
    let (lock, flags) = if lock.is_null() {
        let inline_lock = ManuallyDrop::new(spinlock::new());
        (dma_fence__bindgen_ty_1 { inline_lock }, flags | INLINE_LOCK)
    } else {
        (dma_fence__bindgen_ty_1 { extern_lock: lock }, flags)
    };
    // SAFETY: All fields may be written. Whether a padding byte of a union
    // is written does not matter.
    unsafe {
        kref_init(dma_fence_kref(fence));
        let cells: *mut Live = fence.cast();
        addr_of_mut!((*cells).ops).write(Atomic::new(ops.cast_mut()));
        INIT_LIST_HEAD(cb_list(fence));
        (*fence).context = context;
        (*fence).seqno = seqno;
        addr_of_mut!((*cells).flags).write(Atomic::new(flags | INITIALIZED));
        addr_of_mut!((*cells).lock).write(UnsafeCell::new(lock));
        if shared.is_null() {
            // All fences that have a lock of their own are of one class, as in Linux.
            let name = c"&fence->inline_lock".as_char_ptr();
            spin_lock_init!(live(fence).spinlock(), name);
        }
        addr_of_mut!((*cells).error).write(Atomic::new(0));
        #[cfg(loom)]
        addr_of_mut!((*cells).timestamp).write(Atomic::new(0));
        contract::init(live(fence), &*ops, shared);
        trace_dma_fence_init(fence);
    }
}
