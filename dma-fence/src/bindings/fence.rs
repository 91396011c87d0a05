// SPDX-License-Identifier: GPL-2.0-only
//! The structures: a fence, its ops, a callback.
//!
//! C header: [`include/linux/dma-fence.h`](srctree/include/linux/dma-fence.h)

use core::{
    cell::UnsafeCell,
    mem::ManuallyDrop,
    ptr::{addr_of_mut, null_mut, NonNull},
};
use kernel::{
    bindings::{callback_head, kref, kref_read, ktime_t, list_head, spinlock_t},
    ffi::{c_char, c_int, c_long, c_uint, c_ulong},
    sync::atomic::{__set_bits, Acquire, Atomic, Full, Relaxed, Release},
};

/// The lock of a fence: its own, or one that it shares.
#[repr(C)]
pub union dma_fence__bindgen_ty_1 {
    /// The one that it shares.
    pub extern_lock: *mut spinlock_t,
    /// Its own.
    pub inline_lock: ManuallyDrop<spinlock_t>,
}

/// A union whose member depends on the state of the fence.
#[repr(C)]
pub union dma_fence__bindgen_ty_2 {
    /// Until it signals: the callbacks, under the lock.
    pub cb_list: list_head,
    /// After it has signalled: when, in nanoseconds. Published by `TIMESTAMP_BIT`.
    pub timestamp: ktime_t,
    /// After the last reference was dropped.
    pub rcu: callback_head,
}

/// A fence: something that will have happened.
///
/// | bit of `flags` | name | set |
/// |---|---|---|
/// | 0 | `INITIALIZED` | by init |
/// | 1 | `INLINE_LOCK` | by init, without an external lock |
/// | 2 | `SEQNO64` | by init64: `seqno` compares with all its bits |
/// | 3 | `SIGNALED` | once, under the lock here |
/// | 4 | `TIMESTAMP` | when the timestamp is there, with `SIGNALED` here |
/// | 5 | `ENABLE_SIGNAL` | once the signal is wanted, under the lock |
/// | 6.. | `USER` | by the driver |
///
/// # Invariants
///
/// - `ops` is not null until `SIGNALED` is set; it becomes null then, unless the ops have `wait`
///   or `release`. What it points to lives for a grace period longer.
/// - `list` is the list of callbacks until `SIGNALED` and `TIMESTAMP` are set, then the timestamp, and
///   RCU's once the count is 0.
///
/// The fields are plain, as bindgen has them, for files that were written for the kernel. All else
/// that is here sees a [`Live`] in the same place: what is read while it changes is atomic, and a
/// reference to a plain field would say that it does not change.
#[cfg(not(loom))]
#[repr(C)]
pub struct dma_fence {
    /// The lock.
    pub __bindgen_anon_1: dma_fence__bindgen_ty_1,
    /// What the driver does; null once it is detached.
    pub ops: *const dma_fence_ops,
    /// The callbacks, or what comes after them.
    pub __bindgen_anon_2: dma_fence__bindgen_ty_2,
    /// The context: fences of one context are in order. Never changes.
    pub context: u64,
    /// The place in the context's order. Never changes.
    pub seqno: u64,
    /// The bits.
    pub flags: c_ulong,
    /// The references.
    pub refcount: kref,
    /// The error, or 0; counts once the fence has signalled.
    pub error: c_int,
}

#[cfg(not(loom))]
impl Default for dma_fence {
    fn default() -> Self {
        // SAFETY: Zeroes are valid for all fields: a fence that was not initialised.
        unsafe { core::mem::zeroed() }
    }
}

/// The model checker knows no plain memory.
#[cfg(loom)]
pub type dma_fence = Live;

#[doc(hidden)]
/// A fence as it is used: a [`dma_fence`] whose fields are what may change at any time.
#[repr(C)]
pub struct Live {
    pub(super) lock: UnsafeCell<dma_fence__bindgen_ty_1>,
    pub(super) ops: Atomic<*mut dma_fence_ops>,
    pub(super) list: UnsafeCell<dma_fence__bindgen_ty_2>,
    /// The context.
    pub context: u64,
    /// The place in the context's order.
    pub seqno: u64,
    pub(super) flags: Atomic<usize>,
    pub(super) refcount: UnsafeCell<kref>,
    pub(super) error: Atomic<c_int>,
    /// The timestamp as the model checker sees it, which knows no plain memory.
    #[cfg(loom)]
    pub(super) timestamp: Atomic<ktime_t>,
}

