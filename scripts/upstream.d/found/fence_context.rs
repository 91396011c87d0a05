// SPDX-License-Identifier: GPL-2.0-only

//! Does a grace period pass between the last signal of a context and the free of its names? Put
//! beside `rust/kernel/dma_buf/dma_fence.rs`: Documentation/found-upstream/fence-context.rst.

use core::{convert::Infallible, marker::PhantomData};
use kernel::{
    dma_buf::{Fence, FenceContext, FenceContextOps},
    prelude::*,
    sync::{aref::ARef, rcu::synchronize_rcu},
};

/// A context whose fences have a `T` each.
#[pin_data]
struct Timeline<T> {
    fences: PhantomData<T>,
}

impl<T: Send + Sync> FenceContextOps for Timeline<T> {
    type FenceDataType = T;
}

/// Signals a context's only fence, of which another has a reference, and drops the context.
fn last<T: Send + Sync>(data: T, before_drop: fn()) -> Result {
    let fences = PhantomData;
    let timeline = pin_init!(Timeline { fences });
    let context =
        FenceContext::<Timeline<T>>::new::<Infallible>(0, c"driver", c"timeline", timeline);
    let context = KBox::pin_init(context, GFP_KERNEL)?;
    let fence = context.new_fence_allocation(data)?.new_fence();
    let other: ARef<Fence> = ARef::from(fence.as_fence());
    fence.signal(Ok(()));
    before_drop();
    drop(context);
    drop(other);
    Ok(())
}

#[kernel::macros::kunit_tests(fence_context)]
mod tests {
    use super::{last, synchronize_rcu};
    use kernel::prelude::*;

    #[test]
    fn data_without_drop() -> Result {
        last(0u32, || ())
    }

    #[test]
    fn data_with_drop() -> Result {
        last(KBox::new(0u32, GFP_KERNEL)?, || ())
    }

    #[test]
    fn one_line_more() -> Result {
        last(0u32, synchronize_rcu)
    }
}
