// SPDX-License-Identifier: GPL-2.0-only
//! The memory of a fence that a driver issues.

use super::{
    bindings,
    context::FenceContext,
    ops::{
        FenceContextOps,
        OpsFence, //
    },
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
        null_mut,
        NonNull, //
    },
};
use kernel::{
    container_of,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full, //
    },
    types::Opaque, //
};

/// No result is a positive number.
const UNDECIDED: c_int = 1;

/// A fence and the driver's part of it.
///
/// The C fence comes first, so that the C side frees the whole block by its address.
///
/// # Invariants
///
/// `context` is valid until a grace period after the fence has signalled.
#[repr(C)]
pub(super) struct Block<T: FenceContextOps> {
    base: Opaque<bindings::dma_fence>,
    rcu: Opaque<bindings::callback_head>,
    context: *const FenceContext<T>,
    /// What the fence signals with: 0 or an errno, once that is decided.
    decided: Atomic<c_int>,
    data: T::FenceDataType,
}

impl<T: FenceContextOps> Block<T> {
    pub(super) fn new(context: &FenceContext<T>, data: T::FenceDataType) -> Result<KBox<Self>> {
        let block = Self {
            base: Opaque::zeroed(),
            rcu: Opaque::zeroed(),
            // INVARIANT: Whoever makes a fence of the block keeps the context as long.
            context,
            decided: Atomic::new(UNDECIDED),
            data,
        };
        Ok(KBox::new(block, GFP_KERNEL)?)
    }

    /// Makes a fence of the block, with one reference, which is the caller's.
    #[track_caller]
    pub(super) fn into_fence(block: KBox<Self>, seqno: u64) -> NonNull<Self> {
        // SAFETY: By the invariant.
        let context = unsafe { &*block.context };
        let number = context.number();
        let block = NonNull::from(KBox::leak(block));
        let (fence, ops) = (Self::fence(block), &OpsFence::<T>::OPS);
        // SAFETY: The memory is fresh; a null lock selects the fence's own; the ops are promoted
        // to a static, and what they reach lives as the invariant says.
        unsafe {
            if T::SEQNO64 {
                bindings::dma_fence_init64(fence, ops, null_mut(), number, seqno);
            } else {
                bindings::dma_fence_init(fence, ops, null_mut(), number, seqno);
            }
            let data = addr_of!((*block.as_ptr()).data).addr();
            bindings::__dma_fence_reaches(fence, context.addr(), context.names(), data);
        }
        block
    }

    /// The fence of a block.
    pub(super) fn fence(block: NonNull<Self>) -> *mut bindings::dma_fence {
        // CAST: `base` is the first member.
        block.as_ptr().cast()
    }

    /// The context of a fence.
    ///
    /// # Safety
    ///
    /// `fence` is the fence of a `Block<T>`, and was not signalled before the read-side section
    /// that lasts for `'a` began.
    pub(super) unsafe fn context<'a>(fence: *mut bindings::dma_fence) -> &'a FenceContext<T> {
        // CAST: `base` is the first member.
        let block = fence.cast::<Self>();
        // SAFETY: By the safety requirements and the invariant.
        unsafe { &*(*block).context }
    }

    /// The driver's data of a fence.
    ///
    /// # Safety
    ///
    /// As [`context`](Self::context), or the issuer has not handed the block over.
    pub(super) unsafe fn data<'a>(fence: *mut bindings::dma_fence) -> &'a T::FenceDataType {
        // CAST: `base` is the first member.
        let block = fence.cast::<Self>();
        // SAFETY: By the safety requirements; dropped no sooner than a grace period after the
        // signal.
        unsafe { &(*block).data }
    }

    /// Decides what the fence signals with, unless somebody has before; gives what was decided.
    ///
    /// Its driver signals a fence, and whoever polls it may find that it is over: the first of
    /// them all has the last word, and the others say the same. A poll sets the error without
    /// the lock, so without this it might change that of a fence that has just signalled.
    ///
    /// # Safety
    ///
    /// As [`data`](Self::data).
    pub(super) unsafe fn decide(fence: *mut bindings::dma_fence, result: Result) -> c_int {
        // CAST: `base` is the first member.
        let block = fence.cast::<Self>();
        let error = match result {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        };
        // SAFETY: By the safety requirements.
        match unsafe { &(*block).decided }.cmpxchg(UNDECIDED, error, Full) {
            Ok(_) => error,
            Err(decided) => decided,
        }
    }

    /// What was decided that the fence signals with, if that is decided: then it is over, whatever
    /// its driver says from now on.
    ///
    /// # Safety
    ///
    /// As [`data`](Self::data).
    pub(super) unsafe fn decided(fence: *mut bindings::dma_fence) -> Option<c_int> {
        // CAST: `base` is the first member.
        let block = fence.cast::<Self>();
        // SAFETY: By the safety requirements.
        let decided = unsafe { &(*block).decided }.load(Acquire);
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
        // SAFETY: By the safety requirements the block is valid, and its head unused.
        unsafe {
            if needs_drop::<T::FenceDataType>() {
                let head = Opaque::cast_into(addr_of!((*block.as_ptr()).rcu));
                bindings::call_rcu(head, Some(Self::free));
            } else {
                bindings::dma_fence_put(Self::fence(block));
            }
        }
    }

    /// Ends a fence that nobody but its issuer has ever seen, without a signal.
    ///
    /// # Safety
    ///
    /// It is so, and the caller gives up its reference.
    pub(super) unsafe fn discard(block: NonNull<Self>) {
        // SAFETY: By the safety requirements there are no readers to wait for.
        unsafe {
            Self::drop_data(block.as_ptr());
            bindings::dma_fence_put(Self::fence(block));
        }
    }

    /// Drops the data, of which the C side knows nothing, and gives up the issuer's reference.
    ///
    /// # Safety
    ///
    /// `head` is the member of a block that was handed over a grace period ago.
    unsafe extern "C" fn free(head: *mut bindings::callback_head) {
        // SAFETY: By the safety requirements nobody can reach the data any more.
        unsafe {
            let head = head.cast::<Opaque<bindings::callback_head>>();
            let block = container_of!(head, Self, rcu);
            Self::drop_data(block);
            bindings::dma_fence_put(block.cast());
        }
    }

    /// Drops the data.
    ///
    /// # Safety
    ///
    /// Nobody can reach it any more.
    unsafe fn drop_data(block: *mut Self) {
        // SAFETY: By the safety requirements.
        unsafe {
            let data = addr_of_mut!((*block).data);
            bindings::__dma_fence_drops(data.addr(), size_of::<T::FenceDataType>());
            drop_in_place(data);
        }
    }
}
