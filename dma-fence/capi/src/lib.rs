// SPDX-License-Identifier: GPL-2.0-only
//! dma-fence as a C library: the mirror's functions, under their C names.
//!
//! The headers are in `include/`, and for what C supplies in the kernel beside [`kernel_capi`].

#![no_std]
// What is needed of all functions is said in the mirror.
#![allow(clippy::missing_safety_doc)]

use dma_fence::bindings::{
    self, dma_fence_array, dma_fence_cb, dma_fence_chain, dma_fence_func_t, dma_fence_ops,
    dma_fence_unwrap, dma_resv_iter, dma_resv_usage, ktime_t, seq_file, spinlock_t, sync_file,
};
use kernel_capi::{
    export,
    ffi::{c_char, c_int, c_long, c_uint, c_ulong},
    kref, ww_acquire_ctx,
};

type F = *mut bindings::dma_fence;
type R = *mut bindings::dma_resv;

export! {
    use bindings;
    fn dma_fence_init(f: F, ops: *const dma_fence_ops, lock: *mut spinlock_t, context: u64, seqno: u64);
    fn dma_fence_init64(f: F, ops: *const dma_fence_ops, lock: *mut spinlock_t, context: u64, seqno: u64);
    fn dma_fence_was_initialized(f: F) -> bool;
    fn dma_fence_context_alloc(num: c_uint) -> u64;

    fn dma_fence_get(f: F) -> F;
    fn dma_fence_get_rcu(f: F) -> F;
    fn dma_fence_get_rcu_safe(slot: *mut F) -> F;
    fn dma_fence_put(f: F);
    fn dma_fence_release(kref: *mut kref);
    fn dma_fence_free(f: F);

    fn dma_fence_spinlock(f: F) -> *mut spinlock_t;
    fn dma_fence_lock_irqsave(f: F) -> c_ulong;
    fn dma_fence_unlock_irqrestore(f: F, flags: c_ulong);
    fn dma_fence_assert_held(f: F);

    fn dma_fence_begin_signalling() -> bool;
    fn dma_fence_end_signalling(cookie: bool);
    fn __dma_fence_might_wait();

    fn dma_fence_signal(f: F);
    fn dma_fence_signal_locked(f: F);
    fn dma_fence_signal_timestamp(f: F, timestamp: ktime_t);
    fn dma_fence_signal_timestamp_locked(f: F, timestamp: ktime_t);
    fn dma_fence_check_and_signal(f: F) -> bool;
    fn dma_fence_check_and_signal_locked(f: F) -> bool;
    fn dma_fence_set_error(f: F, error: c_int);

    fn dma_fence_add_callback(f: F, cb: *mut dma_fence_cb, func: dma_fence_func_t) -> c_int;
    fn dma_fence_remove_callback(f: F, cb: *mut dma_fence_cb) -> bool;
    fn dma_fence_enable_signaling(f: F);
    fn dma_fence_set_deadline(f: F, deadline: ktime_t);

    fn dma_fence_test_signaled_flag(f: F) -> bool;
    fn dma_fence_is_signaled(f: F) -> bool;
    fn dma_fence_is_signaled_locked(f: F) -> bool;
    fn dma_fence_get_status(f: F) -> c_int;
    fn dma_fence_get_status_locked(f: F) -> c_int;
    fn dma_fence_timestamp(f: F) -> ktime_t;

    fn dma_fence_wait(f: F, intr: bool) -> c_long;
    fn dma_fence_wait_timeout(f: F, intr: bool, timeout: c_long) -> c_long;
    fn dma_fence_default_wait(f: F, intr: bool, timeout: c_long) -> c_long;
    fn dma_fence_wait_any_timeout(fences: *mut F, count: u32, intr: bool, timeout: c_long, idx: *mut u32) -> c_long;

    fn __dma_fence_is_later(f: F, f1: u64, f2: u64) -> bool;
    fn dma_fence_is_later(f1: F, f2: F) -> bool;
    fn dma_fence_is_later_or_same(f1: F, f2: F) -> bool;
    fn dma_fence_later(f1: F, f2: F) -> F;

    fn dma_fence_driver_name(f: F) -> *const c_char;
    fn dma_fence_timeline_name(f: F) -> *const c_char;
    fn dma_fence_describe(f: F, seq: *mut seq_file);

    fn dma_fence_get_stub() -> F;
    fn dma_fence_allocate_private_stub(timestamp: ktime_t) -> F;

    fn dma_fence_is_array(f: F) -> bool;
    fn dma_fence_is_chain(f: F) -> bool;
    fn dma_fence_is_container(f: F) -> bool;

    fn to_dma_fence_array(f: F) -> *mut dma_fence_array;
    fn dma_fence_array_alloc(num_fences: c_int) -> *mut dma_fence_array;
    fn dma_fence_array_init(array: *mut dma_fence_array, num_fences: c_int, fences: *mut F, context: u64, seqno: c_uint);
    fn dma_fence_array_create(num_fences: c_int, fences: *mut F, context: u64, seqno: c_uint) -> *mut dma_fence_array;
    fn dma_fence_match_context(f: F, context: u64) -> bool;
    fn dma_fence_array_first(head: F) -> F;
    fn dma_fence_array_next(head: F, index: c_uint) -> F;

    fn to_dma_fence_chain(f: F) -> *mut dma_fence_chain;
    fn dma_fence_chain_contained(f: F) -> F;
    fn dma_fence_chain_alloc() -> *mut dma_fence_chain;
    fn dma_fence_chain_free(chain: *mut dma_fence_chain);
    fn dma_fence_chain_init(chain: *mut dma_fence_chain, prev: F, fence: F, seqno: u64);
    fn dma_fence_chain_walk(f: F) -> F;
    fn dma_fence_chain_find_seqno(pfence: *mut F, seqno: u64) -> c_int;

    fn dma_fence_unwrap_first(head: F, cursor: *mut dma_fence_unwrap) -> F;
    fn dma_fence_unwrap_next(cursor: *mut dma_fence_unwrap) -> F;
    fn __dma_fence_unwrap_merge(num_fences: usize, fences: *mut F, cursors: *mut dma_fence_unwrap) -> F;
    fn dma_fence_dedup_array(fences: *mut F, num_fences: usize) -> usize;

    fn dma_resv_init(obj: R);
    fn dma_resv_fini(obj: R);
    fn dma_resv_lock(obj: R, ctx: *mut ww_acquire_ctx) -> c_int;
    fn dma_resv_lock_interruptible(obj: R, ctx: *mut ww_acquire_ctx) -> c_int;
    fn dma_resv_lock_slow(obj: R, ctx: *mut ww_acquire_ctx);
    fn dma_resv_lock_slow_interruptible(obj: R, ctx: *mut ww_acquire_ctx) -> c_int;
    fn dma_resv_trylock(obj: R) -> bool;
    fn dma_resv_is_locked(obj: R) -> bool;
    fn dma_resv_locking_ctx(obj: R) -> *mut ww_acquire_ctx;
    fn dma_resv_unlock(obj: R);
    fn dma_resv_held(obj: R) -> bool;
    fn dma_resv_assert_held(obj: R);
    fn dma_resv_reset_max_fences(obj: R);

    fn dma_resv_reserve_fences(obj: R, num_fences: c_uint) -> c_int;
    fn dma_resv_add_fence(obj: R, fence: F, usage: dma_resv_usage);
    fn dma_resv_replace_fences(obj: R, context: u64, fence: F, usage: dma_resv_usage);
    fn dma_resv_copy_fences(dst: R, src: R) -> c_int;

    fn dma_resv_iter_begin(cursor: *mut dma_resv_iter, obj: R, usage: dma_resv_usage);
    fn dma_resv_iter_end(cursor: *mut dma_resv_iter);
    fn dma_resv_iter_usage(cursor: *mut dma_resv_iter) -> dma_resv_usage;
    fn dma_resv_iter_is_restarted(cursor: *mut dma_resv_iter) -> bool;
    fn dma_resv_iter_first_unlocked(cursor: *mut dma_resv_iter) -> F;
    fn dma_resv_iter_next_unlocked(cursor: *mut dma_resv_iter) -> F;
    fn dma_resv_iter_first(cursor: *mut dma_resv_iter) -> F;
    fn dma_resv_iter_next(cursor: *mut dma_resv_iter) -> F;

    fn dma_resv_get_fences(obj: R, usage: dma_resv_usage, num_fences: *mut c_uint, fences: *mut *mut F) -> c_int;
    fn dma_resv_get_singleton(obj: R, usage: dma_resv_usage, fence: *mut F) -> c_int;
    fn dma_resv_wait_timeout(obj: R, usage: dma_resv_usage, intr: bool, timeout: c_ulong) -> c_long;
    fn dma_resv_set_deadline(obj: R, usage: dma_resv_usage, deadline: ktime_t);
    fn dma_resv_test_signaled(obj: R, usage: dma_resv_usage) -> bool;
    fn dma_resv_describe(obj: R, seq: *mut seq_file);

    fn sync_file_create(f: F) -> *mut sync_file;
    fn sync_file_get_fence(fd: c_int) -> F;
    fn sync_file_get_name(sync_file: *mut sync_file, buf: *mut c_char, len: c_int) -> *mut c_char;
}
