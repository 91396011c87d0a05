// SPDX-License-Identifier: GPL-2.0-only
//! What a driver may do for its fences beyond signalling them.

use super::{
    bindings,
    block::Block,
    context::FenceContext,
    ktime::Ktime, //
};
use core::{
    marker::PhantomData,
    ops::Deref, //
};
use kernel::prelude::*;

/// An op that says whether a fence is over, and with what: `None` while it is not.
///
/// Rule [signaled-monotonic](../../book/rules/signaled-monotonic.html): what
/// [`SIGNALED`](FenceContextOps::SIGNALED) has said it says whenever it is asked.
pub type PollOp<T> = fn(fence: &OpsFence<'_, T>) -> Option<Result>;

/// An op that is told when somebody hopes for a fence.
pub type DeadlineOp<T> = fn(fence: &OpsFence<'_, T>, deadline: Ktime);

/// What a driver says about the fences of a timeline.
///
/// The names belong to the [`FenceContext`]; everything here but the data's type is optional. An
/// op is a constant that holds a function, so that one that is missing is missing from the C
/// table as well, and nobody has to say twice that it is there:
///
/// ```
/// use dma_fence::{FenceContextOps, PollOp};
/// use kernel::{prelude::*, sync::atomic::{Acquire, Atomic}};
///
/// /// A ring whose hardware writes back how far it has got.
/// struct Ring {
///     done: Atomic<u64>,
/// }
///
/// impl FenceContextOps for Ring {
///     type FenceDataType = ();
///     const SIGNALED: Option<PollOp<Self>> =
///         Some(|fence| (fence.context().data().done.load(Acquire) >= fence.seqno()).then_some(Ok(())));
/// }
/// ```
pub trait FenceContextOps: Send + Sync + Sized + 'static {
    /// The driver's data in every fence, e.g. the job that it stands for.
    ///
    /// It is dropped a grace period after the fence has signalled, in atomic context; so it must
    /// not be what keeps its own timeline alive, which sleeps when it goes.
    type FenceDataType: Send + Sync + 'static;

    /// Whether sequence numbers compare with all 64 bits, or as 32 bits with wraparound.
    const SEQNO64: bool = true;

    /// Somebody wants to be told when the fence signals: see to it that it will, e.g. enable an
    /// interrupt. Called at most once for a fence, with its lock held and interrupts off.
    ///
    /// `None` says that it will signal. A result says that it has passed already, or with an
    /// error that it never will: the fence signals with that at once.
    #[doc(alias = "enable_signaling")]
    const ENABLE_SIGNALING: Option<PollOp<Self>> = None;

    /// Has it happened? Called from any context, at any time before the fence has signalled,
    /// maybe with its lock held.
    ///
    /// `None` says not yet. A result says that it has, and the fence signals with the first,
    /// whatever is said later. Rule [signaled-monotonic](../../book/rules/signaled-monotonic.html).
    #[doc(alias = "signaled")]
    const SIGNALED: Option<PollOp<Self>> = None;

    /// Somebody hopes that the fence signals by then. Called from any context, without the lock,
    /// any number of times: the soonest counts.
    #[doc(alias = "set_deadline")]
    const SET_DEADLINE: Option<DeadlineOp<Self>> = None;
}

/// A fence as its driver's ops see it: its number, its data, its timeline.
///
/// An op may hold the fence's lock already, so nothing that would take it can be reached from
/// here. Rule [callback-atomic](../../book/rules/callback-atomic.html).
pub struct OpsFence<'a, T: FenceContextOps> {
    fence: *mut bindings::dma_fence,
    _op: PhantomData<&'a T>,
}

impl<'a, T: FenceContextOps> OpsFence<'a, T> {
    /// # Safety
    ///
    /// `fence` is that of a `Block<T>`; `'a` is a read-side section that began before it had
    /// signalled.
    unsafe fn new(fence: *mut bindings::dma_fence) -> Self {
        Self {
            fence,
            _op: PhantomData,
        }
    }

