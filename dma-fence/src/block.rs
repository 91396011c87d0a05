// SPDX-License-Identifier: GPL-2.0-only
//! The memory of a fence that a driver issues.

use super::{
    bindings,
    context::FenceContext,
    ops::FenceContextOps, //
};
use core::{
    mem::{
        needs_drop,
        size_of, //
    },
    ptr::{
        addr_of,
        addr_of_mut,
        drop_in_place,
        NonNull, //
    },
};
use kernel::{
    container_of,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Release, //
    },
    types::{
        Opaque,
        ScopeGuard, //
    },
};

/// No result is a positive number.
const UNDECIDED: c_int = 1;

/// A fence and the driver's part of it.
///
/// The C fence comes first, so that the C side frees the whole block by its address.
///
/// # Invariants
///
/// - `context` is valid until a grace period after the fence has signalled.
/// - `data` is dropped no sooner.
#[repr(C)]
pub(super) struct Block<T: FenceContextOps> {
    base: Opaque<bindings::dma_fence>,
    rcu: Opaque<bindings::callback_head>,
    context: *const FenceContext<T>,
    /// The result that the fence signals with: 0 or an errno, once that is decided.
    decided: Atomic<c_int>,
    data: T::FenceDataType,
}

impl<T: FenceContextOps> Block<T> {
    #[track_caller]
    pub(super) fn new(context: &FenceContext<T>, data: T::FenceDataType) -> Result<KBox<Self>> {
        let block = Self {
            base: Opaque::zeroed(),
            rcu: Opaque::zeroed(),
            // INVARIANT: The issuer's side keeps the context until the signal, and
            // `FenceContext::drop()` waits for a grace period, with `synchronize_rcu()`.
            context,
            decided: Atomic::new(UNDECIDED),
            data,
        };
        Ok(KBox::new(block, GFP_KERNEL)?)
    }

    /// The fence of a block.
    pub(super) fn fence(block: NonNull<Self>) -> *mut bindings::dma_fence {
        // CAST: `base` is the first member.
        block.as_ptr().cast()
    }

    /// The block of a fence.
    ///
    /// # Safety
    ///
    /// `fence` is that of a `Block<T>`, and
    ///
    /// - `'a` is within an RCU read-side section that began before the fence signalled, or
    /// - its issuer does not hand it over during `'a`.
    pub(super) unsafe fn of<'a>(fence: *mut bindings::dma_fence) -> &'a Self {
        // CAST: `base` is the first member.
        // SAFETY: `hand_over()` runs after the signal, and both its ways free after a grace period:
        // `call_rcu()`, or `kfree_rcu()` in `dma_fence_free()`. Neither ends during `'a`.
        unsafe { &*fence.cast::<Self>() }
    }

    /// The timeline.
    pub(super) fn context(&self) -> &FenceContext<T> {
        // SAFETY: By the invariant, since a reference to a block lasts no longer than that.
        unsafe { &*self.context }
    }

    /// The driver's data.
    pub(super) fn data(&self) -> &T::FenceDataType {
        &self.data
    }

    /// Decides what the fence signals with, unless that is decided; returns what was decided.
    ///
    /// The driver may signal the fence while polls find that it is over: the first of them decides,
    /// and the others use its result. A poll sets the error without the fence's lock; without this
    /// it might change the error of a fence that has just signalled. From any context; with the fence's
    /// lock held, but for a poll of the op `signaled`.
    pub(super) fn decide(&self, result: Result) -> c_int {
        let error = match result {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        };
        if T::SIGNALED.is_none() {
            // The fence's lock is held, here and wherever else it is decided.
            return self.decided().unwrap_or_else(|| {
                // Pairs with the load in `decided()`.
                self.decided.store(error, Release);
                error
            });
        }
        // Pairs with the load in `decided()`, and with itself on other CPUs.
        match self.decided.cmpxchg(UNDECIDED, error, Full) {
            Ok(_) => error,
            Err(decided) => decided,
        }
    }

    /// The result that [`decide`](Self::decide) chose: 0 or an errno; `None` before. It does not
    /// change any more. From any context.
    pub(super) fn decided(&self) -> Option<c_int> {
        // Pairs with the exchange in `decide()`.
        let decided = self.decided.load(Acquire);
        (decided != UNDECIDED).then_some(decided)
    }

    /// Takes the block over from its issuer: the data is dropped, and the reference given up,
    /// when readers that found the fence unsignalled cannot be looking at the data any more.
    ///
    /// # Safety
    ///
    /// The fence has signalled; the caller gives up its reference, and does not use the data
    /// any more.
    pub(super) unsafe fn hand_over(block: NonNull<Self>) {
        // SAFETY: The caller's reference keeps the block, whose head is unused until here.
        unsafe {
            // UNTIL(call-rcu): the kernel crate drops what is Rust's after a grace period.
            if needs_drop::<T::FenceDataType>() {
                let head = Opaque::cast_into(addr_of!((*block.as_ptr()).rcu));
                bindings::call_rcu(head, Some(Self::free));
            } else {
                bindings::dma_fence_put(Self::fence(block));
            }
        }
    }

    /// Ends a fence that was never published, without a signal.
    ///
    /// # Safety
    ///
    /// It was never published, and the caller gives up its reference.
    pub(super) unsafe fn discard(block: NonNull<Self>) {
        // Also if the data's destructor panics.
        // SAFETY: The reference is the caller's, which gives it up.
        let _put = ScopeGuard::new(|| unsafe { bindings::dma_fence_put(Self::fence(block)) });
        // SAFETY: Only the issuer, which is the caller, can have found the data.
        unsafe { Self::drop_data(block.as_ptr()) };
    }

    /// Drops the data, of which the C side knows nothing, and gives up the issuer's reference. An
    /// RCU callback, in softirq context.
    ///
    /// # Safety
    ///
    /// `head` is the member of a block that was handed over a grace period ago.
    unsafe extern "C" fn free(head: *mut bindings::callback_head) {
        // SAFETY: Readers that could reach the data are gone since the grace period is over, and the
        // reference is the one that the issuer handed over.
        unsafe {
            let head = head.cast::<Opaque<bindings::callback_head>>();
            let block = container_of!(head, Self, rcu);
            bindings::__dma_fence_driver("an RCU callback", || Self::drop_data(block));
            bindings::dma_fence_put(block.cast());
        }
    }

    /// Drops the data.
    ///
    /// # Safety
    ///
    /// No reference to it exists, and none is made any more.
    unsafe fn drop_data(block: *mut Self) {
        // SAFETY: The data is dropped once, and not reachable.
        unsafe {
            let data = addr_of_mut!((*block).data);
            let (addr, size) = (data.addr(), size_of::<T::FenceDataType>());
            bindings::__dma_fence_debug_drop_data(block.cast(), addr, size);
            drop_in_place(data);
        }
    }
}
