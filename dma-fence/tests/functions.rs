// SPDX-License-Identifier: GPL-2.0-only
//! Every function of the C API is there, with C's arguments: one that is missing, or whose type
//! has changed, does not compile here.

#![allow(clippy::type_complexity)]

use ::dma_fence::bindings::{self as c, *};
use kernel::{
    bindings::{kref, seq_file, spinlock_t, ww_acquire_ctx},
    ffi::{c_char, c_int, c_long, c_uint, c_ulong},
};

type F = *mut dma_fence;
type A = *mut dma_fence_array;
type R = *mut dma_resv;
type I = *mut dma_resv_iter;
type C = *mut dma_fence_chain;

/// Their names, after each was checked against its type by the coercion.
macro_rules! functions {
    ($($name:ident: $type:ty),* $(,)?) => {
        [$((stringify!($name), c::$name as $type as usize).0),*]
    };
}

/// The headers of the library for C.
const HEADERS: [&str; 6] = [
    include_str!("../capi/include/linux/dma-fence.h"),
    include_str!("../capi/include/linux/dma-fence-array.h"),
    include_str!("../capi/include/linux/dma-fence-chain.h"),
    include_str!("../capi/include/linux/dma-fence-unwrap.h"),
    include_str!("../capi/include/linux/dma-resv.h"),
    include_str!("../capi/include/linux/sync_file.h"),
];

