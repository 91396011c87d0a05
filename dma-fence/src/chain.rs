// SPDX-License-Identifier: GPL-2.0-only
//! Chains: timelines whose points are fences of any driver.
//!
//! C header: [`include/linux/dma-fence-chain.h`](srctree/include/linux/dma-fence-chain.h)
//!
//! A node contains a fence, and follows another node or fence. It signals once its own fence and all
//! before it have, so a task that waits for a point waits for all earlier ones. A node may not contain
//! another, which a chain of any length would have to be looked through for: so what it contains is
//! an [`Unchained`].

use super::{
    array::FenceArray,
    bindings,
    fence::{
        kinds_of_fences,
        Fence, //
    },
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

kinds_of_fences! {
    /// A fence that is not a node of a chain, and so can be in one.
    ///
    /// Having one tells you that a chain which contains it nests no further than that.
    ///
    /// # Invariants
    ///
    /// The fence is not a node of a chain, and never becomes one.
    Unchained;

    /// A node of a chain.
    ///
    /// # Invariants
    ///
    /// The fence is a node of a chain.
    ///
    /// # Examples
    ///
    /// ```
    /// use dma_fence::{Fence, FenceChainAllocation, FenceContext, FenceContextOps};
    /// use kernel::prelude::*;
    ///
    /// struct Ring;
    ///
    /// impl FenceContextOps for Ring {
    ///     type FenceDataType = ();
    /// }
    ///
    /// let ring = KBox::pin_init(FenceContext::new(1, c"driver", c"ring0", Ring), GFP_KERNEL)?;
    /// let draw = ring.new_fence_allocation(())?.new_fence();
    /// let show = ring.new_fence_allocation(())?.new_fence();
    ///
    /// // Once there is memory, adding a point cannot fail.
    /// let first = FenceChainAllocation::new()?.new_node(None, draw.as_unchained(), 10);
    /// let last = FenceChainAllocation::new()?.new_node(Some(&first), show.as_unchained(), 20);
    /// let seqno = |fence: Option<_>| fence.map(|fence: kernel::sync::aref::ARef<Fence>| fence.seqno());
    /// assert_eq!(seqno(last.find_seqno(5)?), Some(10));
    /// assert_eq!(last.find_seqno(21).err(), Some(EINVAL));
    ///
    /// // The last point has not signalled while an earlier one has not.
    /// show.signal(Ok(()));
    /// assert_eq!(last.status(), None);
    /// draw.signal(Ok(()));
    /// assert_eq!(last.status(), Some(Ok(())));
    ///
    /// // What has signalled is not there any more.
    /// assert_eq!(last.iter().count(), 1);
    /// assert!(last.find_seqno(5)?.is_none());
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "dma_fence_chain")]
    FenceChain;
}

impl Fence {
    /// The fence as a node of a chain, if it is one. From any context.
    #[doc(alias("dma_fence_is_chain", "to_dma_fence_chain"))]
    pub fn as_chain(&self) -> Option<&FenceChain> {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_is_chain(self.as_raw()) }.then(|| {
            // INVARIANT: Checked above.
            // SAFETY: The type is transparent, and its invariant holds.
            unsafe { &*core::ptr::from_ref(self).cast() }
        })
    }

    /// The fence as one that a chain can contain; `None` if it is itself a node of one. From any
    /// context.
    pub fn as_unchained(&self) -> Option<&Unchained> {
        match self.as_chain() {
            Some(_) => None,
            // INVARIANT: Checked above. What a fence is made of does not change.
            None => Some(Unchained::new(self)),
        }
    }
}

impl FenceArray {
    /// The array as a fence that a chain can contain.
    pub fn as_unchained(&self) -> &Unchained {
        // INVARIANT: The ops of an array are not those of a node of a chain.
        Unchained::new(self)
    }
}

impl Unchained {
    /// The caller makes the invariant hold.
    pub(super) fn new(fence: &Fence) -> &Self {
        // SAFETY: The type is transparent.
        unsafe { &*core::ptr::from_ref(fence).cast() }
    }
}

/// Memory for a node that does not exist yet.
///
/// Having one tells you that creating the node cannot fail: it is taken before the point of no
/// return of a submission. Rule [no-alloc-at-submit](../../book/rules/no-alloc-at-submit.html).
///
/// # Invariants
///
/// The memory is this value's, and not initialised.
pub struct FenceChainAllocation(NonNull<bindings::dma_fence_chain>);

// SAFETY: It owns its memory, which may be freed or initialised by any thread.
unsafe impl Send for FenceChainAllocation {}
// SAFETY: Nothing can be done with a shared one.
unsafe impl Sync for FenceChainAllocation {}

