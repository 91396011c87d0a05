// SPDX-License-Identifier: GPL-2.0-only
//! The operations by the mirror of the C API: what `c/operations.c` does, with the same names.

mod many;

pub(crate) use many::*;

use crate::measure::{each, used};
use ::dma_fence::bindings::*;
use kernel::{bindings::*, ffi::c_char, str::CStrExt as _};
use std::{
    hint::black_box,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{compiler_fence, AtomicU64, Ordering::SeqCst},
};

extern "C" fn name(_fence: *mut dma_fence) -> *const c_char {
    c"bench".as_char_ptr()
}

extern "C" fn asked(_fence: *mut dma_fence) -> bool {
    false
}

extern "C" fn told(_fence: *mut dma_fence, deadline: ktime_t) {
    black_box(deadline);
}

extern "C" fn called(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {}

const PLAIN: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(name),
    get_timeline_name: Some(name),
    enable_signaling: None,
    signaled: None,
    wait: None,
    release: None,
    set_deadline: None,
};
static OPS: dma_fence_ops = PLAIN;
static OPS_SIGNALED: dma_fence_ops = dma_fence_ops {
    signaled: Some(asked),
    ..PLAIN
};
static OPS_DEADLINE: dma_fence_ops = dma_fence_ops {
    set_deadline: Some(told),
    ..PLAIN
};

/// What the `busted` operation does too much.
static EXTRA: AtomicU64 = AtomicU64::new(0);

/// # Safety
///
/// There is a fence's room at `fence`, and none in use.
unsafe fn init(fence: *mut dma_fence, seqno: u64) {
    // SAFETY: The caller's guarantee; the ops are static, and the fence has a lock of its own.
    unsafe { dma_fence_init(fence, &OPS, ptr::null_mut(), 1, seqno) }
}

/// A fence that has one reference.
fn make(seqno: u64) -> *mut dma_fence {
    // SAFETY: A new block has the room of a fence, and a kernel that has no memory ends.
    unsafe {
        let fence: *mut dma_fence = kmalloc_obj(GFP_KERNEL);
        init(fence, seqno);
        fence
    }
}

/// Calls `body` with a fence on the stack, which is signalled before, or else behind.
fn on_stack(
    ops: &'static dma_fence_ops,
    signalled: bool,
    body: impl FnOnce(*mut dma_fence) -> f64,
) -> f64 {
    let mut room = MaybeUninit::<dma_fence>::uninit();
    let fence = room.as_mut_ptr();
    // SAFETY: The fence is where it is until the end, and is signalled once.
    unsafe {
        dma_fence_init(fence, ops, ptr::null_mut(), 1, 1);
        if signalled {
            dma_fence_signal(fence);
        }
        let took = body(fence);
        if !signalled {
            dma_fence_signal(fence);
        }
        took
    }
}

/// An operation on a fence on the stack.
macro_rules! on_stack {
    ($($name:ident($ops:ident, $signalled:expr, $fence:ident, $n:pat) $body:block)*) => {$(
        pub(crate) fn $name(n: u64) -> f64 {
            on_stack(&$ops, $signalled, |$fence| each(n, |$n| {
                // SAFETY: The fence is alive, and a section that is entered is left.
                unsafe { $body }
            }))
        }
    )*};
}

on_stack! {
    is_signaled_pending(OPS, false, f, _) { black_box(dma_fence_is_signaled(f)); }
    is_signaled_op(OPS_SIGNALED, false, f, _) { black_box(dma_fence_is_signaled(f)); }
    is_signaled(OPS, true, f, _) { black_box(dma_fence_is_signaled(f)); }
    status(OPS, true, f, _) { black_box(dma_fence_get_status(f)); }
    get_put(OPS, false, f, _) { used(dma_fence_get(f)); dma_fence_put(f); }
    busted(OPS, false, f, _) { used(dma_fence_get(f)); black_box(&EXTRA).fetch_add(1, SeqCst); dma_fence_put(f); }
    driver_name(OPS, false, f, _) { rcu_read_lock(); black_box(dma_fence_driver_name(f)); rcu_read_unlock(); }
    timeline_name(OPS, false, f, _) { rcu_read_lock(); black_box(dma_fence_timeline_name(f)); rcu_read_unlock(); }
    wait_signaled(OPS, true, f, _) { black_box(dma_fence_wait_timeout(f, false, MAX_SCHEDULE_TIMEOUT)); }
    deadline(OPS, false, f, i) { dma_fence_set_deadline(f, i as ktime_t); }
    deadline_op(OPS_DEADLINE, false, f, i) { dma_fence_set_deadline(f, i as ktime_t); }
}

