// SPDX-License-Identifier: GPL-2.0-only
//! Fences that nobody has seen yet.

use super::{
    driver_fence::{
        ArcDriverFence,
        DriverFence, //
    },
    ops::FenceContextOps, //
};
use core::{
    mem::ManuallyDrop,
    ops::Deref, //
};

mod sealed {
    pub trait Sealed {}
}

/// The issuer's side of a fence, in its published state.
pub trait Issuer: sealed::Sealed + Sized {
    /// Ends a fence that nobody has seen, without a signal.
    #[doc(hidden)]
    fn discard(self);
}

impl<T: FenceContextOps + Send + Sync> sealed::Sealed for DriverFence<'_, T> {}
impl<T: FenceContextOps + Send + Sync> Issuer for DriverFence<'_, T> {
    fn discard(self) {
        self.discard_unseen();
    }
}

impl<T: FenceContextOps + Send + Sync> sealed::Sealed for ArcDriverFence<T> {}
impl<T: FenceContextOps + Send + Sync> Issuer for ArcDriverFence<T> {
    fn discard(self) {
        self.discard_unseen();
    }
}

/// A fence that exists but that nobody else has seen, since there is no way to it from here.
///
/// Having one tells you that nobody waits for the fence: it may be dropped, and then it never
/// was. Once it is [`publish`](Self::publish)ed, it must be signalled: dropping what that gives
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
pub struct Private<F: Issuer>(ManuallyDrop<F>);

impl<F: Issuer> Private<F> {
    pub(super) fn new(fence: F) -> Self {
        Self(ManuallyDrop::new(fence))
    }

    /// Makes it a fence that others may see, and that must be signalled.
    pub fn publish(self) -> F {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used any more, nor dropped.
        unsafe { ManuallyDrop::take(&mut this.0) }
    }
}

impl<T: FenceContextOps + Send + Sync> Private<DriverFence<'_, T>> {
    /// The sequence number.
    pub fn seqno(&self) -> u64 {
        self.0.as_fence().seqno()
    }

    /// The driver's data.
    pub fn data(&self) -> &T::FenceDataType {
        self.0.deref()
    }
}

impl<T: FenceContextOps + Send + Sync> Private<ArcDriverFence<T>> {
    /// The sequence number.
    pub fn seqno(&self) -> u64 {
        self.0.as_fence().seqno()
    }

    /// The driver's data.
    pub fn data(&self) -> &T::FenceDataType {
        self.0.deref()
    }
}

impl<F: Issuer> Drop for Private<F> {
    fn drop(&mut self) {
        // SAFETY: Not used any more.
        unsafe { ManuallyDrop::take(&mut self.0) }.discard();
    }
}
