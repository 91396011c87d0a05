// SPDX-License-Identifier: GPL-2.0-only

//! Drops a context while a reader has its names; for a real kernel, not for the shim.
//! Documentation/found-upstream/fence-context.rst.

use core::{convert::Infallible, marker::PhantomData};
use kernel::{prelude::*, sync::aref::ARef, sync::rcu::synchronize_rcu};
// What the file finds in the kernel crate.
use kernel::{alloc, container_of, error, prelude, types};

/// What the kernel's bindings and helpers will have.
mod bindings {
    pub use kernel::bindings::*;
    #[allow(non_camel_case_types)]
    pub type spinlock = spinlock_t;
    extern "C" {
        #[link_name = "reader_get"]
        pub fn dma_fence_get(fence: *mut dma_fence);
        #[link_name = "reader_put"]
        pub fn dma_fence_put(fence: *mut dma_fence);
        #[link_name = "reader_set_error"]
        pub fn dma_fence_set_error(fence: *mut dma_fence, error: i32);
        #[link_name = "reader_is_signaled"]
        pub fn dma_fence_is_signaled(fence: *mut dma_fence) -> bool;
        #[link_name = "reader_test_flag"]
        pub fn dma_fence_test_signaled_flag(fence: *mut dma_fence) -> bool;
        #[link_name = "reader_lock"]
        pub fn dma_fence_lock_irqsave(fence: *mut dma_fence, flags: *mut usize);
        #[link_name = "reader_unlock"]
        pub fn dma_fence_unlock_irqrestore(fence: *mut dma_fence, flags: *mut usize);
        pub fn reader_start(fence: *mut dma_fence) -> i32;
        pub fn reader_dropped();
    }
}

mod dma_fence;
use dma_fence::{Fence, FenceContext, FenceContextOps};

module! {
    type: Module,
    name: "fence_context",
    authors: ["dma-fence"],
    description: "Drops a context while a reader has its names",
    license: "GPL",
}

/// A context whose fences have a `T` each.
#[pin_data]
struct Timeline<T> {
    fences: PhantomData<T>,
}

impl<T: Send + Sync> FenceContextOps for Timeline<T> {
    type FenceDataType = T;
}

/// Signals a context's only fence, whose names a reader has, and drops the context.
fn last<T: Send + Sync>(data: T, before_drop: fn()) -> Result {
    let fences = PhantomData;
    let timeline = pin_init!(Timeline { fences });
    let context = FenceContext::<Timeline<T>>::new::<Infallible>(
        0,
        c"driver_with_a_name",
        c"timeline_with_a_name",
        timeline,
    );
    let context = KBox::pin_init(context, GFP_KERNEL)?;
    let fence = context.new_fence_allocation(data)?.new_fence();
    let other: ARef<Fence> = ARef::from(fence.as_fence());
    let raw = core::ptr::from_ref::<Fence>(&other).cast_mut().cast();
    // SAFETY: A `Fence` is a `dma_fence` of which `other` is a reference.
    error::to_result(unsafe { bindings::reader_start(raw) })?;
    fence.signal(Ok(()));
    before_drop();
    drop(context);
    // SAFETY: The function has no preconditions: a reader was started.
    unsafe { bindings::reader_dropped() };
    Ok(())
}

struct Module;

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("data without drop\n");
        last(0u32, || ())?;
        pr_info!("data with drop\n");
        last(KBox::new(0u32, GFP_KERNEL)?, || ())?;
        pr_info!("data without drop, synchronize_rcu() before\n");
        last(0u32, synchronize_rcu)?;
        Ok(Self)
    }
}