#[test]
fn every_function_of_the_header_is_there() {
    let functions = functions![
        dma_fence_init: unsafe fn(F, *const dma_fence_ops, *mut spinlock_t, u64, u64),
        dma_fence_init64: unsafe fn(F, *const dma_fence_ops, *mut spinlock_t, u64, u64),
        dma_fence_was_initialized: unsafe fn(F) -> bool,
        dma_fence_get: unsafe fn(F) -> F,
        dma_fence_put: unsafe fn(F),
        dma_fence_get_rcu: unsafe fn(F) -> F,
        dma_fence_get_rcu_safe: unsafe fn(*mut F) -> F,
        dma_fence_signal: unsafe fn(F),
        dma_fence_signal_locked: unsafe fn(F),
        dma_fence_signal_timestamp: unsafe fn(F, ktime_t),
        dma_fence_signal_timestamp_locked: unsafe fn(F, ktime_t),
        dma_fence_check_and_signal: unsafe fn(F) -> bool,
        dma_fence_check_and_signal_locked: unsafe fn(F) -> bool,
        dma_fence_test_signaled_flag: unsafe fn(F) -> bool,
        dma_fence_is_signaled: unsafe fn(F) -> bool,
        dma_fence_is_signaled_locked: unsafe fn(F) -> bool,
        dma_fence_get_status: unsafe fn(F) -> c_int,
        dma_fence_get_status_locked: unsafe fn(F) -> c_int,
        dma_fence_set_error: unsafe fn(F, c_int),
        dma_fence_timestamp: unsafe fn(F) -> ktime_t,
        dma_fence_enable_signaling: unsafe fn(F),
        dma_fence_add_callback: unsafe fn(F, *mut dma_fence_cb, dma_fence_func_t) -> c_int,
        dma_fence_remove_callback: unsafe fn(F, *mut dma_fence_cb) -> bool,
        dma_fence_wait_timeout: unsafe fn(F, bool, c_long) -> c_long,
        dma_fence_default_wait: unsafe fn(F, bool, c_long) -> c_long,
        dma_fence_wait: unsafe fn(F, bool) -> c_long,
        dma_fence_wait_any_timeout: unsafe fn(*mut F, u32, bool, c_long, *mut u32) -> c_long,
        dma_fence_release: unsafe extern "C" fn(*mut kref),
        dma_fence_free: unsafe fn(F),
        dma_fence_driver_name: unsafe fn(F) -> *const c_char,
        dma_fence_timeline_name: unsafe fn(F) -> *const c_char,
        dma_fence_describe: unsafe fn(F, *mut seq_file),
        dma_fence_set_deadline: unsafe fn(F, ktime_t),
        dma_fence_is_later: unsafe fn(F, F) -> bool,
        dma_fence_is_later_or_same: unsafe fn(F, F) -> bool,
        __dma_fence_is_later: unsafe fn(F, u64, u64) -> bool,
        dma_fence_later: unsafe fn(F, F) -> F,
        dma_fence_context_alloc: unsafe fn(c_uint) -> u64,
        dma_fence_get_stub: unsafe fn() -> F,
        dma_fence_allocate_private_stub: unsafe fn(ktime_t) -> F,
        dma_fence_begin_signalling: unsafe fn() -> bool,
        dma_fence_end_signalling: unsafe fn(bool),
        __dma_fence_might_wait: unsafe fn(),
        dma_fence_spinlock: unsafe fn(F) -> *mut spinlock_t,
        dma_fence_lock_irqsave: unsafe fn(F) -> c_ulong,
        dma_fence_unlock_irqrestore: unsafe fn(F, c_ulong),
        dma_fence_assert_held: unsafe fn(F),
        dma_fence_array_alloc: unsafe fn(c_int) -> A,
        dma_fence_array_init: unsafe fn(A, c_int, *mut F, u64, c_uint),
        dma_fence_array_create: unsafe fn(c_int, *mut F, u64, c_uint) -> A,
        dma_fence_array_first: unsafe fn(F) -> F,
        dma_fence_array_next: unsafe fn(F, c_uint) -> F,
        dma_fence_match_context: unsafe fn(F, u64) -> bool,
        to_dma_fence_array: unsafe fn(F) -> A,
        dma_fence_unwrap_first: unsafe fn(F, *mut dma_fence_unwrap) -> F,
        dma_fence_unwrap_next: unsafe fn(*mut dma_fence_unwrap) -> F,
        __dma_fence_unwrap_merge: unsafe fn(usize, *mut F, *mut dma_fence_unwrap) -> F,
        dma_fence_dedup_array: unsafe fn(*mut F, usize) -> usize,
        dma_resv_init: unsafe fn(R),
        dma_resv_fini: unsafe fn(R),
        dma_resv_lock: unsafe fn(R, *mut ww_acquire_ctx) -> c_int,
        dma_resv_lock_interruptible: unsafe fn(R, *mut ww_acquire_ctx) -> c_int,
        dma_resv_lock_slow: unsafe fn(R, *mut ww_acquire_ctx),
        dma_resv_lock_slow_interruptible: unsafe fn(R, *mut ww_acquire_ctx) -> c_int,
        dma_resv_trylock: unsafe fn(R) -> bool,
        dma_resv_is_locked: unsafe fn(R) -> bool,
        dma_resv_locking_ctx: unsafe fn(R) -> *mut ww_acquire_ctx,
        dma_resv_unlock: unsafe fn(R),
        dma_resv_held: unsafe fn(R) -> bool,
        dma_resv_assert_held: unsafe fn(R),
        dma_resv_reset_max_fences: unsafe fn(R),
        dma_resv_reserve_fences: unsafe fn(R, c_uint) -> c_int,
        dma_resv_add_fence: unsafe fn(R, F, dma_resv_usage),
        dma_resv_replace_fences: unsafe fn(R, u64, F, dma_resv_usage),
        dma_resv_get_fences: unsafe fn(R, dma_resv_usage, *mut c_uint, *mut *mut F) -> c_int,
        dma_resv_get_singleton: unsafe fn(R, dma_resv_usage, *mut F) -> c_int,
        dma_resv_copy_fences: unsafe fn(R, R) -> c_int,
        dma_resv_wait_timeout: unsafe fn(R, dma_resv_usage, bool, c_ulong) -> c_long,
        dma_resv_set_deadline: unsafe fn(R, dma_resv_usage, ktime_t),
        dma_resv_test_signaled: unsafe fn(R, dma_resv_usage) -> bool,
        dma_resv_describe: unsafe fn(R, *mut seq_file),
        dma_resv_iter_begin: unsafe fn(I, R, dma_resv_usage),
        dma_resv_iter_end: unsafe fn(I),
        dma_resv_iter_usage: unsafe fn(I) -> dma_resv_usage,
        dma_resv_iter_is_restarted: unsafe fn(I) -> bool,
        dma_resv_iter_first: unsafe fn(I) -> F,
        dma_resv_iter_next: unsafe fn(I) -> F,
        dma_resv_iter_first_unlocked: unsafe fn(I) -> F,
        dma_resv_iter_next_unlocked: unsafe fn(I) -> F,
        dma_fence_chain_alloc: unsafe fn() -> C,
        dma_fence_chain_free: unsafe fn(C),
        dma_fence_chain_init: unsafe fn(C, F, F, u64),
        dma_fence_chain_walk: unsafe fn(F) -> F,
        dma_fence_chain_find_seqno: unsafe fn(*mut F, u64) -> c_int,
        dma_fence_chain_contained: unsafe fn(F) -> F,
        to_dma_fence_chain: unsafe fn(F) -> C,
        dma_fence_is_array: unsafe fn(F) -> bool,
        dma_fence_is_chain: unsafe fn(F) -> bool,
        dma_fence_is_container: unsafe fn(F) -> bool,
        sync_file_create: unsafe fn(F) -> *mut sync_file,
        sync_file_get_fence: unsafe fn(c_int) -> F,
        sync_file_get_name: unsafe fn(*mut sync_file, *mut c_char, c_int) -> *mut c_char,
    ];
    assert_eq!(functions.len(), 102);
    // C has them as well, under the same names.
    let (exported, declared) = (include_str!("../capi/src/lib.rs"), HEADERS.concat());
    for name in functions {
        assert!(exported.contains(&format!(" fn {name}(")), "{name}");
        let found = [" ", "*"].map(|before| format!("{before}{name}("));
        assert!(found.iter().any(|f| declared.contains(f)), "{name}");
    }
}

