// SPDX-License-Identifier: GPL-2.0-only
//! Timelines for tests.

use crate::{FenceContext, FenceContextOps};
use kernel::{
    alloc::flags::GFP_KERNEL,
    error::Result,
    init::InPlaceInit as _,
    sync::Arc, //
};

/// Fences without data and ops.
pub struct Plain;

impl FenceContextOps for Plain {
    type FenceDataType = ();
}

/// A timeline named "timeline" of the driver "driver", whose first fence has number 7.
///
/// # Errors
///
/// ENOMEM.
pub fn context<T: FenceContextOps>(ops: T) -> Result<Arc<FenceContext<T>>> {
    Arc::pin_init(
        FenceContext::new(7, c"driver", c"timeline", ops),
        GFP_KERNEL,
    )
}
