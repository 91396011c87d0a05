// SPDX-License-Identifier: GPL-2.0-only
//! Linux's own dma-fence, as the bindings below the safe half.
//!
//! C header: [`include/linux/dma-fence.h`](srctree/include/linux/dma-fence.h)
//!
//! In the kernel this file takes the place of this crate's C mirror in userspace: the safe half
//! says `bindings::dma_fence_signal` in both. `kernel::bindings` has every exported function and
//! every struct. The header's inline functions have no helper in the kernel yet; `linux/helpers.c`
//! supplies them under the names that the kernel's own helpers would have, and they are declared
//! here. A later kernel that has them clashes with nothing: what is declared here shadows the glob.
//!
//! Five accessors are added, under the names that the mirror has as well, because the safe half
//! touches no field: bindgen names a fence's unions its own way.
//!
//! # Safety
//!
//! The accessors take an initialised fence to which the caller holds a reference.

// What the accessors need is said above, once.
#![allow(clippy::missing_safety_doc)]

use kernel::ffi::{
    c_char,
    c_int,
    c_long,
    c_uint,
    c_ulong, //
};

pub use kernel::bindings::*;

// UNTIL(sync-file-bindings): bindgen has the struct and both functions.
/// A file with a fence, of which bindgen does not know.
#[repr(C)]
pub struct sync_file {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    /// Makes a file with a reference of its own to the fence; null without memory.
    pub fn sync_file_create(fence: *mut dma_fence) -> *mut sync_file;
    /// Returns the fence of a descriptor, with a reference; null if it is of another kind.
    pub fn sync_file_get_fence(fd: c_int) -> *mut dma_fence;
}

/// Ends the machine, with a message: Linux makes a BUG of a panic.
#[cold]
#[track_caller]
pub fn __dma_fence_bug(message: core::fmt::Arguments<'_>) -> ! {
    panic!("{}", message)
}

/// Calls a driver's code: Linux makes a BUG of any panic, so that there is none to be caught.
#[inline(always)]
pub fn __dma_fence_driver<R>(_what: &str, f: impl FnOnce() -> R) -> Option<R> {
    Some(f())
}

macro_rules! annotations {
    ($($name:ident($($type:ty),*);)*) => {
        $(/// For the checks of the contract, which Linux does not have.
        #[inline(always)]
        pub fn $name($(_: $type),*) {})*
    };
}

annotations! {
    __dma_fence_debug_declare(*mut dma_fence, usize, [&core::ffi::CStr; 2]);
    __dma_fence_debug_drop(usize, usize);
    __dma_fence_debug_drop_data(*mut dma_fence, usize, usize);
    __dma_fence_debug_in_order(*mut dma_fence);
    __dma_fence_debug_publish(*mut dma_fence);
    __dma_fence_debug_added_at(*mut dma_fence_cb, &'static core::panic::Location<'static>);
    __dma_fence_debug_cancel(*mut dma_fence);
    __dma_fence_debug_point();
}

/// For the checks of the contract, which Linux does not have.
#[inline(always)]
pub fn __dma_fence_debug_done<T>(_: *mut dma_fence, _: impl FnOnce() -> T) {}

macro_rules! helpers {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)?;)*) => {
        // What each does, and needs, is said where its body is in userspace. A lock's class has no
        // members without lockdep, and is only pointed to.
        #[allow(missing_docs, improper_ctypes)]
        unsafe extern "C" {
            $(#[link_name = concat!("rust_helper_", stringify!($name))]
            pub fn $name($($arg: $type),*) $(-> $ret)?;)*
        }
    };
}

