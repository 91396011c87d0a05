// SPDX-License-Identifier: GPL-2.0-only

//! Memory barriers.
//!
//! C header: [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h).

use crate::bindings;

/// The kinds of barrier.
pub mod ordering {
    pub use crate::sync::atomic::ordering::Full;

    /// Orders reads.
    pub struct Read;

    /// Orders writes.
    pub struct Write;
}

pub use ordering::{Full, Read, Write};

mod private {
    /// A kind of barrier.
    pub trait MemoryBarrier {
        /// Orders accesses of devices.
        fn device();
        /// Orders accesses of what is shared with devices.
        fn dma();
        /// Orders accesses of CPUs.
        fn smp();
    }
}

macro_rules! kinds {
    ($($kind:ident: $mb:ident, $dma:ident, $smp:ident;)*) => {
        $(impl MemoryBarrier for $kind {
            #[inline]
            fn device() {
                // SAFETY: A barrier has no preconditions.
                unsafe { bindings::$mb() };
            }

            #[inline]
            fn dma() {
                // SAFETY: A barrier has no preconditions.
                unsafe { bindings::$dma() };
            }

            #[inline]
            fn smp() {
                // SAFETY: A barrier has no preconditions.
                unsafe { bindings::$smp() };
            }
        })*
    };
}

kinds! {
    Full: mb, dma_mb, smp_mb;
    Read: rmb, dma_rmb, smp_rmb;
    Write: wmb, dma_wmb, smp_wmb;
}

use private::MemoryBarrier;

/// A barrier between processors and devices.
#[doc(alias = "rmb")]
#[doc(alias = "wmb")]
#[inline]
pub fn mb<T: MemoryBarrier>(_: T) {
    T::device();
}

/// A barrier between processors.
#[doc(alias = "smp_rmb")]
#[doc(alias = "smp_wmb")]
#[inline]
pub fn smp_mb<T: MemoryBarrier>(_: T) {
    T::smp();
}

/// A barrier between processors and devices that share memory with them.
#[doc(alias = "dma_rmb")]
#[doc(alias = "dma_wmb")]
#[inline]
pub fn dma_mb<T: MemoryBarrier>(_: T) {
    T::dma();
}
