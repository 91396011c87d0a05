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
//! Two accessors are added, under the names that the mirror has as well, because the safe half
//! touches no field: bindgen names a fence's unions its own way.

use kernel::ffi::{
    c_int,
    c_long,
    c_ulong, //
};

pub use kernel::bindings::*;

/// Ends the machine, with a message: Linux makes a BUG of a panic.
#[cold]
#[track_caller]
pub fn __dma_fence_bug(message: core::fmt::Arguments<'_>) -> ! {
    panic!("{}", message)
}

macro_rules! annotations {
    ($($name:ident($($type:ty),*);)*) => {
        $(/// For the checks of the contract, which Linux does not have.
        #[inline(always)]
        pub fn $name($(_: $type),*) {})*
    };
}

annotations! {
    __dma_fence_debug_declare(*mut dma_fence, usize, [usize; 2], usize);
    __dma_fence_debug_drop(usize, usize);
    __dma_fence_debug_publish(*mut dma_fence);
    __dma_fence_debug_added_at(*mut dma_fence_cb, &'static core::panic::Location<'static>);
    __dma_fence_debug_forget(*mut dma_fence);
}

// # Safety
//
// For all of these: `fence`, `f1` and `f2` point to an initialised fence that the caller holds a
// reference to, except where something else is said.
unsafe extern "C" {
    /// Takes a reference; null stays null.
    #[link_name = "rust_helper_dma_fence_get"]
    pub fn dma_fence_get(fence: *mut dma_fence) -> *mut dma_fence;

    /// Drops a reference; null is allowed. The last one releases the fence.
    #[link_name = "rust_helper_dma_fence_put"]
    pub fn dma_fence_put(fence: *mut dma_fence);

    /// Takes a reference unless none is left, and returns null then.
    ///
    /// The caller need not hold a reference, but the RCU read lock.
    #[link_name = "rust_helper_dma_fence_get_rcu"]
    pub fn dma_fence_get_rcu(fence: *mut dma_fence) -> *mut dma_fence;

    /// Takes a reference to the fence that an RCU protected pointer leads to, even while the
    /// pointer changes and the fence's memory is used again.
    ///
    /// The caller holds the RCU read lock.
    #[link_name = "rust_helper_dma_fence_get_rcu_safe"]
    pub fn dma_fence_get_rcu_safe(fencep: *mut *mut dma_fence) -> *mut dma_fence;

    /// Whether zeroed memory has become a fence; null has not.
    #[link_name = "rust_helper_dma_fence_was_initialized"]
    pub fn dma_fence_was_initialized(fence: *mut dma_fence) -> bool;

    /// Whether the signalled bit is set; asks no driver, signals nothing.
    #[link_name = "rust_helper_dma_fence_test_signaled_flag"]
    pub fn dma_fence_test_signaled_flag(fence: *mut dma_fence) -> bool;

    /// Whether the fence has signalled; asks the driver, and signals the fence if the driver says
    /// that it is done.
    #[link_name = "rust_helper_dma_fence_is_signaled"]
    pub fn dma_fence_is_signaled(fence: *mut dma_fence) -> bool;

    /// [`dma_fence_is_signaled`] for a caller who holds the fence's lock.
    #[link_name = "rust_helper_dma_fence_is_signaled_locked"]
    pub fn dma_fence_is_signaled_locked(fence: *mut dma_fence) -> bool;

    /// 0 while the fence is pending, 1 once it has signalled, its error if it has one.
    ///
    /// The caller holds the fence's lock.
    #[link_name = "rust_helper_dma_fence_get_status_locked"]
    pub fn dma_fence_get_status_locked(fence: *mut dma_fence) -> c_int;

    /// Sets the error, a negative errno, of a fence that has not signalled yet.
    #[link_name = "rust_helper_dma_fence_set_error"]
    pub fn dma_fence_set_error(fence: *mut dma_fence, error: c_int);

    /// The time of signalling, in ns. Warns, and returns the time now, if the fence has not
    /// signalled.
    ///
    /// Spins while another processor is between the signalled bit and the time.
    #[link_name = "rust_helper_dma_fence_timestamp"]
    pub fn dma_fence_timestamp(fence: *mut dma_fence) -> ktime_t;

    /// Whether `f1` comes after `f2`; both are of one context.
    #[link_name = "rust_helper_dma_fence_is_later"]
    pub fn dma_fence_is_later(f1: *mut dma_fence, f2: *mut dma_fence) -> bool;

    /// Whether `f1` is `f2` or comes after it; both are of one context.
    #[link_name = "rust_helper_dma_fence_is_later_or_same"]
    pub fn dma_fence_is_later_or_same(f1: *mut dma_fence, f2: *mut dma_fence) -> bool;

    /// The later of two fences of one context, null if it has signalled. Takes no reference, asks
    /// the driver as [`dma_fence_is_signaled`] does.
    #[link_name = "rust_helper_dma_fence_later"]
    pub fn dma_fence_later(f1: *mut dma_fence, f2: *mut dma_fence) -> *mut dma_fence;

    /// Sleeps until the fence signals: 0, or `-ERESTARTSYS` if `intr` and a signal came.
    #[link_name = "rust_helper_dma_fence_wait"]
    pub fn dma_fence_wait(fence: *mut dma_fence, intr: bool) -> c_long;

    /// The lock of the fence, its own or its context's.
    #[link_name = "rust_helper_dma_fence_spinlock"]
    pub fn dma_fence_spinlock(fence: *mut dma_fence) -> *mut spinlock_t;

    /// Takes the fence's lock with interrupts off, and returns the flags to restore.
    ///
    /// A macro in C, which writes to its second argument.
    #[link_name = "rust_helper_dma_fence_lock_irqsave"]
    pub fn dma_fence_lock_irqsave(fence: *mut dma_fence) -> c_ulong;

    /// Releases the fence's lock; `flags` are those that taking it returned.
    #[link_name = "rust_helper_dma_fence_unlock_irqrestore"]
    pub fn dma_fence_unlock_irqrestore(fence: *mut dma_fence, flags: c_ulong);

    /// Has lockdep complain unless the caller holds the fence's lock.
    #[link_name = "rust_helper_dma_fence_assert_held"]
    pub fn dma_fence_assert_held(fence: *mut dma_fence);

    /// Begins a section on whose end fences wait; true if it is nested in such a section or in
    /// atomic context, and without lockdep.
    #[link_name = "rust_helper_dma_fence_begin_signalling"]
    pub fn dma_fence_begin_signalling() -> bool;

    /// Ends the section whose beginning returned `cookie`.
    #[link_name = "rust_helper_dma_fence_end_signalling"]
    pub fn dma_fence_end_signalling(cookie: bool);

    /// Whether the fence is a dma_fence_array.
    #[link_name = "rust_helper_dma_fence_is_array"]
    pub fn dma_fence_is_array(fence: *mut dma_fence) -> bool;

    /// Whether the fence is a link of a dma_fence_chain.
    #[link_name = "rust_helper_dma_fence_is_chain"]
    pub fn dma_fence_is_chain(fence: *mut dma_fence) -> bool;

    /// Whether the fence is made of others: an array or a chain.
    #[link_name = "rust_helper_dma_fence_is_container"]
    pub fn dma_fence_is_container(fence: *mut dma_fence) -> bool;
}