#[test]
fn a_stub_is_not_made_of_others() {
    let is = [
        dma_fence_is_array,
        dma_fence_is_chain,
        dma_fence_is_container,
    ];
    // SAFETY: Any task may ask for the stub, which stays.
    assert_eq!(is.map(|is| unsafe { is(dma_fence_get_stub()) }), [false; 3]);
}

#[test]
fn every_op_and_flag_is_there() {
    let dma_fence_ops {
        get_driver_name: None,
        get_timeline_name: None,
        enable_signaling: None,
        signaled: None,
        wait: None,
        release: None,
        set_deadline: None,
    } = dma_fence_ops::default()
    else {
        panic!("the ops are optional by default");
    };
    assert_eq!(
        [
            c::dma_fence_flag_bits_DMA_FENCE_FLAG_INITIALIZED_BIT,
            c::dma_fence_flag_bits_DMA_FENCE_FLAG_INLINE_LOCK_BIT,
            c::dma_fence_flag_bits_DMA_FENCE_FLAG_SEQNO64_BIT,
            c::dma_fence_flag_bits_DMA_FENCE_FLAG_SIGNALED_BIT,
            c::dma_fence_flag_bits_DMA_FENCE_FLAG_TIMESTAMP_BIT,
            c::dma_fence_flag_bits_DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT,
            c::dma_fence_flag_bits_DMA_FENCE_FLAG_USER_BITS,
        ],
        [0, 1, 2, 3, 4, 5, 6]
    );
}

#[test]
fn every_event_is_there() {
    // SAFETY: The event belongs to no fence.
    let enabled = || unsafe { trace_dma_fence_emit_enabled() };
    assert!(!enabled());
    let recording = kernel::testing::trace::record(&__tracepoint_dma_fence_emit).unwrap();
    assert!(enabled());
    drop(recording);
    let names = ::dma_fence::testing::EVENTS.map(|event| event.name.to_str().unwrap());
    assert_eq!(
        names,
        [
            "dma_fence_emit",
            "dma_fence_init",
            "dma_fence_destroy",
            "dma_fence_enable_signal",
            "dma_fence_signaled",
            "dma_fence_wait_start",
            "dma_fence_wait_end"
        ]
    );
}
