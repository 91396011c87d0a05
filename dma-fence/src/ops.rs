// SPDX-License-Identifier: GPL-2.0-only
//! The ops that a driver may have for its fences.

use super::ktime::Ktime;
use core::ops::Deref;
use kernel::prelude::*;

/// An op that returns the result of a fence, `None` while that is pending.
///
/// Rule [signaled-monotonic](../../book/rules/signaled-monotonic.html): once
/// [`SIGNALED`](FenceContextOps::SIGNALED) has returned a result, it returns one whenever called.
pub type PollOp<T> = fn(fence: &OpsFence<'_, T>) -> Option<Result>;

/// An op that is told by when a waiter hopes for a fence.
pub type DeadlineOp<T> = fn(fence: &OpsFence<'_, T>, deadline: Ktime);

/// An op that returns how far the hardware is that a fence waits for; `None` if the hardware has
/// no number for it.
pub type ProgressOp<T> = fn(fence: &OpsFence<'_, T>) -> Option<Progress>;

/// How far hardware is that counts what it has completed, beside the number it counts up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    completed: u64,
    number: u64,
    bits: u32,
}

impl Progress {
    /// The counter has 32 bits and wraps around; the fence has signalled once it is at `number`.
    pub const fn of_32_bits(completed: u32, number: u32) -> Self {
        Self {
            completed: completed as u64,
            number: number as u64,
            bits: 32,
        }
    }

    /// The counter has 64 bits.
    pub const fn of_64_bits(completed: u64, number: u64) -> Self {
        Self {
            completed,
            number,
            bits: 64,
        }
    }

    /// The counter, the number, and how many bits they have.
    pub(super) fn parts(self) -> (u64, u64, u32) {
        (self.completed, self.number, self.bits)
    }
}

/// A driver's description of the fences of a timeline.
///
/// The names belong to the [`FenceContext`](super::FenceContext); everything here but the data's
/// type is optional. An op is a constant that holds a function, so that one that is missing is
/// missing from the C table as well, and need not be declared twice:
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
    /// The driver's data in every fence, e.g. its job.
    ///
    /// It is dropped a grace period after the fence has signalled, in atomic context; so it must
    /// not be what keeps its own timeline alive, which sleeps when it goes.
    type FenceDataType: Send + Sync + 'static;

    /// True if sequence numbers compare with all 64 bits, false if as 32 bits with wraparound.
    const SEQNO64: bool = true;

    /// A callback or waiter wants the signal: see to it that it will come, e.g. enable an
    /// interrupt. Called at most once for a fence, with its lock held and interrupts off.
    ///
    /// `None` says that it will signal. A result says that it has passed already, or with an
    /// error that it never will: the fence signals with that at once.
    #[doc(alias = "enable_signaling")]
    const ENABLE_SIGNALING: Option<PollOp<Self>> = None;

    /// Has it happened? Called from any context, maybe with its lock held; also while the
    /// fence signals, and until a grace period has passed after that.
    ///
    /// `None` says not yet. A result says that it has, and the fence signals with the first,
    /// whatever is said later. Rule [signaled-monotonic](../../book/rules/signaled-monotonic.html).
    #[doc(alias = "signaled")]
    const SIGNALED: Option<PollOp<Self>> = None;

    /// How far is the hardware? For a debug kernel, which asks whenever the driver signals one of
    /// these fences without an error: the hardware must have got there, never go back, and the
    /// fences of the timeline signal in order. Called from any context, maybe with the lock held.
    ///
    /// Rules [not-before-done](../../book/rules/not-before-done.html) and
    /// [context-order](../../book/rules/context-order.html).
    const PROGRESS: Option<ProgressOp<Self>> = None;

    /// A waiter hopes that the fence signals by then. Called from any context, without the lock,
    /// any number of times: the soonest counts.
    #[doc(alias = "set_deadline")]
    const SET_DEADLINE: Option<DeadlineOp<Self>> = None;
}

/// A fence as its driver's ops see it: its number, its data, its timeline.
///
/// An op may hold the fence's lock already, so nothing that would take it can be reached from
/// here. Rule [callback-atomic](../../book/rules/callback-atomic.html).
pub struct OpsFence<'a, T: FenceContextOps> {
    seqno: u64,
    data: &'a T::FenceDataType,
    context: OpsContext<'a, T>,
}

/// A timeline as its driver's ops see it: its number and its data.
///
/// It issues no fences, since the timeline may be waiting for the end of this op in order to go.
pub struct OpsContext<'a, T> {
    number: u64,
    data: &'a T,
}

impl<'a, T: FenceContextOps> OpsFence<'a, T> {
    pub(super) fn new(seqno: u64, data: &'a T::FenceDataType, number: u64, ops: &'a T) -> Self {
        let context = OpsContext { number, data: ops };
        Self {
            seqno,
            data,
            context,
        }
    }

    /// The timeline.
    pub fn context(&self) -> OpsContext<'a, T> {
        self.context
    }

    /// The sequence number.
    pub fn seqno(&self) -> u64 {
        self.seqno
    }
}

impl<T: FenceContextOps> Deref for OpsFence<'_, T> {
    type Target = T::FenceDataType;

    fn deref(&self) -> &Self::Target {
        self.data
    }
}

impl<T> Clone for OpsContext<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for OpsContext<'_, T> {}

impl<'a, T> OpsContext<'a, T> {
    /// The context number, which no other timeline has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The driver's own data.
    pub fn data(&self) -> &'a T {
        self.data
    }
}
