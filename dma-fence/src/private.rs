// SPDX-License-Identifier: GPL-2.0-only
//! Fences that are not published yet.

use super::{
    context::FenceContext,
    driver_fence::{
        ContextRef,
        FenceAllocation,
        IssuedFence, //
    },
    ops::FenceContextOps,
};
use core::{
    mem::ManuallyDrop,
    ops::Deref, //
};
use kernel::sync::Arc;

/// A fence that exists but that only its issuer knows, since there is no way to it from here.
///
/// Having one tells you that no task waits for the fence: it may be dropped, and then it never
/// was. Once it is [`publish`](Self::publish)ed, it must be signalled: dropping what that returns
/// is an error. So whatever can fail goes between the two.
///
/// # Examples
///
/// ```
/// use dma_fence::{FenceContext, FenceContextOps};
/// use kernel::prelude::*;
///
/// # struct Ops;
/// # impl FenceContextOps for Ops {
/// #     type FenceDataType = ();
/// # }
/// # fn push_to_ring(seqno: u64) -> Result { Ok(()) }
/// # let context = KBox::pin_init(FenceContext::new(1, c"driver", c"ring0", Ops), GFP_KERNEL)?;
/// let private = context.new_fence_allocation(())?.new_private_fence();
/// push_to_ring(private.seqno())?;
/// let fence = private.publish();
/// // From here on there is no way back.
/// fence.signal(Ok(()));
/// # Ok::<(), Error>(())
/// ```
#[must_use = "a fence that is not published never was"]
pub struct PrivateFence<T: FenceContextOps, C: ContextRef<T>>(ManuallyDrop<IssuedFence<T, C>>);

/// A private [`DriverFence`](super::DriverFence).
pub type PrivateDriverFence<'a, T> = PrivateFence<T, &'a FenceContext<T>>;

/// A private [`ArcDriverFence`](super::ArcDriverFence).
pub type PrivateArcDriverFence<T> = PrivateFence<T, Arc<FenceContext<T>>>;

impl<T: FenceContextOps, C: ContextRef<T>> FenceAllocation<T, C> {
    /// Creates the fence with the timeline's next number, but keeps it private until it is
    /// published. From any context.
    #[track_caller]
    pub fn new_private_fence(self) -> PrivateFence<T, C> {
        PrivateFence(ManuallyDrop::new(self.issue(None)))
    }
}

impl<T: FenceContextOps, C: ContextRef<T>> PrivateFence<T, C> {
    /// Makes it a fence that others may see, and that must be signalled.
    #[track_caller]
    pub fn publish(self) -> IssuedFence<T, C> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is neither used nor dropped any more.
        unsafe { ManuallyDrop::take(&mut this.0) }.published()
    }

    /// The sequence number.
    pub fn seqno(&self) -> u64 {
        self.0.as_fence().seqno()
    }
}

impl<T: FenceContextOps, C: ContextRef<T>> Deref for PrivateFence<T, C> {
    type Target = T::FenceDataType;

    fn deref(&self) -> &Self::Target {
        self.0.deref()
    }
}

impl<T: FenceContextOps, C: ContextRef<T>> Drop for PrivateFence<T, C> {
    fn drop(&mut self) {
        // SAFETY: Not used any more; and nothing here hands the fence out.
        unsafe { ManuallyDrop::take(&mut self.0).discard() };
    }
}
