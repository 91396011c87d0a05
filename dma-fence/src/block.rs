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
        ManuallyDrop, //
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
    types::Opaque, //
};

/// A fence and the driver's part of it.
///
/// The C fence comes first, so that the C side frees the whole block by its address.
///
/// # Invariants
///
/// `context` is valid until a grace period after the fence has signalled.
#[repr(C)]
pub(super) struct Block<T: FenceContextOps + Send + Sync> {
    base: Opaque<bindings::dma_fence>,
    rcu: Opaque<bindings::callback_head>,
    context: *const FenceContext<T>,
    data: T::FenceDataType,
}

impl<T: FenceContextOps + Send + Sync> Block<T> {
    pub(super) fn new(context: &FenceContext<T>, data: T::FenceDataType) -> Result<KBox<Self>> {
        let block = Self {
            base: Opaque::zeroed(),
            rcu: Opaque::zeroed(),
            // INVARIANT: Whoever makes a fence of the block keeps the context as long.
            context,
            data,
        };
        Ok(KBox::new(block, GFP_KERNEL)?)
    }

    /// Makes a fence of the block, with the one reference of its [`Issued`] side.
    pub(super) fn into_fence(block: KBox<Self>, seqno: u64) -> Issued<T> {
        let block = KBox::into_raw(block);
        let init = if T::SEQNO64 {
            bindings::dma_fence_init64
        } else {
            bindings::dma_fence_init
        };
        // SAFETY: By the invariant of `Block`, whose fence this is.
        let context = unsafe { &*(*block).context };
        context.issued();
        // SAFETY: The memory is fresh; a null lock selects the fence's own; the ops are
        // promoted to a static, and what they reach lives as the invariant says.
        unsafe {
            init(
                Opaque::cast_into(addr_of!((*block).base)),
                &OpsFence::<T>::OPS,
                core::ptr::null_mut(),
                context.number(),
                seqno,
            );
        }
        // INVARIANT: Fresh, and it is the only one.
        // SAFETY: `KBox` is never null.
        Issued(unsafe { NonNull::new_unchecked(block) })
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
    /// As [`context`](Self::context).
    pub(super) unsafe fn data<'a>(fence: *mut bindings::dma_fence) -> &'a T::FenceDataType {
        // SAFETY: By the safety requirements; dropped no sooner than a grace period after the
        // signal. `base` is the first member.
        unsafe { &(*fence.cast::<Self>()).data }
    }

    /// Drops the data, of which the C side knows nothing, and gives up the issuer's reference.
    ///
    /// # Safety
    ///
    /// `head` is the member of a block that its issuer has handed over a grace period ago.
    unsafe extern "C" fn free(head: *mut bindings::callback_head) {
        // SAFETY: By the safety requirements nobody can reach the data any more.
        unsafe {
            let head = head.cast::<Opaque<bindings::callback_head>>();
            let block = container_of!(head, Self, rcu);
            drop_in_place(addr_of_mut!((*block).data));
            bindings::dma_fence_put(block.cast());
        }
    }
}

/// The issuer's side of a fence.
///
/// # Invariants
///
/// It is the only one of its block, it owns a reference to the fence, and nothing else signals
/// it. The block's context is valid as long as this.
pub(super) struct Issued<T: FenceContextOps + Send + Sync>(NonNull<Block<T>>);

// SAFETY: The data and the context are `Send + Sync`, the C fence is thread-safe.
unsafe impl<T: FenceContextOps + Send + Sync> Send for Issued<T> {}
// SAFETY: As above.
unsafe impl<T: FenceContextOps + Send + Sync> Sync for Issued<T> {}

impl<T: FenceContextOps + Send + Sync> Issued<T> {
    pub(super) fn as_raw(&self) -> *mut bindings::dma_fence {
        self.0.as_ptr().cast()
    }

    pub(super) fn data(&self) -> &T::FenceDataType {
        // SAFETY: By the invariant the data is dropped only after this.
        unsafe { &(*self.0.as_ptr()).data }
    }

    pub(super) fn context_ptr(&self) -> *const FenceContext<T> {
        // SAFETY: By the invariant; never written after creation.
        unsafe { (*self.0.as_ptr()).context }
    }

    /// Ends a fence that nobody else has ever seen, without a signal.
    pub(super) fn discard(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: By the invariant the context is valid.
        unsafe { &*this.context_ptr() }.finished();
        let block = this.0.as_ptr();
        // SAFETY: There are no readers to wait for, and this is the only reference.
        unsafe {
            drop_in_place(addr_of_mut!((*block).data));
            bindings::dma_fence_put(this.as_raw());
        }
    }

    pub(super) fn into_ptr(self) -> *mut c_void {
        ManuallyDrop::new(self).0.as_ptr().cast()
    }

    /// # Safety
    ///
    /// `ptr` comes from [`into_ptr`](Self::into_ptr) and becomes one side again.
    pub(super) unsafe fn from_ptr(ptr: *mut c_void) -> Self {
        // INVARIANT: By the safety requirements, as it was.
        // SAFETY: It was not null.
        Self(unsafe { NonNull::new_unchecked(ptr.cast()) })
    }

    /// Signals with a result, unless somebody's poll was faster, whose result stays.
    pub(super) fn signal(&self, result: Result) {
        let fence = self.as_raw();
        // SAFETY: By the invariant the fence is live; the lock is held around what needs it.
        unsafe {
            let cookie = bindings::dma_fence_begin_signalling();
            let flags = bindings::dma_fence_lock_irqsave(fence);
            if !bindings::dma_fence_test_signaled_flag(fence) {
                if let Err(error) = result {
                    bindings::dma_fence_set_error(fence, error.to_errno());
                }
                bindings::dma_fence_signal_locked(fence);
            }
            bindings::dma_fence_unlock_irqrestore(fence, flags);
            bindings::dma_fence_end_signalling(cookie);
        }
    }
}

impl<T: FenceContextOps + Send + Sync> Drop for Issued<T> {
    fn drop(&mut self) {
        let fence = self.as_raw();
        // SAFETY: By the invariant the fence is live.
        if !unsafe { bindings::dma_fence_test_signaled_flag(fence) } {
            // SAFETY: As above.
            let seqno = unsafe { bindings::dma_fence_seqno(fence) };
            pr_err!("fence {} was dropped unsignalled: canceled\n", seqno);
            self.signal(Err(ECANCELED));
        }
        // SAFETY: By the invariant the context is valid.
        unsafe { &*self.context_ptr() }.finished();
        let block = self.0.as_ptr();
        // SAFETY: Our reference goes away here, or in `free` after a grace period. Readers that
        // found the fence unsignalled may look at the data until then.
        unsafe {
            if needs_drop::<T::FenceDataType>() {
                bindings::call_rcu(
                    Opaque::cast_into(addr_of!((*block).rcu)),
                    Some(Block::<T>::free),
                );
            } else {
                bindings::dma_fence_put(fence);
            }
        }
    }
}
