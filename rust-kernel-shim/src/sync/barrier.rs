// SPDX-License-Identifier: GPL-2.0-only

//! Memory barriers.
//!
//! C header: [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h).
//!
//! There are no devices here, so the three families are one: a barrier between CPUs. A read barrier
//! is an acquire fence, a write barrier a release fence; both order more than C requires.

use core::sync::atomic::Ordering;
use machine::atomic::fence;

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
        /// The ordering of Rust's fence.
        const ORDERING: super::Ordering;
    }

    impl MemoryBarrier for super::Full {
        const ORDERING: super::Ordering = super::Ordering::SeqCst;
    }

    impl MemoryBarrier for super::Read {
        const ORDERING: super::Ordering = super::Ordering::Acquire;
    }

    impl MemoryBarrier for super::Write {
        const ORDERING: super::Ordering = super::Ordering::Release;
    }
}

use private::MemoryBarrier;

/// A barrier between processors and devices.
#[doc(alias = "rmb")]
#[doc(alias = "wmb")]
#[inline]
pub fn mb<T: MemoryBarrier>(_: T) {
    fence(T::ORDERING);
}

/// A barrier between processors.
#[doc(alias = "smp_rmb")]
#[doc(alias = "smp_wmb")]
#[inline]
pub fn smp_mb<T: MemoryBarrier>(_: T) {
    fence(T::ORDERING);
}

/// A barrier between processors and devices that share memory with them.
#[doc(alias = "dma_rmb")]
#[doc(alias = "dma_wmb")]
#[inline]
pub fn dma_mb<T: MemoryBarrier>(_: T) {
    fence(T::ORDERING);
}