// SAFETY: What changes is atomic, under the lock, or handed over as the invariants say.
unsafe impl Send for Live {}
// SAFETY: What changes is atomic, under the lock, or handed over as the invariants say.
unsafe impl Sync for Live {}

/// The fence that C's pointer is to.
///
/// # Safety
///
/// `fence` is valid for `'a`, or zeroed.
#[inline]
pub(crate) unsafe fn live<'a>(fence: *const dma_fence) -> &'a Live {
    // SAFETY: The caller's guarantee; the layout is the same, and zeroes are valid.
    unsafe { &*fence.cast() }
}

/// Called when a fence signals, with its lock held and interrupts off; may free the callback.
pub type dma_fence_func_t =
    Option<unsafe extern "C" fn(fence: *mut dma_fence, cb: *mut dma_fence_cb)>;

/// A callback, inside the caller's own structure.
///
/// # Invariants
///
/// `node` is on the list of the fence that it was added to, or a list of its own.
#[repr(C)]
pub struct dma_fence_cb {
    /// The link in the fence's list; first, so that its address is the callback's.
    pub node: list_head,
    /// The function that is called.
    pub func: dma_fence_func_t,
}

/// The ops of a driver's fences. Only the names are mandatory.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct dma_fence_ops {
    /// The driver's name. The string lives for a grace period after the fence has signalled.
    pub get_driver_name: Option<unsafe extern "C" fn(fence: *mut dma_fence) -> *const c_char>,
    /// The name of the timeline; likewise.
    pub get_timeline_name: Option<unsafe extern "C" fn(fence: *mut dma_fence) -> *const c_char>,
    /// The signal is wanted: called once, under the lock. False says that the fence has passed
    /// already, or never will; only then may an error be set here.
    pub enable_signaling: Option<unsafe extern "C" fn(fence: *mut dma_fence) -> bool>,
    /// Has it happened? Once true it stays true; may set an error if it says so.
    pub signaled: Option<unsafe extern "C" fn(fence: *mut dma_fence) -> bool>,
    /// Waits in the driver's own way (deprecated); keeps the ops attached.
    pub wait:
        Option<unsafe extern "C" fn(fence: *mut dma_fence, intr: bool, timeout: c_long) -> c_long>,
    /// Frees the fence after a grace period, when its count is 0; keeps the ops attached.
    pub release: Option<unsafe extern "C" fn(fence: *mut dma_fence)>,
    /// A waiter hopes that it signals by then. From any context, without the lock, often.
    pub set_deadline: Option<unsafe extern "C" fn(fence: *mut dma_fence, deadline: ktime_t)>,
}

// SAFETY: All members are `None` then.
unsafe impl pin_init::Zeroable for dma_fence_ops {}

/// C: `enum dma_fence_flag_bits`.
pub type dma_fence_flag_bits = c_uint;
/// The fence was initialised.
pub const dma_fence_flag_bits_DMA_FENCE_FLAG_INITIALIZED_BIT: dma_fence_flag_bits = 0;
/// The fence has a lock of its own.
pub const dma_fence_flag_bits_DMA_FENCE_FLAG_INLINE_LOCK_BIT: dma_fence_flag_bits = 1;
/// The sequence number compares with all its bits.
pub const dma_fence_flag_bits_DMA_FENCE_FLAG_SEQNO64_BIT: dma_fence_flag_bits = 2;
/// The fence has signalled.
pub const dma_fence_flag_bits_DMA_FENCE_FLAG_SIGNALED_BIT: dma_fence_flag_bits = 3;
/// The timestamp can be read.
pub const dma_fence_flag_bits_DMA_FENCE_FLAG_TIMESTAMP_BIT: dma_fence_flag_bits = 4;
/// Signalling was enabled.
pub const dma_fence_flag_bits_DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT: dma_fence_flag_bits = 5;
/// The first bit that belongs to the driver.
pub const dma_fence_flag_bits_DMA_FENCE_FLAG_USER_BITS: dma_fence_flag_bits = 6;

