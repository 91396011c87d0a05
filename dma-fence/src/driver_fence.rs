// SPDX-License-Identifier: GPL-2.0-only
//! The issuer's side of a fence, from its memory to its signal.

use super::{
    block::{
        Block,
        Issued, //
    },
    context::FenceContext,
    fence::Fence,
    ops::FenceContextOps,
    private::Private, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref, //
};
use kernel::{
    prelude::*,
    sync::Arc,
    types::ForeignOwnable, //
};

/// Memory for a fence that does not exist yet.
///
/// Having one tells you that creating the fence cannot fail: it is taken before the point of no
/// return of a submission.
pub struct DriverFenceAllocation<'a, T: FenceContextOps + Send + Sync> {
    block: KBox<Block<T>>,
    context: &'a FenceContext<T>,
}

impl<'a, T: FenceContextOps + Send + Sync> DriverFenceAllocation<'a, T> {
    pub(super) fn new(block: KBox<Block<T>>, context: &'a FenceContext<T>) -> Self {
        Self { block, context }
    }

    /// Creates the fence with the timeline's next number. From any context.
    #[doc(alias = "dma_fence_init64")]
    pub fn new_fence(self) -> DriverFence<'a, T> {
        let seqno = self.context.take_seqno();
        self.new_fence_at(seqno)
    }

    /// Creates the fence with the timeline's next number, but keeps it private until it is
    /// published. From any context.
    pub fn new_private_fence(self) -> Private<DriverFence<'a, T>> {
        Private::new(self.new_fence())
    }

    /// Creates the fence with a number of the caller's choice, for timelines whose values mean
    /// something; the timeline's next number stays. From any context.
    pub fn new_fence_at(self, seqno: u64) -> DriverFence<'a, T> {
        DriverFence {
            issued: Block::into_fence(self.block, seqno),
            _context: PhantomData,
        }
    }
}

/// As [`DriverFenceAllocation`], for an [`ArcDriverFence`].
pub struct ArcDriverFenceAllocation<T: FenceContextOps + Send + Sync> {
    block: KBox<Block<T>>,
    context: Arc<FenceContext<T>>,
}

impl<T: FenceContextOps + Send + Sync> ArcDriverFenceAllocation<T> {
    pub(super) fn new(block: KBox<Block<T>>, context: Arc<FenceContext<T>>) -> Self {
        Self { block, context }
    }

    /// Creates the fence with the timeline's next number. From any context.
    pub fn new_fence(self) -> ArcDriverFence<T> {
        let seqno = self.context.take_seqno();
        self.new_fence_at(seqno)
    }

    /// Creates the fence with the timeline's next number, but keeps it private until it is
    /// published. From any context.
    pub fn new_private_fence(self) -> Private<ArcDriverFence<T>> {
        Private::new(self.new_fence())
    }

    /// Creates the fence with a number of the caller's choice; the timeline's next number stays.
    /// From any context.
    pub fn new_fence_at(self, seqno: u64) -> ArcDriverFence<T> {
        ArcDriverFence {
            issued: Block::into_fence(self.block, seqno),
            _context: self.context,
        }
    }
}

/// The issuer's side of a fence: the only thing that can signal it.
///
/// Having one tells you that
/// - the fence has not been signalled by its driver, and
/// - its timeline is alive.
///
/// Dropping it without a signal is an error, which is printed; the fence signals with ECANCELED.
/// The driver's data is dropped after a grace period.
pub struct DriverFence<'a, T: FenceContextOps + Send + Sync> {
    issued: Issued<T>,
    _context: PhantomData<&'a FenceContext<T>>,
}

impl<T: FenceContextOps + Send + Sync> DriverFence<'_, T> {
    /// What everybody else sees.
    pub fn as_fence(&self) -> &Fence {
        // SAFETY: `Issued` owns a reference.
        unsafe { Fence::from_raw(self.issued.as_raw()) }
    }

    /// Signals, with an error if `result` is one. From any context; callbacks run here.
    #[doc(alias("dma_fence_signal", "dma_fence_set_error"))]
    pub fn signal(self, result: Result) {
        self.issued.signal(result);
    }

    pub(super) fn discard_unseen(self) {
        self.issued.discard();
    }
}