pub(crate) fn rcu(n: u64) -> f64 {
    each(n, |_| {
        // SAFETY: The section that is entered is left.
        unsafe {
            rcu_read_lock();
            compiler_fence(SeqCst);
            rcu_read_unlock();
        }
    })
}

pub(crate) fn init_signal(n: u64) -> f64 {
    let mut room = MaybeUninit::<dma_fence>::uninit();
    let fence = room.as_mut_ptr();
    each(n, |i| {
        // SAFETY: No fence is in use there any more, as the last one was signalled.
        unsafe {
            init(fence, i);
            dma_fence_signal(fence);
        }
    })
}

pub(crate) fn alloc_signal_put(n: u64) -> f64 {
    each(n, |i| {
        let fence = make(i);
        // SAFETY: The reference is the fence's first and last.
        unsafe {
            dma_fence_signal(fence);
            dma_fence_put(fence);
        }
    })
}

pub(crate) fn alloc_signal_free(n: u64) -> f64 {
    each(n, |i| {
        let fence = make(i);
        // SAFETY: The reference is the fence's first and last, and no lock is held.
        unsafe {
            dma_fence_signal(fence);
            dma_fence_put(fence);
            if i == n - 1 {
                rcu_barrier();
            }
        }
    })
}

pub(crate) fn init_add_signal(n: u64) -> f64 {
    let mut room = MaybeUninit::<dma_fence>::uninit();
    let mut cb = MaybeUninit::<dma_fence_cb>::uninit();
    let fence = room.as_mut_ptr();
    each(n, |i| {
        // SAFETY: Neither is in use any more, as the last fence was signalled.
        unsafe {
            init(fence, i);
            dma_fence_add_callback(fence, cb.as_mut_ptr(), Some(called));
            dma_fence_signal(fence);
        }
    })
}

pub(crate) fn alloc_add_signal_put(n: u64) -> f64 {
    let mut cb = MaybeUninit::<dma_fence_cb>::uninit();
    each(n, |i| {
        let fence = make(i);
        // SAFETY: Two references are put, the first and the one taken; the callback is removed.
        unsafe {
            dma_fence_get(fence);
            dma_fence_add_callback(fence, cb.as_mut_ptr(), Some(called));
            dma_fence_signal(fence);
            dma_fence_put(fence);
            dma_fence_remove_callback(fence, cb.as_mut_ptr());
            dma_fence_put(fence);
        }
    })
}

pub(crate) fn add_remove(n: u64) -> f64 {
    let mut cb = MaybeUninit::<dma_fence_cb>::uninit();
    on_stack(&OPS, false, |fence| {
        each(n, |_| {
            // SAFETY: The callback is removed each time before it is added again.
            unsafe {
                dma_fence_add_callback(fence, cb.as_mut_ptr(), Some(called));
                dma_fence_remove_callback(fence, cb.as_mut_ptr());
            }
        })
    })
}

pub(crate) fn describe(n: u64) -> f64 {
    let mut buffer = [0u8; 256];
    let mut file = seq_file {
        buf: buffer.as_mut_ptr().cast(),
        size: buffer.len(),
        count: 0,
        private: ptr::null_mut(),
    };
    on_stack(&OPS, false, |fence| {
        each(n, |_| {
            file.count = 0;
            // SAFETY: The fence is alive, and the file has a buffer.
            unsafe { dma_fence_describe(fence, &mut file) }
        })
    })
}
