// SPDX-License-Identifier: GPL-2.0-only
//! The issuer's side of a fence, from its memory to its signal.
//!
//! It comes in two variants, which differ in what keeps the timeline alive: a borrow, or a
//! reference count. [`DriverFence`] and [`ArcDriverFence`] are one type with either.

use super::{
    bindings,
    block::Block,
    chain::Unchained,
    context::FenceContext,
    fence::Fence,
    ops::FenceContextOps,
    signalling::Signalling, //
};
use core::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    sync::Arc,
    types::ForeignOwnable, //
};

mod sealed {
    pub trait Sealed {}
}

/// A pointer that keeps a timeline alive for the issuer's side of its fences.
pub trait ContextRef<T: FenceContextOps>: Deref<Target = FenceContext<T>> + sealed::Sealed {}

impl<T: FenceContextOps> sealed::Sealed for &FenceContext<T> {}
impl<T: FenceContextOps> ContextRef<T> for &FenceContext<T> {}
impl<T: FenceContextOps> sealed::Sealed for Arc<FenceContext<T>> {}
impl<T: FenceContextOps> ContextRef<T> for Arc<FenceContext<T>> {}

/// Memory for a fence that does not exist yet.
///
/// Having one tells you that creating the fence cannot fail: it is taken before the point of no
/// return of a submission. Rule [no-alloc-at-submit](../../book/rules/no-alloc-at-submit.html).
pub struct FenceAllocation<T: FenceContextOps, C: ContextRef<T>> {
    block: KBox<Block<T>>,
    context: C,
}

/// Memory for a [`DriverFence`].
pub type DriverFenceAllocation<'a, T> = FenceAllocation<T, &'a FenceContext<T>>;

/// Memory for an [`ArcDriverFence`].
pub type ArcDriverFenceAllocation<T> = FenceAllocation<T, Arc<FenceContext<T>>>;

impl<T: FenceContextOps> FenceContext<T> {
    /// Allocates the memory of a fence, so that creating it later cannot fail. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[track_caller]
    pub fn new_fence_allocation(
        &self,
        data: T::FenceDataType,
    ) -> Result<DriverFenceAllocation<'_, T>> {
        DriverFenceAllocation::new(self, data)
    }

    /// As [`new_fence_allocation`](Self::new_fence_allocation), for a fence that keeps its
    /// timeline alive.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[track_caller]
    pub fn new_arc_fence_allocation(
        this: &Arc<Self>,
        data: T::FenceDataType,
    ) -> Result<ArcDriverFenceAllocation<T>> {
        ArcDriverFenceAllocation::new(this.clone(), data)
    }
}

impl<T: FenceContextOps, C: ContextRef<T>> FenceAllocation<T, C> {
    #[track_caller]
    fn new(context: C, data: T::FenceDataType) -> Result<Self> {
        Ok(Self {
            block: Block::new(&context, data)?,
            context,
        })
    }

    /// Creates the fence with the timeline's next number. From any context.
    #[doc(alias = "dma_fence_init64")]
    #[track_caller]
    pub fn new_fence(self) -> IssuedFence<T, C> {
        self.issue(None).published()
    }

    /// Creates the fence with a number of the caller's choice, for timelines whose values mean
    /// something; the timeline's next number stays. From any context.
    #[track_caller]
    pub fn new_fence_at(self, seqno: u64) -> IssuedFence<T, C> {
        self.issue(Some(seqno)).published()
    }

    /// Creates the fence with that number, or the timeline's next, and does not publish it.
    #[track_caller]
    pub(super) fn issue(self, seqno: Option<u64>) -> IssuedFence<T, C> {
        let seqno = self.context.issued(seqno);
        IssuedFence {
            block: Block::into_fence(self.block, seqno),
            context: self.context,
        }
    }
}

// SAFETY: The block is memory of our own, with the data, and the rest is `context`.
unsafe impl<T: FenceContextOps, C: ContextRef<T> + Send> Send for FenceAllocation<T, C> {}
// SAFETY: `&self` gives access to nothing but the `Sync` context and data.
unsafe impl<T: FenceContextOps, C: ContextRef<T> + Sync> Sync for FenceAllocation<T, C> {}

