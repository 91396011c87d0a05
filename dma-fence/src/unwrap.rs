// SPDX-License-Identifier: GPL-2.0-only
//! Looking into fences that are made of others, and merging them.
//!
//! C header: [`include/linux/dma-fence-unwrap.h`](srctree/include/linux/dma-fence-unwrap.h)

use super::{
    bindings,
    fence::Fence, //
};
use core::{
    iter::FusedIterator,
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// Iterates over the fences of which one is made.
///
/// # Invariants
///
/// If `head` is gone the walk has begun, and if `cursor.chain` is null then it is over. Otherwise it has a
/// reference to that.
#[doc(alias("dma_fence_unwrap", "dma_fence_unwrap_for_each"))]
pub struct Unwrap {
    head: Option<ARef<Fence>>,
    cursor: bindings::dma_fence_unwrap,
}

// SAFETY: The cursor is the iterator's own, and has references of its own.
unsafe impl Send for Unwrap {}
// SAFETY: Nothing can be done with a shared one.
unsafe impl Sync for Unwrap {}

impl Fence {
    /// The fences of which this one is made: the members of an array; of a chain those of each node that
    /// has not signalled, from the last one back; and of any other fence itself.
    ///
    /// From node to node of a chain it asks drivers, as [`status`](Self::status) does, and takes what has
    /// signalled out of the chain. So from any context but a callback or op of a fence in the chain.
    ///
    /// # Examples
    ///
    /// ```
    /// use dma_fence::Fence;
    ///
    /// let stub = Fence::stub();
    /// assert!(stub.unwrap().all(|fence| fence.is_signaled()));
    /// assert_eq!(stub.unwrap().count(), 1);
    /// ```
    #[doc(alias("dma_fence_unwrap_first", "dma_fence_unwrap_next"))]
    pub fn unwrap(&self) -> Unwrap {
        // INVARIANT: It has not begun.
        Unwrap {
            head: Some(self.into()),
            cursor: bindings::dma_fence_unwrap {
                chain: ptr::null_mut(),
                array: ptr::null_mut(),
                index: 0,
            },
        }
    }
}

impl Iterator for Unwrap {
    type Item = ARef<Fence>;

    #[track_caller]
    fn next(&mut self) -> Option<ARef<Fence>> {
        let mut fence = ptr::null_mut();
        if let Some(head) = self.head.take() {
            // SAFETY: The cursor is ours, and takes a reference of its own.
            fence = unsafe { bindings::dma_fence_unwrap_first(head.as_raw(), &mut self.cursor) };
        } else if !self.cursor.chain.is_null() {
            // SAFETY: By the invariant the walk has begun, and is not over.
            fence = unsafe { bindings::dma_fence_unwrap_next(&mut self.cursor) };
        }
        // C's walk ends at an array without members, but the chain may go on.
        while fence.is_null() && !self.cursor.chain.is_null() {
            // SAFETY: As above.
            fence = unsafe { bindings::dma_fence_unwrap_next(&mut self.cursor) };
        }
        // SAFETY: It lives until the next step.
        NonNull::new(fence).map(|fence| unsafe { Fence::from_raw(fence.as_ptr()) }.into())
    }
}

impl FusedIterator for Unwrap {}

impl Drop for Unwrap {
    #[track_caller]
    fn drop(&mut self) {
        // SAFETY: By the invariant; null is allowed.
        unsafe { bindings::dma_fence_put(self.cursor.chain) };
    }
}

/// One fence for all of which `fences` are made. May sleep.
///
/// All that has signalled is left out, and of each context all but the latest. If one fence is left, it is
/// that; if none is left, a new fence that has signalled at the latest time at which one of them has;
/// otherwise an array, in a context of its own.
///
/// Asks each driver, as [`Fence::status`] does. From any context that may sleep but a callback or op of
/// one of the fences.
///
/// # Errors
///
/// ENOMEM.
///
/// # Examples
///
/// ```
/// use dma_fence::{merge, Fence, FenceContext, FenceContextOps, Ktime};
/// use kernel::{prelude::*, sync::aref::ARef};
///
/// struct Ring;
///
/// impl FenceContextOps for Ring {
///     type FenceDataType = ();
/// }
///
/// let ring = |name| KBox::pin_init(FenceContext::new(1, c"driver", name, Ring), GFP_KERNEL);
/// let (gfx, dma) = (ring(c"gfx")?, ring(c"dma")?);
/// let draw = [gfx.new_fence_allocation(())?, gfx.new_fence_allocation(())?];
/// let draw = draw.map(|draw| draw.new_fence());
/// let copy = dma.new_fence_allocation(())?.new_fence();
///
/// // The first is done when the second is.
/// let all = merge(&[draw[0].as_fence(), copy.as_fence(), draw[1].as_fence()])?;
/// assert_eq!(all.unwrap().count(), 2);
///
/// copy.signal(Ok(()));
/// let rest = merge(&[&all])?;
/// assert_eq!(rest.context(), draw[0].as_fence().context());
/// draw.map(|draw| draw.signal(Ok(())));
/// assert!(merge(&[&all, &rest])?.is_signaled());
/// # Ok::<(), Error>(())
/// ```
#[doc(alias("dma_fence_unwrap_merge", "dma_fence_dedup_array"))]
#[track_caller]
pub fn merge(fences: &[&Fence]) -> Result<ARef<Fence>> {
    /// A place for each walk. Most merges are of two.
    type Cursor = MaybeUninit<bindings::dma_fence_unwrap>;
    let mut few = [const { Cursor::uninit() }; 4];
    let mut many = KVec::<Cursor>::new();
    let cursors = match fences.len() {
        count if count <= few.len() => few.as_mut_ptr(),
        count => {
            many.reserve(count, GFP_KERNEL)?;
            many.as_mut_ptr()
        }
    };
    // SAFETY: A `&Fence` is a pointer to a C fence with a reference that lasts for the call, and the C side
    // only reads these. There is a cursor for each, which it may write.
    let merged = unsafe {
        let heads = fences.as_ptr().cast_mut().cast();
        bindings::__dma_fence_unwrap_merge(fences.len(), heads, cursors.cast())
    };
    let merged = NonNull::new(merged.cast()).ok_or(ENOMEM)?;
    // SAFETY: A valid fence, with a reference that becomes ours.
    Ok(unsafe { ARef::from_raw(merged) })
}
