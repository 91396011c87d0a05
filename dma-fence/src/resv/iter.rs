// SPDX-License-Identifier: GPL-2.0-only
//! The fences of a reservation object, one after the other.

use super::{
    bindings,
    DmaResv,
    DmaResvGuard,
    DmaResvUsage,
    Fence, //
};
use core::{
    iter::FusedIterator,
    marker::PhantomData,
    mem::{
        replace,
        MaybeUninit, //
    },
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::sync::aref::ARef;

/// A cursor that is at the beginning.
fn begin(resv: &DmaResv, usage: DmaResvUsage) -> bindings::dma_resv_iter {
    let mut cursor = MaybeUninit::zeroed();
    // SAFETY: A cursor may be zeroed, and is valid for writes. The object is initialised.
    unsafe {
        bindings::dma_resv_iter_begin(cursor.as_mut_ptr(), resv.as_raw(), usage as u32);
        cursor.assume_init()
    }
}

/// What C has found last.
fn found(cursor: &mut bindings::dma_resv_iter) -> DmaResvUsage {
    // SAFETY: There is a present fence: the callers look.
    DmaResvUsage::from_raw(unsafe { bindings::dma_resv_iter_usage(cursor) })
}

/// A fence that a reader without the lock has found.
pub struct DmaResvFence {
    /// The fence.
    pub fence: ARef<Fence>,
    /// What it stands for.
    pub usage: DmaResvUsage,
    /// The list has changed, or this is the first: what was found before counts no more, and those of it
    /// that are still there come again.
    pub restarted: bool,
}

/// Iterates over the fences of a reservation object that have not signalled, without its lock.
///
/// It asks drivers, so from any context but a callback or op of one of the fences.
///
/// # Invariants
///
/// The reading has begun; the cursor has a reference to its present fence, if it has one.
#[doc(alias("dma_resv_iter", "dma_resv_for_each_fence_unlocked"))]
pub struct DmaResvFences<'a> {
    cursor: bindings::dma_resv_iter,
    at: At,
    _resv: PhantomData<&'a DmaResv>,
}

/// How far a reading is.
enum At {
    Beginning,
    Fence,
    End,
}

impl DmaResv {
    /// The fences of the usage that have not signalled, as they are found without the lock.
    ///
    /// If the list changes meanwhile it begins anew, and [`restarted`](DmaResvFence::restarted) says so;
    /// a caller that only waits for each need not look.
    ///
    /// # Examples
    ///
    /// ```
    /// use dma_fence::{DmaResv, DmaResvUsage};
    /// use kernel::prelude::*;
    ///
    /// let resv = KBox::pin_init(DmaResv::new(), GFP_KERNEL)?;
    /// for found in resv.fences(DmaResvUsage::Read) {
    ///     found.fence.wait();
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias("dma_resv_iter_begin", "dma_resv_for_each_fence_unlocked"))]
    pub fn fences(&self, usage: DmaResvUsage) -> DmaResvFences<'_> {
        // INVARIANT: It has just begun.
        DmaResvFences {
            cursor: begin(self, usage),
            at: At::Beginning,
            _resv: PhantomData,
        }
    }
}

impl Iterator for DmaResvFences<'_> {
    type Item = DmaResvFence;

    #[inline]
    #[track_caller]
    fn next(&mut self) -> Option<DmaResvFence> {
        let next = match self.at {
            At::Beginning => bindings::dma_resv_iter_first_unlocked,
            At::Fence => bindings::dma_resv_iter_next_unlocked,
            // It would begin anew.
            At::End => return None,
        };
        self.at = At::End;
        // SAFETY: By the type invariant.
        NonNull::new(unsafe { next(&mut self.cursor) })?;
        self.at = At::Fence;
        let usage = found(&mut self.cursor);
        // SAFETY: There is a present fence.
        let restarted = unsafe { bindings::dma_resv_iter_is_restarted(&mut self.cursor) };
        // INVARIANT: The cursor's reference becomes the caller's, and it has no present fence any more. It
        // goes on from where it is in the list.
        let fence = NonNull::new(replace(&mut self.cursor.fence, null_mut()))?;
        Some(DmaResvFence {
            // SAFETY: A valid fence, with the reference; `Fence` is transparent.
            fence: unsafe { ARef::from_raw(fence.cast()) },
            usage,
            restarted,
        })
    }
}

impl FusedIterator for DmaResvFences<'_> {}

impl Drop for DmaResvFences<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_resv_iter_end(&mut self.cursor) };
    }
}

/// Iterates over the fences of a reservation object whose lock is held, whether they have signalled or
/// not.
///
/// # Invariants
///
/// The lock is held by this task during `'a`, in which no fence is added.
#[doc(alias("dma_resv_iter", "dma_resv_for_each_fence"))]
pub struct DmaResvFencesLocked<'a> {
    cursor: bindings::dma_resv_iter,
    begun: bool,
    _guard: PhantomData<&'a DmaResvGuard<'a>>,
}

impl DmaResvGuard<'_> {
    /// The fences of the usage, whether they have signalled or not. None is added as long as one of them
    /// is borrowed.
    #[doc(alias("dma_resv_iter_begin", "dma_resv_for_each_fence"))]
    pub fn fences(&self, usage: DmaResvUsage) -> DmaResvFencesLocked<'_> {
        // INVARIANT: The guard is borrowed, and has to be borrowed mutably to change anything.
        DmaResvFencesLocked {
            cursor: begin(self, usage),
            begun: false,
            _guard: PhantomData,
        }
    }
}

impl<'a> Iterator for DmaResvFencesLocked<'a> {
    type Item = (&'a Fence, DmaResvUsage);

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        let next = match replace(&mut self.begun, true) {
            false => bindings::dma_resv_iter_first,
            true => bindings::dma_resv_iter_next,
        };
        // SAFETY: By the type invariant.
        let fence = NonNull::new(unsafe { next(&mut self.cursor) })?;
        // SAFETY: The list has a reference, which goes no sooner than the list changes.
        let fence = unsafe { Fence::from_raw(fence.as_ptr()) };
        Some((fence, found(&mut self.cursor)))
    }
}

impl FusedIterator for DmaResvFencesLocked<'_> {}
