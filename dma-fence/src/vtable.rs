// SPDX-License-Identifier: GPL-2.0-only
//! The functions that the C side calls of a fence that a driver issues.

use super::{
    bindings,
    block::Block,
    ktime::Ktime,
    ops::{
        FenceContextOps,
        OpsFence,
        PollOp,
        Progress, //
    },
};
use core::ptr::{
    from_ref,
    null_mut,
    NonNull, //
};
use kernel::prelude::*;

impl<T: FenceContextOps> Block<T> {
    /// The ops. There is no `release` and no `wait`: so a fence that has signalled is independent
    /// of its driver.
    const OPS: bindings::dma_fence_ops = bindings::dma_fence_ops {
        get_driver_name: Some(Self::get_driver_name),
        get_timeline_name: Some(Self::get_timeline_name),
        enable_signaling: match T::ENABLE_SIGNALING {
            Some(_) => Some(Self::enable_signaling),
            None => None,
        },
        signaled: match T::SIGNALED {
            Some(_) => Some(Self::signaled),
            None => None,
        },
        set_deadline: match T::SET_DEADLINE {
            Some(_) => Some(Self::set_deadline),
            None => None,
        },
        ..pin_init::zeroed()
    };

    /// Makes a fence of the block, with one reference, which is the caller's.
    #[track_caller]
    pub(super) fn into_fence(block: KBox<Self>, seqno: u64) -> NonNull<Self> {
        let context = from_ref(block.context());
        let block = NonNull::from(KBox::leak(block));
        let (fence, ops) = (Self::fence(block), &Self::OPS);
        // SAFETY: The memory is fresh; a null lock selects the fence's own; the ops are promoted
        // to a static; what they reach, the context included, lives as the block's invariants say.
        unsafe {
            let number = (*context).number();
            if T::SEQNO64 {
                bindings::dma_fence_init64(fence, ops, null_mut(), number, seqno);
            } else {
                bindings::dma_fence_init(fence, ops, null_mut(), number, seqno);
            }
            let names = (*context).names();
            bindings::__dma_fence_debug_declare(fence, context.addr(), names);
            if T::PROGRESS.is_some() {
                bindings::__dma_fence_debug_in_order(fence);
            }
        }
        block
    }

    /// Returns the block, and the argument of the driver's ops.
    ///
    /// # Safety
    ///
    /// As [`of`](Self::of).
    unsafe fn view<'a>(fence: *mut bindings::dma_fence) -> (&'a Self, OpsFence<'a, T>) {
        // SAFETY: `fence` is that of a `Block<T>`, and lives as long as `of()` needs it.
        let (block, seqno) = unsafe { (Self::of(fence), bindings::dma_fence_seqno(fence)) };
        let context = block.context();
        let view = OpsFence::new(seqno, block.data(), context.number(), context.data());
        (block, view)
    }

    /// Calls an op that may find that the fence is over; then decides with what, and returns true.
    ///
    /// # Safety
    ///
    /// As [`of`](Self::of).
    unsafe fn poll(fence: *mut bindings::dma_fence, op: Option<PollOp<T>>) -> bool {
        // SAFETY: `fence` is that of a `Block<T>`, and lives as long as `of()` needs it.
        let (block, view) = unsafe { Self::view(fence) };
        let ask = || op.and_then(|op| op(&view));
        let Some(result) = bindings::__dma_fence_driver("an op", ask).flatten() else {
            return false;
        };
        // SAFETY: The fence is live during the caller's section.
        unsafe { Self::set_error(fence, block.decide(result)) };
        true
    }

    /// The driver signals the fence, which is about to be without an error: a debug kernel looks
    /// how far the hardware is.
    ///
    /// # Safety
    ///
    /// As [`of`](Self::of).
    #[cfg_attr(feature = "debug", track_caller)]
    pub(super) unsafe fn progress(fence: *mut bindings::dma_fence) {
        if let Some(op) = T::PROGRESS {
            bindings::__dma_fence_debug_done(fence, || {
                // SAFETY: The caller's guarantees are the same.
                let (_, view) = unsafe { Self::view(fence) };
                let said = bindings::__dma_fence_driver("the op progress", || op(&view));
                said.flatten().map(Progress::parts)
            });
        }
    }

    /// Sets the error that was decided on, if it is one, unless the fence has signalled.
    ///
    /// Maybe without the lock; then the fence may signal meanwhile, but with this very error.
    ///
    /// # Safety
    ///
    /// `fence` is valid.
    unsafe fn set_error(fence: *mut bindings::dma_fence, error: c_int) {
        // SAFETY: `fence` is valid.
        unsafe {
            if error != 0 && !bindings::dma_fence_test_signaled_flag(fence) {
                bindings::dma_fence_store_error(fence, error);
            }
        }
    }
}

/// The ops: the C side calls each as the op of its name, inside a read-side section.
#[allow(clippy::missing_safety_doc)]
impl<T: FenceContextOps> Block<T> {
    unsafe extern "C" fn get_driver_name(fence: *mut bindings::dma_fence) -> *const c_char {
        // SAFETY: The C side calls ops inside a read-side section, whose end the context waits for
        // before its names go.
        let [driver, _] = unsafe { Self::of(fence) }.context().names();
        driver.as_char_ptr()
    }

    unsafe extern "C" fn get_timeline_name(fence: *mut bindings::dma_fence) -> *const c_char {
        // SAFETY: The C side calls ops inside a read-side section, whose end the context waits for
        // before its names go.
        let [_, timeline] = unsafe { Self::of(fence) }.context().names();
        timeline.as_char_ptr()
    }

    unsafe extern "C" fn enable_signaling(fence: *mut bindings::dma_fence) -> bool {
        // SAFETY: The C side calls ops inside a read-side section.
        !unsafe { Self::poll(fence, T::ENABLE_SIGNALING) }
    }

    unsafe extern "C" fn signaled(fence: *mut bindings::dma_fence) -> bool {
        // What was decided once stays so, even if the driver has changed its mind.
        // SAFETY: The C side calls ops inside a read-side section.
        match unsafe { Self::of(fence) }.decided() {
            Some(error) => {
                // SAFETY: The C side calls ops on a valid fence.
                unsafe { Self::set_error(fence, error) };
                true
            }
            // SAFETY: The C side calls ops inside a read-side section.
            None => unsafe { Self::poll(fence, T::SIGNALED) },
        }
    }

    unsafe extern "C" fn set_deadline(
        fence: *mut bindings::dma_fence,
        deadline: bindings::ktime_t,
    ) {
        // SAFETY: The C side calls ops inside a read-side section.
        let (_, view) = unsafe { Self::view(fence) };
        if let Some(op) = T::SET_DEADLINE {
            let deadline = Ktime::from_nanos(deadline);
            bindings::__dma_fence_driver("the op set_deadline", || op(&view, deadline));
        }
    }
}