/// The issuer's side of a fence: the only thing that can signal it.
///
/// Having one tells you that
/// - the fence has not been signalled by its driver, and
/// - its timeline is alive.
///
/// Dropping it without a signal is an error, which is printed; the fence signals with ECANCELED.
/// The driver's data is dropped after a grace period. Rules
/// [signal-eventually](../../book/rules/signal-eventually.html) and
/// [signal-once](../../book/rules/signal-once.html).
///
/// # Invariants
///
/// It is the only one of its block, it owns a reference to the fence, and nothing else signals
/// that but a poll of its `signaled` op.
pub struct IssuedFence<T: FenceContextOps, C: ContextRef<T>> {
    block: NonNull<Block<T>>,
    // Dropped last: the timeline is alive while the fence is finished.
    context: C,
}

/// The issuer's side of a fence, which borrows its timeline.
pub type DriverFence<'a, T> = IssuedFence<T, &'a FenceContext<T>>;

/// The issuer's side of a fence, which keeps its timeline alive: for drivers that hold a timeline
/// and its pending fences in one structure, and for work items, which borrow nothing.
///
/// If it is the last to do so, dropping or signalling it drops the timeline, which sleeps.
pub type ArcDriverFence<T> = IssuedFence<T, Arc<FenceContext<T>>>;

// SAFETY: The data is `Send + Sync`, the C fence is thread-safe, and the rest is `context`.
unsafe impl<T: FenceContextOps, C: ContextRef<T> + Send> Send for IssuedFence<T, C> {}
// SAFETY: The data is `Sync`, the C fence is thread-safe, and so is `context`.
unsafe impl<T: FenceContextOps, C: ContextRef<T> + Sync> Sync for IssuedFence<T, C> {}

impl<T: FenceContextOps, C: ContextRef<T>> IssuedFence<T, C> {
    /// The side that all others see.
    pub fn as_fence(&self) -> &Fence {
        // SAFETY: By the invariant we have a reference, which is not given up before `self` goes.
        unsafe { Fence::from_raw(Block::fence(self.block)) }
    }

    /// As [`as_fence`](Self::as_fence), for a chain to contain.
    pub fn as_unchained(&self) -> &Unchained {
        // INVARIANT: The ops of a block are not those of a node of a chain.
        Unchained::new(self.as_fence())
    }

    /// From here on it must be signalled.
    #[track_caller]
    pub(super) fn published(self) -> Self {
        bindings::__dma_fence_debug_publish(Block::fence(self.block));
        self
    }

    /// Signals, with an error if `result` is one. From any context, unless it is the last user of
    /// its timeline; callbacks run here.
    ///
    /// If a poll was faster, the result of that stays. Rules
    /// [signal-once](../../book/rules/signal-once.html) and
    /// [error-before-signal](../../book/rules/error-before-signal.html).
    #[doc(alias("dma_fence_signal", "dma_fence_set_error"))]
    #[track_caller]
    pub fn signal(self, result: Result) {
        self.finish(result);
        let (block, context) = self.into_parts();
        // SAFETY: It has signalled; the reference is that of the invariant, and `self` is gone.
        unsafe { Self::end(block, &context) };
        drop(context);
        bindings::__dma_fence_debug_point();
    }

    #[track_caller]
    fn finish(&self, result: Result) {
        let _signalling = Signalling::begin();
        let fence = Block::fence(self.block);
        // SAFETY: By the invariant the fence is live; the lock is held around what needs it.
        unsafe {
            let flags = bindings::dma_fence_lock_irqsave(fence);
            if !bindings::dma_fence_test_signaled_flag(fence) {
                let error = self.block.as_ref().decide(result);
                if error != 0 {
                    bindings::dma_fence_set_error(fence, error);
                } else {
                    Block::<T>::progress(fence);
                }
                bindings::dma_fence_signal_locked(fence);
            }
            bindings::dma_fence_unlock_irqrestore(fence, flags);
        }
    }

