// SPDX-License-Identifier: GPL-2.0-only
//! The contract room of a kernel that checks nothing.

use super::{
    super::bindings::{dma_fence, dma_fence_cb, dma_fence_ops},
    Call,
};
use kernel::{
    bindings::spinlock_t,
    ffi::{c_char, c_int},
};

/// Fences of which something is known.
pub(crate) fn known() -> usize {
    0
}

macro_rules! nothing {
    ($($name:ident($($type:ty),*);)*) => {
        $(#[inline(always)]
        pub(crate) fn $name($(_: $type),*) {})*
    };
}

nothing! {
    call_begins(*mut dma_fence, Call);
    call_ends();
    callback_added(*mut dma_fence, *mut dma_fence_cb, bool);
    callback_added_at(*mut dma_fence_cb, &'static core::panic::Location<'static>);
    callback_atomic(*mut dma_fence);
    callback_begins(*mut dma_fence, *mut dma_fence_cb);
    callback_atomic_put(*mut dma_fence);
    callback_done(*mut dma_fence, *mut dma_fence_cb);
    callback_once(*mut dma_fence, *mut dma_fence_cb);
    compare_same_context(*mut dma_fence, *mut dma_fence);
    declares(*mut dma_fence, usize, [usize; 2], usize);
    drops(usize, usize);
    error_before_signal(*mut dma_fence, c_int);
    initialised(*mut dma_fence, *const dma_fence_ops, *mut spinlock_t);
    name_given(*mut dma_fence, usize, *const c_char);
    name_lent(*mut dma_fence, *const c_char);
    names_in_one_rcu_section(*mut dma_fence);
    ops_asked(*mut dma_fence, *const dma_fence_ops);
    ops_traced(*mut dma_fence);
    published(*mut dma_fence);
    puts(*mut dma_fence);
    release_signalled(*mut dma_fence, bool);
    released(*mut dma_fence);
    released_unsignalled(*mut dma_fence);
    signal_eventually(*mut dma_fence);
    signaled_monotonic(*mut dma_fence, bool);
    signalled(*mut dma_fence);
    signals(*mut dma_fence);
}