/// The number of the fence's context.
///
/// # Safety
///
/// `fence` points to an initialised fence that the caller holds a reference to.
#[inline]
pub unsafe fn dma_fence_context(fence: *mut dma_fence) -> u64 {
    // SAFETY: The fence is alive by the requirement, and the field is not written after its
    // initialisation.
    unsafe { (*fence).context }
}

/// The sequence number of the fence.
///
/// # Safety
///
/// `fence` points to an initialised fence that the caller holds a reference to.
#[inline]
pub unsafe fn dma_fence_seqno(fence: *mut dma_fence) -> u64 {
    // SAFETY: The fence is alive by the requirement, and the field is not written after its
    // initialisation.
    unsafe { (*fence).seqno }
}

/// The error of the fence, 0 if there is none; it counts only once the fence has signalled.
///
/// # Safety
///
/// `fence` points to an initialised fence that the caller holds a reference to.
#[inline]
pub unsafe fn dma_fence_error(fence: *mut dma_fence) -> c_int {
    // SAFETY: The fence is alive by the requirement. The field is written by C while others read
    // it, so it is read once, as a whole.
    unsafe { core::ptr::addr_of!((*fence).error).read_volatile() }
}

/// Sets the error and looks at nothing else, where `dma_fence_set_error()` would warn about a
/// fence that signals at this moment.
///
/// # Safety
///
/// `fence` points to an initialised fence that the caller holds a reference to.
#[inline]
pub unsafe fn dma_fence_store_error(fence: *mut dma_fence, error: c_int) {
    // SAFETY: The fence is alive by the requirement. The field is read by C while it is written,
    // so it is written once, as a whole.
    unsafe { core::ptr::addr_of_mut!((*fence).error).write_volatile(error) }
}