    /// Ends the fence without a signal.
    ///
    /// # Safety
    ///
    /// It was never published.
    pub(super) unsafe fn discard(self) {
        let (block, context) = self.into_parts();
        context.finished();
        // SAFETY: It was never published. The reference is that of the
        // invariant.
        unsafe { Block::discard(block) };
    }

    /// The issuer's side goes.
    ///
    /// # Safety
    ///
    /// The fence has signalled; the caller gives up the reference of the invariant.
    unsafe fn end(block: NonNull<Block<T>>, context: &C) {
        context.finished();
        // SAFETY: The caller's guarantees are the same.
        unsafe { Block::hand_over(block) };
    }

    fn into_parts(self) -> (NonNull<Block<T>>, C) {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is neither used nor dropped any more.
        let context = unsafe { core::ptr::read(&this.context) };
        (this.block, context)
    }
}

impl<T: FenceContextOps, C: ContextRef<T>> Deref for IssuedFence<T, C> {
    type Target = T::FenceDataType;

    fn deref(&self) -> &Self::Target {
        // SAFETY: By the invariant the block was not handed over.
        unsafe { self.block.as_ref() }.data()
    }
}

impl<T: FenceContextOps, C: ContextRef<T>> Drop for IssuedFence<T, C> {
    fn drop(&mut self) {
        // SAFETY: By the invariant the fence is live.
        if !unsafe { bindings::dma_fence_test_signaled_flag(Block::fence(self.block)) } {
            let seqno = self.as_fence().seqno();
            pr_err!("fence {} was dropped unsignalled: canceled\n", seqno);
            bindings::__dma_fence_debug_cancel(Block::fence(self.block));
            self.finish(Err(ECANCELED));
        }
        // SAFETY: It has signalled; the reference is that of the invariant, and this goes.
        unsafe { Self::end(self.block, &self.context) };
    }
}

/// A [`DriverFence`] that C code owns, borrowed.
pub struct DriverFenceBorrow<'a, T: FenceContextOps> {
    fence: ManuallyDrop<DriverFence<'a, T>>,
}

impl<T: FenceContextOps> DriverFenceBorrow<'_, T> {
    /// # Safety
    ///
    /// `ptr` comes from `DriverFence::into_foreign`, and is not taken back while this exists.
    unsafe fn new(ptr: *mut c_void) -> Self {
        // SAFETY: The pointer is of `into_foreign`. What is borrowed is not
        // dropped.
        let fence = ManuallyDrop::new(unsafe { DriverFence::from_foreign(ptr) });
        Self { fence }
    }
}

impl<'a, T: FenceContextOps> Deref for DriverFenceBorrow<'a, T> {
    type Target = DriverFence<'a, T>;

    fn deref(&self) -> &Self::Target {
        &self.fence
    }
}

// SAFETY: The pointer is that of a live `Block<T>`, aligned as such.
unsafe impl<T: FenceContextOps> ForeignOwnable for IssuedFence<T, &FenceContext<T>> {
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
        let (block, _context) = self.into_parts();
        block.as_ptr().cast()
    }

    unsafe fn from_foreign(ptr: *mut c_void) -> Self {
        // SAFETY: The pointer comes from `into_foreign`, and the timeline outlives the result.
        unsafe {
            Self {
                block: NonNull::new_unchecked(ptr.cast()),
                context: Block::of(ptr.cast()).context(),
            }
        }
    }

    unsafe fn borrow<'a>(ptr: *mut c_void) -> DriverFenceBorrow<'a, T> {
        // SAFETY: The pointer is of `into_foreign`, and not taken back during `'a`.
        unsafe { DriverFenceBorrow::new(ptr) }
    }

    unsafe fn borrow_mut<'a>(ptr: *mut c_void) -> DriverFenceBorrow<'a, T> {
        // SAFETY: The pointer is of `into_foreign`, and not taken back during `'a`; there is nothing
        // to borrow mutably.
        unsafe { DriverFenceBorrow::new(ptr) }
    }
}
