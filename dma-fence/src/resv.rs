// SPDX-License-Identifier: GPL-2.0-only
//! Reservation objects: the fences that all users of a buffer wait for, and a lock.
//!
//! C header: [`include/linux/dma-resv.h`](srctree/include/linux/dma-resv.h)

mod iter;
mod lock;

pub use self::{
    iter::{
        DmaResvFence,
        DmaResvFences,
        DmaResvFencesLocked, //
    },
    lock::{
        DmaResvGuard,
        DmaResvSlot,
        DmaResvSlots, //
    },
};

use super::{
    bindings,
    fence::{
        to_timeout,
        Fence, //
    },
    ktime::Ktime,
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::aref::ARef,
    time::Jiffies,
    types::Opaque, //
};

// UNTIL(kernel-dma-resv): the kernel crate has reservation objects.
/// What a fence in a reservation object stands for; those that wait for one wait for those before it
/// as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
#[doc(alias = "dma_resv_usage")]
pub enum DmaResvUsage {
    /// The kernel moves or clears the memory: nothing may be done to it before.
    Kernel = bindings::dma_resv_usage_DMA_RESV_USAGE_KERNEL,
    /// Userspace writes.
    Write = bindings::dma_resv_usage_DMA_RESV_USAGE_WRITE,
    /// Userspace reads.
    Read = bindings::dma_resv_usage_DMA_RESV_USAGE_READ,
    /// The memory is used, by what is synchronised in another way.
    Bookkeep = bindings::dma_resv_usage_DMA_RESV_USAGE_BOOKKEEP,
}

impl DmaResvUsage {
    /// What a new write waits for, or a new read.
    #[doc(alias = "dma_resv_usage_rw")]
    pub const fn rw(write: bool) -> Self {
        if write {
            Self::Read
        } else {
            Self::Write
        }
    }

    pub(super) fn from_raw(usage: bindings::dma_resv_usage) -> Self {
        match usage {
            bindings::dma_resv_usage_DMA_RESV_USAGE_KERNEL => Self::Kernel,
            bindings::dma_resv_usage_DMA_RESV_USAGE_WRITE => Self::Write,
            bindings::dma_resv_usage_DMA_RESV_USAGE_READ => Self::Read,
            _ => Self::Bookkeep,
        }
    }
}

/// The fences of a buffer, and a lock.
///
/// A submission locks the objects of all its buffers, reserves a slot in each, waits for what is there
/// or has the GPU do so, and adds its own fence, which cannot fail any more. Readers need no lock.
///
/// # Invariants
///
/// The object was initialised, and is not ended.
///
/// # Examples
///
/// ```
/// use dma_fence::{DmaResv, DmaResvUsage, FenceContext, FenceContextOps};
/// use kernel::prelude::*;
///
/// struct Ring;
///
/// impl FenceContextOps for Ring {
///     type FenceDataType = ();
/// }
///
/// let ring = KBox::pin_init(FenceContext::new(1, c"driver", c"ring0", Ring), GFP_KERNEL)?;
/// let resv = KBox::pin_init(DmaResv::new(), GFP_KERNEL)?;
///
/// let mut guard = resv.lock();
/// // Before the point of no return.
/// let job = ring.new_fence_allocation(())?;
/// let slot = guard.reserve_one()?;
/// // What a new write has to wait for.
/// assert_eq!(slot.fences(DmaResvUsage::rw(true)).count(), 0);
/// // After it.
/// let job = job.new_fence();
/// slot.add(job.as_fence(), DmaResvUsage::Write);
/// drop(guard);
///
/// assert!(!resv.is_signaled(DmaResvUsage::rw(false)));
/// job.signal(Ok(()));
/// assert!(resv.is_signaled(DmaResvUsage::rw(false)));
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
#[pin_data(PinnedDrop)]
#[doc(alias = "dma_resv")]
pub struct DmaResv {
    #[pin]
    inner: Opaque<bindings::dma_resv>,
}

// SAFETY: The C object may be used by any thread.
unsafe impl Send for DmaResv {}
// SAFETY: What changes it needs its lock.
unsafe impl Sync for DmaResv {}