pub(super) const INITIALIZED: usize = 1 << dma_fence_flag_bits_DMA_FENCE_FLAG_INITIALIZED_BIT;
pub(super) const INLINE_LOCK: usize = 1 << dma_fence_flag_bits_DMA_FENCE_FLAG_INLINE_LOCK_BIT;
pub(crate) const SEQNO64: usize = 1 << dma_fence_flag_bits_DMA_FENCE_FLAG_SEQNO64_BIT;
pub(crate) const SIGNALED: usize = 1 << dma_fence_flag_bits_DMA_FENCE_FLAG_SIGNALED_BIT;
pub(crate) const TIMESTAMP: usize = 1 << dma_fence_flag_bits_DMA_FENCE_FLAG_TIMESTAMP_BIT;
pub(super) const ENABLE_SIGNAL: usize = 1 << dma_fence_flag_bits_DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT;

impl Live {
    /// `test_bit()`: what happened before the bit was set is visible if it is.
    #[inline]
    pub(crate) fn test(&self, bit: usize) -> bool {
        // Pairs with the release in `set()` and the full barriers in `set_signalled()` and `test_and_set()`.
        let flags = if cfg!(fault = "relaxed") {
            self.flags.load(Relaxed)
        } else {
            self.flags.load(Acquire)
        };
        flags & bit != 0
    }

    /// `test_and_set_bit()`: a full barrier, as in the kernel.
    #[inline]
    pub(super) fn test_and_set(&self, bit: usize) -> bool {
        // Pairs with the load in `test()`.
        __set_bits(&self.flags, bit, Full) & bit != 0
    }

    /// Sets `SIGNALED` and `TIMESTAMP`; false, and nothing changes, if `SIGNALED` was set. A full barrier,
    /// as `test_and_set_bit()` of the first is in the kernel.
    #[inline]
    pub(super) fn set_signalled(&self) -> bool {
        let mut flags = self.flags.load(Relaxed);
        while flags & SIGNALED == 0 {
            // Pairs with the load in `test()`: the timestamp can be read, and what came before the signal.
            match self
                .flags
                .cmpxchg(flags, flags | SIGNALED | TIMESTAMP, Full)
            {
                Ok(_) => return true,
                Err(others) => flags = others,
            }
        }
        false
    }

    /// `smp_mb__before_atomic()` and `set_bit()`, as far as `test()` needs it.
    #[inline]
    pub(super) fn set(&self, bit: usize) {
        // Pairs with the load in `test()`: what `TIMESTAMP` says is there can be read.
        __set_bits(&self.flags, bit, Release);
    }

    /// `rcu_dereference(fence->ops)`.
    #[inline]
    pub(super) fn ops(&self) -> Option<NonNull<dma_fence_ops>> {
        // Pairs with whatever published the fence; a null needs no order.
        NonNull::new(self.ops.load(Acquire))
    }

    /// `RCU_INIT_POINTER(fence->ops, NULL)`.
    #[inline]
    pub(super) fn detach(&self) {
        self.ops.store(null_mut(), Relaxed);
    }

    /// The time of the signal.
    ///
    /// # Safety
    ///
    /// `TIMESTAMP` is set.
    #[inline]
    pub(super) unsafe fn timestamp(&self) -> ktime_t {
        #[cfg(loom)]
        return self.timestamp.load(Relaxed);
        // SAFETY: Written before the bit was set, and not again while there is a reference.
        #[cfg(not(loom))]
        unsafe {
            (*self.list.get()).timestamp
        }
    }

    /// Stores the time of the signal.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, `TIMESTAMP` is not set, and the list of callbacks not used any more.
    #[inline]
    pub(super) unsafe fn set_timestamp(&self, timestamp: ktime_t) {
        #[cfg(loom)]
        self.timestamp.store(timestamp, Relaxed);
        // SAFETY: It is the lock's until the bit is set: the caller's guarantee.
        #[cfg(not(loom))]
        unsafe {
            (*self.list.get()).timestamp = timestamp;
        }
    }

    /// `READ_ONCE(fence->error)`.
    #[inline]
    pub(super) fn error(&self) -> c_int {
        self.error.load(Relaxed)
    }

    /// `WRITE_ONCE(fence->error, error)`.
    #[inline]
    pub(super) fn set_error(&self, error: c_int) {
        self.error.store(error, Relaxed);
    }

    /// The lock: its own, or the one it was given.
    #[inline]
    pub(crate) fn spinlock(&self) -> *mut spinlock_t {
        let lock = self.lock.get();
        // SAFETY: The bit says which member of the union is valid; neither bit nor member changes
        // after init.
        unsafe {
            if self.flags.load(Relaxed) & INLINE_LOCK != 0 {
                addr_of_mut!((*lock).inline_lock).cast()
            } else {
                (*lock).extern_lock
            }
        }
    }
}