impl FenceChainAllocation {
    /// Allocates the memory of a node. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[doc(alias = "dma_fence_chain_alloc")]
    #[track_caller]
    pub fn new() -> Result<Self> {
        // SAFETY: Allocating has no preconditions.
        let chain = unsafe { bindings::dma_fence_chain_alloc() };
        // INVARIANT: Just allocated.
        NonNull::new(chain).map(Self).ok_or(ENOMEM)
    }

    /// Creates a node that contains `fence`, and follows `prev` if there is one. From any context.
    ///
    /// It continues the context of a node before it whose number is less than `seqno`. Otherwise it
    /// begins one of its own, and its number is that of the node before it if that is greater: the
    /// numbers of a chain never go back.
    #[doc(alias = "dma_fence_chain_init")]
    #[track_caller]
    pub fn new_node(self, prev: Option<&Fence>, fence: &Unchained, seqno: u64) -> ARef<FenceChain> {
        let node = ManuallyDrop::new(self).0;
        let raw = |fence: &Fence| ARef::into_raw(ARef::from(fence)).as_ptr().cast();
        let prev = prev.map_or(core::ptr::null_mut(), raw);
        // INVARIANT: The fence is a node from here on.
        // SAFETY: By the invariant the memory is ours; the node takes over the references, and its
        // own becomes ours.
        unsafe {
            bindings::dma_fence_chain_init(node.as_ptr(), prev, raw(fence), seqno);
            ARef::from_raw(node.cast())
        }
    }
}

impl Drop for FenceChainAllocation {
    fn drop(&mut self) {
        // SAFETY: By the invariant, and this goes.
        unsafe { bindings::dma_fence_chain_free(self.0.as_ptr()) };
    }
}

/// Goes to the fence before one.
#[track_caller]
fn walk(fence: ARef<Fence>) -> Option<ARef<Fence>> {
    // SAFETY: The reference is given up.
    let prev = unsafe { bindings::dma_fence_chain_walk(ARef::into_raw(fence).as_ptr().cast()) };
    // SAFETY: A valid fence, with a reference that becomes ours.
    NonNull::new(prev).map(|prev| unsafe { ARef::from_raw(prev.cast()) })
}

impl FenceChain {
    /// The fence that the node contains. From any context.
    #[doc(alias = "dma_fence_chain_contained")]
    pub fn contained(&self) -> &Fence {
        // SAFETY: By the invariant the fence is a node, which keeps what it contains as long as it is
        // there.
        unsafe { Fence::from_raw(bindings::dma_fence_chain_contained(self.as_raw())) }
    }

    /// The next fence before the node that has not signalled; `None` if there is none. What it finds
    /// to have signalled it takes out of the chain.
    ///
    /// Asks the drivers, as [`Fence::status`] does. From any context but a callback or op of a fence
    /// in the chain.
    #[doc(alias = "dma_fence_chain_walk")]
    #[track_caller]
    pub fn prev(&self) -> Option<ARef<Fence>> {
        walk(ARef::from(&**self))
    }

    /// The node, and all before it as [`prev`](Self::prev) finds them; the last may be a fence that is
    /// not a node.
    #[doc(alias = "dma_fence_chain_for_each")]
    pub fn iter(&self) -> FenceChainIter {
        FenceChainIter {
            at: Some(ARef::from(&**self)),
            begins: true,
        }
    }

    /// The fence to wait for where point `seqno` of the node's context is wanted: the earliest node
    /// whose number is not less. `None` if that has signalled, and so has all before it. If it has, and
    /// something before it has not, this may be that.
    ///
    /// No point has the number 0, for which this is the node itself. As to the context, as
    /// [`prev`](Self::prev).
    ///
    /// # Errors
    ///
    /// EINVAL if the chain does not go as far as `seqno` yet.
    #[doc(alias = "dma_fence_chain_find_seqno")]
    #[track_caller]
    pub fn find_seqno(&self, seqno: u64) -> Result<Option<ARef<Fence>>> {
        let mut found = ARef::into_raw(ARef::from(&**self)).as_ptr().cast();
        // SAFETY: The reference is ours, and moves to what is found.
        let ret = unsafe { bindings::dma_fence_chain_find_seqno(&mut found, seqno) };
        // SAFETY: A valid fence, with that reference.
        let found = NonNull::new(found).map(|found| unsafe { ARef::from_raw(found.cast()) });
        kernel::error::to_result(ret).map(|()| found)
    }
}

/// Iterates over a chain, from a node back.
#[doc(alias = "dma_fence_chain_for_each")]
pub struct FenceChainIter {
    at: Option<ARef<Fence>>,
    /// `at` was not returned yet.
    begins: bool,
}

impl Iterator for FenceChainIter {
    type Item = ARef<Fence>;

    #[track_caller]
    fn next(&mut self) -> Option<ARef<Fence>> {
        if !core::mem::take(&mut self.begins) {
            self.at = self.at.take().and_then(walk);
        }
        self.at.clone()
    }
}

impl core::iter::FusedIterator for FenceChainIter {}
