// SPDX-License-Identifier: GPL-2.0-only
//! Fences that have signalled from the start.

use super::{
    super::contract,
    dma_fence, dma_fence_get, dma_fence_init, dma_fence_lock_irqsave, dma_fence_ops,
    dma_fence_signal_timestamp, dma_fence_unlock_irqrestore,
    fence::{
        dma_fence__bindgen_ty_1, dma_fence__bindgen_ty_2, live, Live, ENABLE_SIGNAL, INITIALIZED,
        INLINE_LOCK, SIGNALED, TIMESTAMP,
    },
};
use core::{
    cell::UnsafeCell,
    mem::ManuallyDrop,
    ptr::{self, null_mut},
};
use kernel::{
    bindings::{kref, ktime_get, ktime_t, kzalloc_obj, spinlock, GFP_KERNEL},
    ffi::c_char,
    str::CStrExt as _,
    sync::atomic::Atomic,
};

extern "C" fn dma_fence_stub_get_name(_fence: *mut dma_fence) -> *const c_char {
    c"stub".as_char_ptr()
}

static dma_fence_stub_ops: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(dma_fence_stub_get_name),
    get_timeline_name: Some(dma_fence_stub_get_name),
    ..pin_init::zeroed()
};

kernel::bindings::global! {
    /// As the kernel's initcall leaves it, but for the time.
    static dma_fence_stub: Live = Live {
        lock: UnsafeCell::new(dma_fence__bindgen_ty_1 {
            inline_lock: ManuallyDrop::new(spinlock::new()),
        }),
        ops: Atomic::new(null_mut()),
        list: UnsafeCell::new(dma_fence__bindgen_ty_2 { timestamp: 0 }),
        context: 0,
        seqno: 0,
        flags: Atomic::new(INITIALIZED | INLINE_LOCK | SIGNALED | ENABLE_SIGNAL),
        refcount: UnsafeCell::new(kref::new()),
        error: Atomic::new(0),
        #[cfg(loom)]
        timestamp: Atomic::new(0),
    };
}

/// Returns a reference to the fence that has always been signalled: context 0, number 0. Its
/// timestamp is the time of the first call. From any context.
pub unsafe fn dma_fence_get_stub() -> *mut dma_fence {
    let stub: *mut dma_fence = ptr::from_ref::<Live>(&dma_fence_stub).cast_mut().cast();
    if !dma_fence_stub.test(TIMESTAMP) {
        // SAFETY: The stub is initialised and never freed. A task that finds the bit clear under the
        // lock is the first, and the timestamp is not read before the bit is set.
        unsafe {
            contract::foreign(stub.cast());
            let flags = dma_fence_lock_irqsave(stub);
            if !dma_fence_stub.test(TIMESTAMP) {
                dma_fence_stub.set_timestamp(ktime_get());
                dma_fence_stub.set(TIMESTAMP);
            }
            dma_fence_unlock_irqrestore(stub, flags);
        }
    }
    // SAFETY: The stub keeps a reference to itself.
    unsafe { dma_fence_get(stub) }
}

/// Returns a new fence that has signalled at `timestamp` (ns, `CLOCK_MONOTONIC`); null without
/// memory. May sleep.
#[track_caller]
pub unsafe fn dma_fence_allocate_private_stub(timestamp: ktime_t) -> *mut dma_fence {
    // SAFETY: Allocating has no preconditions, and zeroes are valid for all fields.
    let fence: *mut dma_fence = unsafe { kzalloc_obj(GFP_KERNEL) };
    if fence.is_null() {
        return fence;
    }
    // SAFETY: Fresh memory of our own; the ops are static.
    unsafe {
        dma_fence_init(fence, &dma_fence_stub_ops, null_mut(), 0, 0);
        live(fence).test_and_set(ENABLE_SIGNAL);
        dma_fence_signal_timestamp(fence, timestamp);
    }
    fence
}
