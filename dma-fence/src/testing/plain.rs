// SPDX-License-Identifier: GPL-2.0-only
//! Timelines, fences and callbacks for tests.

use crate::{
    ArcDriverFence, CallbackError, DriverFence, Fence, FenceCallback, FenceCallbackRegistration,
    FenceContext, FenceContextOps,
};
use core::pin::Pin;
use kernel::{
    alloc::{flags::GFP_KERNEL, KBox},
    error::Result,
    init::InPlaceInit as _,
    sync::{aref::ARef, Arc},
};

/// Fences without data and ops.
pub struct Plain;

impl FenceContextOps for Plain {
    type FenceDataType = ();
}

/// Creates a timeline "timeline" of the driver "driver", whose first fence has number 7; ENOMEM.
/// May sleep.
pub fn context<T: FenceContextOps>(ops: T) -> Result<Arc<FenceContext<T>>> {
    Arc::pin_init(
        FenceContext::new(7, c"driver", c"timeline", ops),
        GFP_KERNEL,
    )
}

/// Creates a fence; returns the issuer's side, and a reference to the fence; ENOMEM. May sleep.
#[track_caller]
pub fn issue<T: FenceContextOps<FenceDataType = ()>>(
    context: &FenceContext<T>,
) -> Result<(DriverFence<'_, T>, ARef<Fence>)> {
    let issued = context.new_fence_allocation(())?.new_fence();
    let fence = issued.as_fence().into();
    Ok((issued, fence))
}

/// As [`issue`]; the issuer's side has a reference to the timeline.
#[track_caller]
pub fn issue_arc<T: FenceContextOps<FenceDataType = ()>>(
    context: &Arc<FenceContext<T>>,
) -> Result<(ArcDriverFence<T>, ARef<Fence>)> {
    let issued = FenceContext::new_arc_fence_allocation(context, ())?.new_fence();
    let fence = issued.as_fence().into();
    Ok((issued, fence))
}

/// A registered callback.
pub type Registered<T> = Pin<KBox<FenceCallbackRegistration<T>>>;

/// Registers a callback, in memory of its own. May sleep.
#[track_caller]
pub fn register<T: FenceCallback>(
    fence: &Fence,
    callback: T,
) -> Result<Registered<T>, CallbackError<T>> {
    KBox::try_pin_init(FenceCallbackRegistration::new(fence, callback), GFP_KERNEL)
}