    /// The timeline.
    pub fn context(&self) -> &'a FenceContext<T> {
        // SAFETY: By the safety requirements of `new`.
        unsafe { Block::context(self.fence) }
    }

    /// The sequence number.
    pub fn seqno(&self) -> u64 {
        // SAFETY: By the safety requirements of `new`.
        unsafe { bindings::dma_fence_seqno(self.fence) }
    }
}

impl<T: FenceContextOps> Deref for OpsFence<'_, T> {
    type Target = T::FenceDataType;

    fn deref(&self) -> &Self::Target {
        // SAFETY: By the safety requirements of `new`.
        unsafe { Block::<T>::data(self.fence) }
    }
}

impl<T: FenceContextOps> OpsFence<'_, T> {
    /// The C side. There is no `release` and no `wait`: so that a fence that has signalled needs
    /// nobody.
    pub(super) const OPS: bindings::dma_fence_ops = bindings::dma_fence_ops {
        get_driver_name: Some(FenceContext::<T>::get_driver_name),
        get_timeline_name: Some(FenceContext::<T>::get_timeline_name),
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

    /// The fence is over: sets the error, if one was decided on.
    ///
    /// Maybe without the lock; then the fence may have signalled since the C side looked, but
    /// with this very error.
    ///
    /// # Safety
    ///
    /// As [`new`](Self::new).
    unsafe fn over(fence: *mut bindings::dma_fence, result: Result) {
        // SAFETY: By the safety requirements.
        let error = unsafe { Block::<T>::decide(fence, result) };
        // SAFETY: By the safety requirements.
        unsafe { Self::set_error(fence, error) };
    }

    /// Sets the error that was decided on, unless the fence has signalled.
    ///
    /// # Safety
    ///
    /// As [`new`](Self::new).
    unsafe fn set_error(fence: *mut bindings::dma_fence, error: c_int) {
        // SAFETY: By the safety requirements.
        if error != 0 && !unsafe { bindings::dma_fence_test_signaled_flag(fence) } {
            // SAFETY: By the safety requirements.
            unsafe { bindings::dma_fence_store_error(fence, error) };
        }
    }

    /// # Safety
    ///
    /// Called by the C side as the op of that name.
    unsafe extern "C" fn enable_signaling(fence: *mut bindings::dma_fence) -> bool {
        // SAFETY: The C side calls ops inside a read-side section.
        let ops_fence = unsafe { OpsFence::<T>::new(fence) };
        match T::ENABLE_SIGNALING.and_then(|op| op(&ops_fence)) {
            None => true,
            Some(result) => {
                // SAFETY: The C side calls ops inside a read-side section.
                unsafe { Self::over(fence, result) };
                false
            }
        }
    }

    /// # Safety
    ///
    /// Called by the C side as the op of that name.
    unsafe extern "C" fn signaled(fence: *mut bindings::dma_fence) -> bool {
        // What was said once is said again, even if the driver has changed its mind.
        // SAFETY: The C side calls ops inside a read-side section.
        if let Some(error) = unsafe { Block::<T>::decided(fence) } {
            // SAFETY: As above.
            unsafe { Self::set_error(fence, error) };
            return true;
        }
        // SAFETY: The C side calls ops inside a read-side section.
        let ops_fence = unsafe { OpsFence::<T>::new(fence) };
        match T::SIGNALED.and_then(|op| op(&ops_fence)) {
            None => false,
            Some(result) => {
                // SAFETY: The C side calls ops inside a read-side section.
                unsafe { Self::over(fence, result) };
                true
            }
        }
    }

    /// # Safety
    ///
    /// Called by the C side as the op of that name.
    unsafe extern "C" fn set_deadline(
        fence: *mut bindings::dma_fence,
        deadline: bindings::ktime_t,
    ) {
        // SAFETY: The C side calls ops inside a read-side section.
        let ops_fence = unsafe { OpsFence::<T>::new(fence) };
        if let Some(op) = T::SET_DEADLINE {
            op(&ops_fence, Ktime::from_nanos(deadline));
        }
    }
}