/// The link that heads the fence's callbacks.
///
/// # Safety
///
/// `fence` is valid; what is done with the result is done under the lock.
#[inline]
pub(super) unsafe fn cb_list(fence: *mut dma_fence) -> *mut list_head {
    // SAFETY: `fence` is valid; no reference to the cell's content is made.
    unsafe {
        addr_of_mut!((*UnsafeCell::raw_get(addr_of_mut!((*fence.cast::<Live>()).list))).cb_list)
    }
}

/// Returns the flags; bit n is C's.
pub unsafe fn dma_fence_flags(fence: *mut dma_fence) -> c_ulong {
    // SAFETY: The fence is valid.
    // Pairs as in `test()`.
    unsafe { live(fence) }.flags.load(Acquire)
}

/// Returns the error, 0 if there is none; it counts only once the fence has signalled.
pub unsafe fn dma_fence_error(fence: *mut dma_fence) -> c_int {
    // SAFETY: The fence is valid.
    unsafe { live(fence) }.error()
}

/// Sets the error and looks at nothing else, where `dma_fence_set_error()` would warn about a
/// fence that signals at this moment.
pub unsafe fn dma_fence_store_error(fence: *mut dma_fence, error: c_int) {
    // SAFETY: The fence is valid.
    unsafe { live(fence) }.set_error(error);
}

/// Returns the count of references.
pub unsafe fn dma_fence_kref(fence: *mut dma_fence) -> *mut kref {
    // SAFETY: The fence is valid; no reference is made.
    UnsafeCell::raw_get(unsafe { addr_of_mut!((*fence.cast::<Live>()).refcount) })
}

/// Returns the number of references, which others may change at any time: `kref_read()`.
pub unsafe fn dma_fence_references(fence: *mut dma_fence) -> c_uint {
    // SAFETY: The fence is valid.
    unsafe { kref_read(dma_fence_kref(fence)) }
}

/// Returns the sequence number.
#[inline]
pub unsafe fn dma_fence_seqno(fence: *mut dma_fence) -> u64 {
    // SAFETY: The fence is valid; the field is never written after init.
    unsafe { (*fence).seqno }
}

/// Returns the number of the context.
#[inline]
pub unsafe fn dma_fence_context(fence: *mut dma_fence) -> u64 {
    // SAFETY: The fence is valid; the field is never written after init.
    unsafe { (*fence).context }
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
mod layout {
    use super::{dma_fence, dma_fence_cb, dma_fence_ops, Live};
    use core::mem::offset_of;
    use static_assertions::{const_assert, const_assert_eq};

    const_assert_eq!(size_of::<dma_fence>(), 64);
    const_assert_eq!(size_of::<Live>(), 64);
    const_assert_eq!(offset_of!(Live, lock), 0);
    const_assert_eq!(offset_of!(dma_fence, __bindgen_anon_1), 0);
    const_assert_eq!(offset_of!(Live, ops), 8);
    const_assert_eq!(offset_of!(dma_fence, ops), 8);
    const_assert_eq!(offset_of!(Live, list), 16);
    const_assert_eq!(offset_of!(dma_fence, __bindgen_anon_2), 16);
    const_assert_eq!(offset_of!(Live, context), 32);
    const_assert_eq!(offset_of!(dma_fence, context), 32);
    const_assert_eq!(offset_of!(Live, seqno), 40);
    const_assert_eq!(offset_of!(dma_fence, seqno), 40);
    const_assert_eq!(offset_of!(Live, flags), 48);
    const_assert_eq!(offset_of!(dma_fence, flags), 48);
    const_assert_eq!(offset_of!(Live, refcount), 56);
    const_assert_eq!(offset_of!(dma_fence, refcount), 56);
    const_assert_eq!(offset_of!(Live, error), 60);
    const_assert_eq!(offset_of!(dma_fence, error), 60);
    const_assert_eq!(size_of::<dma_fence_cb>(), 24);
    const_assert_eq!(offset_of!(dma_fence_cb, node), 0);
    const_assert_eq!(size_of::<dma_fence_ops>(), 7 * size_of::<usize>());
    const_assert!(align_of::<dma_fence>() == 8);
}
