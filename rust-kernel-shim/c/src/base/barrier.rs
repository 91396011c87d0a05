// SPDX-License-Identifier: GPL-2.0-only
//! Memory barriers.
//!
//! C header: [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)
//!
//! There are no devices here, so the three families are one: a barrier between CPUs. A read barrier
//! is an acquire fence, a write barrier a release fence; both order more than C requires.

use core::sync::atomic::Ordering::{self, Acquire, Release, SeqCst};
use machine::atomic::{compiler_fence, fence};

macro_rules! barriers {
    ($($name:ident, $ordering:expr, $what:literal;)*) => {
        $(#[doc = concat!("Orders ", $what, ". From any context.")]
        #[inline]
        pub unsafe fn $name() {
            fence($ordering);
        })*
    };
}

barriers! {
    mb, SeqCst, "all accesses, also for devices";
    rmb, Acquire, "reads, also for devices";
    wmb, Release, "writes, also for devices";
    dma_mb, SeqCst, "all accesses to what is shared with a device";
    dma_rmb, Acquire, "reads of what is shared with a device";
    dma_wmb, Release, "writes to what is shared with a device";
    smp_mb, SeqCst, "all accesses, between CPUs";
    smp_rmb, Acquire, "reads, between CPUs";
    smp_wmb, Release, "writes, between CPUs";
}

/// Runs an operation that is ordered against all before and after it.
///
/// In C11 a sequentially consistent read-modify-write does not order the accesses around it as the
/// kernel's full ordering does. On x86 its instruction does, so only the compiler needs a fence.
#[doc(hidden)]
#[inline(always)]
pub fn fully_ordered<R>(operation: impl FnOnce(Ordering) -> R) -> R {
    let barrier = if cfg!(all(
        any(target_arch = "x86", target_arch = "x86_64"),
        not(loom)
    )) {
        compiler_fence
    } else {
        fence
    };
    barrier(SeqCst);
    let result = operation(SeqCst);
    barrier(SeqCst);
    result
}