helpers! {
    // UNTIL(fence-helpers): the kernel has them as its own, under these names.
    fn dma_fence_get(fence: *mut dma_fence) -> *mut dma_fence;
    fn dma_fence_put(fence: *mut dma_fence);
    fn dma_fence_get_rcu(fence: *mut dma_fence) -> *mut dma_fence;
    fn dma_fence_get_rcu_safe(fencep: *mut *mut dma_fence) -> *mut dma_fence;
    fn dma_fence_was_initialized(fence: *mut dma_fence) -> bool;
    fn dma_fence_test_signaled_flag(fence: *mut dma_fence) -> bool;
    fn dma_fence_is_signaled(fence: *mut dma_fence) -> bool;
    fn dma_fence_is_signaled_locked(fence: *mut dma_fence) -> bool;
    fn dma_fence_get_status_locked(fence: *mut dma_fence) -> c_int;
    fn dma_fence_set_error(fence: *mut dma_fence, error: c_int);
    fn dma_fence_timestamp(fence: *mut dma_fence) -> ktime_t;
    fn dma_fence_is_later(f1: *mut dma_fence, f2: *mut dma_fence) -> bool;
    fn dma_fence_is_later_or_same(f1: *mut dma_fence, f2: *mut dma_fence) -> bool;
    fn dma_fence_later(f1: *mut dma_fence, f2: *mut dma_fence) -> *mut dma_fence;
    fn dma_fence_wait(fence: *mut dma_fence, intr: bool) -> c_long;
    fn dma_fence_spinlock(fence: *mut dma_fence) -> *mut spinlock_t;
    fn dma_fence_lock_irqsave(fence: *mut dma_fence) -> c_ulong;
    fn dma_fence_unlock_irqrestore(fence: *mut dma_fence, flags: c_ulong);
    fn dma_fence_assert_held(fence: *mut dma_fence);
    fn dma_fence_begin_signalling() -> bool;
    fn dma_fence_end_signalling(cookie: bool);
    fn dma_fence_references(fence: *mut dma_fence) -> c_uint;
    // UNTIL(container-bindings): likewise.
    fn dma_fence_is_array(fence: *mut dma_fence) -> bool;
    fn dma_fence_is_chain(fence: *mut dma_fence) -> bool;
    fn dma_fence_is_container(fence: *mut dma_fence) -> bool;
    fn dma_fence_chain_alloc() -> *mut dma_fence_chain;
    fn dma_fence_chain_free(chain: *mut dma_fence_chain);
    fn dma_fence_chain_contained(fence: *mut dma_fence) -> *mut dma_fence;
    // UNTIL(resv-helpers): likewise.
    fn dma_resv_acquire_init(ctx: *mut ww_acquire_ctx);
    fn dma_resv_lock_slow(obj: *mut dma_resv, ctx: *mut ww_acquire_ctx);
    fn dma_resv_trylock(obj: *mut dma_resv) -> bool;
    fn dma_resv_iter_begin(cursor: *mut dma_resv_iter, obj: *mut dma_resv, usage: dma_resv_usage);
    fn dma_resv_iter_end(cursor: *mut dma_resv_iter);
    fn dma_resv_iter_usage(cursor: *mut dma_resv_iter) -> dma_resv_usage;
    fn dma_resv_iter_is_restarted(cursor: *mut dma_resv_iter) -> bool;
    fn ww_acquire_fini(ctx: *mut ww_acquire_ctx);
    // UNTIL(sync-file-bindings): the fields, and sync_file_get_name() for modules.
    fn sync_file_set_name(sync_file: *mut sync_file, name: *const c_char);
    fn sync_file_get_name(sync_file: *mut sync_file, buf: *mut c_char, len: c_int) -> *mut c_char;
    fn sync_file_fence(sync_file: *mut sync_file) -> *mut dma_fence;
    fn sync_file_file(sync_file: *mut sync_file) -> *mut file;
}

// UNTIL(container-bindings): bindgen has <linux/dma-fence-chain.h>, -array.h and -unwrap.h.
/// A node of a chain, of which bindgen knows nothing: only C looks into it.
#[repr(C)]
pub struct dma_fence_chain {
    _base: dma_fence,
}

// What each does, and needs, is said where its body is in userspace.
#[allow(missing_docs)]
unsafe extern "C" {
    pub fn dma_fence_chain_init(
        chain: *mut dma_fence_chain,
        prev: *mut dma_fence,
        fence: *mut dma_fence,
        seqno: u64,
    );
    pub fn dma_fence_chain_walk(fence: *mut dma_fence) -> *mut dma_fence;
    pub fn dma_fence_chain_find_seqno(pfence: *mut *mut dma_fence, seqno: u64) -> c_int;
}