impl DmaResv {
    /// A new object without fences.
    #[doc(alias = "dma_resv_init")]
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: It is initialised, and ends with the drop.
        pin_init!(Self {
            // SAFETY: The memory is the object's own.
            inner <- Opaque::ffi_init(|resv| unsafe { bindings::dma_resv_init(resv) }),
        })
    }

    /// The object behind a C pointer, e.g. that of a GEM object.
    ///
    /// # Safety
    ///
    /// `ptr` is initialised, and not ended during `'a`.
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::dma_resv) -> &'a Self {
        // SAFETY: The caller's guarantee; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::dma_resv {
        self.inner.get()
    }

    /// True if all fences of the usage have signalled. Asks drivers. From any context but a callback or op
    /// of one of the fences.
    #[doc(alias = "dma_resv_test_signaled")]
    #[track_caller]
    pub fn is_signaled(&self, usage: DmaResvUsage) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_resv_test_signaled(self.as_raw(), usage as u32) }
    }

    /// Waits until all fences of the usage have signalled. May sleep, and nothing interrupts it.
    #[track_caller]
    pub fn wait(&self, usage: DmaResvUsage) {
        for found in self.fences(usage) {
            found.fence.wait();
        }
    }

    /// Waits until all fences of the usage have signalled, but no longer than `timeout` jiffies. May
    /// sleep.
    ///
    /// Returns the jiffies that are left, at least 1; `None` if time has run out. A timeout of 0 looks
    /// once at each, and enables signalling.
    #[doc(alias = "dma_resv_wait_timeout")]
    #[track_caller]
    pub fn wait_timeout(&self, usage: DmaResvUsage, timeout: Jiffies) -> Option<Jiffies> {
        // A driver's own wait may fail in its own way.
        self.wait_raw(usage, false, timeout).unwrap_or(None)
    }

    /// As [`wait_timeout`](Self::wait_timeout), but signals interrupt it.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS if a signal came first.
    #[doc(alias = "dma_resv_wait_timeout")]
    #[track_caller]
    pub fn wait_interruptible_timeout(
        &self,
        usage: DmaResvUsage,
        timeout: Jiffies,
    ) -> Result<Option<Jiffies>> {
        self.wait_raw(usage, true, timeout)
    }

    #[track_caller]
    fn wait_raw(
        &self,
        usage: DmaResvUsage,
        intr: bool,
        timeout: Jiffies,
    ) -> Result<Option<Jiffies>> {
        let (resv, timeout) = (self.as_raw(), to_timeout(timeout));
        // SAFETY: By the type invariant.
        let left = unsafe {
            bindings::dma_resv_wait_timeout(resv, usage as u32, intr, timeout as c_ulong)
        };
        match left {
            0 => Ok(None),
            left if left > 0 => Ok(Some(left as Jiffies)),
            error => Err(Error::from_errno(error as c_int)),
        }
    }

    /// Tells the drivers of all fences of the usage that a waiter hopes for them by `deadline`. From any
    /// context but a callback or op of one of the fences.
    #[doc(alias = "dma_resv_set_deadline")]
    #[track_caller]
    pub fn set_deadline(&self, usage: DmaResvUsage, deadline: Ktime) {
        // SAFETY: By the type invariant.
        unsafe {
            bindings::dma_resv_set_deadline(self.as_raw(), usage as u32, deadline.as_nanos())
        };
    }

    /// All fences of the usage that have not signalled, as they were at one time. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[doc(alias = "dma_resv_get_fences")]
    #[track_caller]
    pub fn pending(&self, usage: DmaResvUsage) -> Result<KVec<ARef<Fence>>> {
        let (mut count, mut fences) = (0, ptr::null_mut());
        // SAFETY: By the type invariant; both are valid for writes.
        to_result(unsafe {
            bindings::dma_resv_get_fences(self.as_raw(), usage as u32, &mut count, &mut fences)
        })?;
        if fences.is_null() {
            return Ok(KVec::new());
        }
        let count = count as usize;
        // SAFETY: The memory comes from `kmalloc()` and has as many references, all of which become the
        // caller's; an `ARef` is a pointer.
        Ok(unsafe { KVec::from_raw_parts(fences.cast(), count, count) })
    }

    /// One fence for all of the usage that have not signalled: the only one, or an array; `None` if there
    /// is none. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[doc(alias = "dma_resv_get_singleton")]
    #[track_caller]
    pub fn singleton(&self, usage: DmaResvUsage) -> Result<Option<ARef<Fence>>> {
        let mut fence = ptr::null_mut();
        // SAFETY: By the type invariant; `fence` is valid for writes.
        to_result(unsafe {
            bindings::dma_resv_get_singleton(self.as_raw(), usage as u32, &mut fence)
        })?;
        // SAFETY: A valid fence, with a reference that becomes the caller's.
        Ok(NonNull::new(fence.cast()).map(|fence| unsafe { ARef::from_raw(fence) }))
    }
}

#[pinned_drop]
impl PinnedDrop for DmaResv {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant; no reader is left, since each borrows it.
        unsafe { bindings::dma_resv_fini(self.as_raw()) };
    }
}