impl<T: FenceContextOps + Send + Sync> Deref for DriverFence<'_, T> {
    type Target = T::FenceDataType;

    fn deref(&self) -> &Self::Target {
        self.issued.data()
    }
}

/// A [`DriverFence`] that C code owns, borrowed.
pub struct DriverFenceBorrow<'a, T: FenceContextOps + Send + Sync> {
    fence: ManuallyDrop<DriverFence<'a, T>>,
}

impl<'a, T: FenceContextOps + Send + Sync> Deref for DriverFenceBorrow<'a, T> {
    type Target = DriverFence<'a, T>;

    fn deref(&self) -> &Self::Target {
        &self.fence
    }
}

// SAFETY: The pointer is that of a live `Block<T>`, aligned as such.
unsafe impl<'f, T: FenceContextOps + Send + Sync> ForeignOwnable for DriverFence<'f, T> {
    const FOREIGN_ALIGN: usize = core::mem::align_of::<Block<T>>();
    type Borrowed<'a>
        = DriverFenceBorrow<'a, T>
    where
        Self: 'a;
    type BorrowedMut<'a>
        = DriverFenceBorrow<'a, T>
    where
        Self: 'a;

    fn into_foreign(self) -> *mut c_void {
        self.issued.into_ptr()
    }

    unsafe fn from_foreign(ptr: *mut c_void) -> Self {
        // SAFETY: The pointer comes from `into_foreign`, and the context outlives `'f`.
        let issued = unsafe { Issued::from_ptr(ptr) };
        Self {
            issued,
            _context: PhantomData,
        }
    }

    unsafe fn borrow<'a>(ptr: *mut c_void) -> DriverFenceBorrow<'a, T> {
        // SAFETY: The pointer comes from `into_foreign`; the borrow does not drop it.
        let issued = unsafe { Issued::from_ptr(ptr) };
        let fence = ManuallyDrop::new(DriverFence {
            issued,
            _context: PhantomData,
        });
        DriverFenceBorrow { fence }
    }

    unsafe fn borrow_mut<'a>(ptr: *mut c_void) -> DriverFenceBorrow<'a, T> {
        // SAFETY: As `borrow`.
        let issued = unsafe { Issued::from_ptr(ptr) };
        let fence = ManuallyDrop::new(DriverFence {
            issued,
            _context: PhantomData,
        });
        DriverFenceBorrow { fence }
    }
}

/// As [`DriverFence`], and keeps its timeline alive: for drivers that hold a timeline and its
/// pending fences in one structure.
///
/// If it is the last to do so, dropping or signalling it drops the timeline, which sleeps.
pub struct ArcDriverFence<T: FenceContextOps + Send + Sync> {
    // Dropped first, while the context is alive.
    issued: Issued<T>,
    _context: Arc<FenceContext<T>>,
}

impl<T: FenceContextOps + Send + Sync> ArcDriverFence<T> {
    /// What everybody else sees.
    pub fn as_fence(&self) -> &Fence {
        // SAFETY: `Issued` owns a reference.
        unsafe { Fence::from_raw(self.issued.as_raw()) }
    }

    /// Signals, with an error if `result` is one. From any context, unless it is the last user
    /// of its timeline; callbacks run here.
    #[doc(alias("dma_fence_signal", "dma_fence_set_error"))]
    pub fn signal(self, result: Result) {
        self.issued.signal(result);
    }

    pub(super) fn discard_unseen(self) {
        self.issued.discard();
    }
}

impl<T: FenceContextOps + Send + Sync> Deref for ArcDriverFence<T> {
    type Target = T::FenceDataType;

    fn deref(&self) -> &Self::Target {
        self.issued.data()
    }
}