/// An array, of which bindgen knows nothing: only C looks into it.
#[repr(C)]
pub struct dma_fence_array {
    _base: dma_fence,
}

/// A place in containers, of which bindgen knows nothing.
#[repr(C)]
#[allow(missing_docs)]
pub struct dma_fence_unwrap {
    pub chain: *mut dma_fence,
    pub array: *mut dma_fence,
    pub index: c_uint,
}

// What each does, and needs, is said where its body is in userspace.
#[allow(missing_docs)]
unsafe extern "C" {
    pub fn dma_fence_array_alloc(num_fences: c_int) -> *mut dma_fence_array;
    pub fn dma_fence_array_init(
        array: *mut dma_fence_array,
        num_fences: c_int,
        fences: *mut *mut dma_fence,
        context: u64,
        seqno: c_uint,
    );
    pub fn dma_fence_array_first(head: *mut dma_fence) -> *mut dma_fence;
    pub fn dma_fence_array_next(head: *mut dma_fence, index: c_uint) -> *mut dma_fence;
    pub fn dma_fence_match_context(fence: *mut dma_fence, context: u64) -> bool;
    pub fn dma_fence_unwrap_first(
        head: *mut dma_fence,
        cursor: *mut dma_fence_unwrap,
    ) -> *mut dma_fence;
    pub fn dma_fence_unwrap_next(cursor: *mut dma_fence_unwrap) -> *mut dma_fence;
    pub fn __dma_fence_unwrap_merge(
        num_fences: usize,
        fences: *mut *mut dma_fence,
        cursors: *mut dma_fence_unwrap,
    ) -> *mut dma_fence;
}

// UNTIL(task-comm): `Task` has a function for it.
/// Copies a task's name, with NULs behind it.
///
/// # Safety
///
/// `t` is valid, and `buf` for writes of `len` bytes, more than 0.
#[inline]
pub unsafe fn __get_task_comm(buf: *mut c_char, len: usize, t: *mut task_struct) {
    // SAFETY: The caller's guarantees. The name may change meanwhile, but for its last NUL.
    unsafe {
        let comm = core::ptr::addr_of!((*t).comm).read_volatile();
        buf.write_bytes(0, len);
        let len = comm.len().min(len) - 1;
        core::ptr::copy_nonoverlapping(comm.as_ptr().cast(), buf, len);
    }
}

/// The number of the fence's context.
#[inline]
pub unsafe fn dma_fence_context(fence: *mut dma_fence) -> u64 {
    // SAFETY: The caller has a reference, and the field is not written after its initialisation.
    unsafe { (*fence).context }
}

/// The sequence number of the fence.
#[inline]
pub unsafe fn dma_fence_seqno(fence: *mut dma_fence) -> u64 {
    // SAFETY: The caller has a reference, and the field is not written after its initialisation.
    unsafe { (*fence).seqno }
}

/// The error of the fence, 0 if there is none; it counts only once the fence has signalled.
#[inline]
pub unsafe fn dma_fence_error(fence: *mut dma_fence) -> c_int {
    // SAFETY: The caller has a reference. The field is written by C while others read
    // it, so it is read once, as a whole.
    unsafe { core::ptr::addr_of!((*fence).error).read_volatile() }
}

/// True if the fence has signalled, and its lock is known to be free. Here that is not known, since C has no
/// way to look at a lock that orders what follows.
#[inline]
pub unsafe fn dma_fence_is_over(_: *mut dma_fence) -> bool {
    false
}

// UNTIL(poll-error): the op `signaled` signals by itself, with an error.
/// Sets the error and looks at nothing else, where `dma_fence_set_error()` would warn about a
/// fence that signals at this moment.
#[inline]
pub unsafe fn dma_fence_store_error(fence: *mut dma_fence, error: c_int) {
    // SAFETY: The caller has a reference. The field is read by C while it is written,
    // so it is written once, as a whole.
    unsafe { core::ptr::addr_of_mut!((*fence).error).write_volatile(error) }
}
