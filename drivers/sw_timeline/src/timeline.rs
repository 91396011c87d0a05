// SPDX-License-Identifier: GPL-2.0-only
//! The timeline: a 32-bit counter and the fences that wait for it.
//!
//! Fences signal in the order of their values, and never under the timeline's lock: a callback
//! may come back to the timeline it was called from. Who advances it while somebody is
//! signalling already leaves the fences that became due to that one.
#![forbid(unsafe_code)]

use crate::deadline::Deadline;
use dma_fence::{
    ArcDriverFence,
    DeadlineOp,
    Fence,
    FenceContext,
    FenceContextOps,
    Ktime, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
};

/// How many fences a timeline has room for at first.
const FIRST_ROOM: usize = 16;

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = Deadline;
    const SEQNO64: bool = false;
    const SET_DEADLINE: Option<DeadlineOp<Self>> = Some(|fence, deadline| fence.hope_for(deadline));
}

/// A fence that waits for `value`.
struct Pending {
    value: u32,
    fence: ArcDriverFence<Ops>,
}

struct State {
    value: u32,
    /// Somebody is signalling what is due.
    signalling: bool,
    /// No value comes any more.
    closed: bool,
    /// The latest first, so that the next to signal is the last.
    pending: KVec<Pending>,
}

impl State {
    /// How far `value` is ahead; 0 or less if it was reached.
    fn ahead(&self, value: u32) -> i32 {
        value.wrapping_sub(self.value) as i32
    }

    /// Takes the next fence that is due, and what it signals with.
    fn take_due(&mut self) -> Option<(Pending, Result)> {
        let next = self.pending.as_slice().last()?.value;
        let result = if self.ahead(next) <= 0 {
            Ok(())
        } else if self.closed {
            Err(ENOENT)
        } else {
            return None;
        };
        self.pending.pop().map(|pending| (pending, result))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Nobody else can reach the timeline any more.
        while let Some(pending) = self.pending.pop() {
            pending.fence.signal(Err(ENOENT));
        }
    }
}

/// A timeline.
///
/// Closing it, or dropping the last reference, signals what still waits with ENOENT; the latter
/// sleeps.
#[pin_data]
pub struct Timeline {
    context: Arc<FenceContext<Ops>>,
    #[pin]
    state: SpinLockIrq<State>,
}

impl Timeline {
    /// Creates a timeline, which starts at 0. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(name: &CStr) -> Result<Arc<Self>> {
        let context = FenceContext::new(1, c"sw_timeline", name, Ops);
        let context = Arc::pin_init(context, GFP_KERNEL)?;
        let state = State {
            value: 0,
            signalling: false,
            closed: false,
            pending: KVec::with_capacity(FIRST_ROOM, GFP_KERNEL)?,
        };
        Arc::pin_init(
            try_pin_init!(Self {
                context,
                state <- new_spinlock_irq!(state, "Timeline::state"),
            }),
            GFP_KERNEL,
        )
    }

    /// The current value. From any context.
    pub fn value(&self) -> u32 {
        self.state.lock().value
    }

    /// A fence that signals when the counter reaches `value`; it has signalled already if the
    /// counter has. Values compare with wraparound: what is less than 2^31 ahead is to come.
    /// There is one fence for a value while it is pending. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; ENOENT if the timeline was closed.
    pub fn fence(&self, value: u32) -> Result<ARef<Fence>> {
        let allocation = FenceContext::new_arc_fence_allocation(&self.context, Deadline::none())?;
        loop {
            let mut state = self.state.lock();
            if state.closed {
                return Err(ENOENT);
            }
            if state.ahead(value) <= 0 {
                drop(state);
                let fence = allocation.new_fence_at(value.into());
                let shared = fence.as_fence().into();
                fence.signal(Ok(()));
                return Ok(shared);
            }
            let ahead = state.ahead(value);
            let at = state
                .pending
                .iter()
                .position(|p| state.ahead(p.value) <= ahead);
            let at = at.unwrap_or(state.pending.len());
            if let Some(pending) = state.pending.get(at).filter(|p| p.value == value) {
                return Ok(pending.fence.as_fence().into());
            }
            if state.pending.len() < state.pending.capacity() {
                let fence = allocation.new_fence_at(value.into());
                let shared = fence.as_fence().into();
                state
                    .pending
                    .insert_within_capacity(at, Pending { value, fence })?;
                return Ok(shared);
            }
            let room = state.pending.capacity() * 2;
            drop(state);
            self.make_room(room)?;
        }
    }

    /// The soonest deadline that was set on the pending fence of `value`; `None` without a
    /// deadline or such a fence. From any context.
    pub fn deadline(&self, value: u32) -> Option<Ktime> {
        let state = self.state.lock();
        let pending = state.pending.iter().find(|p| p.value == value)?;
        pending.fence.soonest()
    }

    /// Makes room for `room` fences, without sleeping under the lock.
    fn make_room(&self, room: usize) -> Result {
        let mut pending = KVec::with_capacity(room, GFP_KERNEL)?;
        let mut state = self.state.lock();
        if state.pending.capacity() < room {
            for p in state.pending.drain_all() {
                pending.push_within_capacity(p)?;
            }
            core::mem::swap(&mut state.pending, &mut pending);
        }
        Ok(())
    }

    /// Adds `by` to the counter and signals all fences that are due, in order. An advance of
    /// more than `i32::MAX` goes in steps, so that no value is jumped over. From any context;
    /// callbacks run here.
    ///
    /// If somebody else is signalling this timeline's fences, that one signals these as well,
    /// and this returns at once.
    pub fn advance(&self, by: u32) {
        let mut left = by;
        while left > 0 {
            let step = left.min(i32::MAX as u32);
            let mut state = self.state.lock();
            state.value = state.value.wrapping_add(step);
            drop(state);
            self.signal_due();
            left -= step;
        }
    }

    /// Signals all fences that still wait with ENOENT; no new ones can be made. From any context;
    /// callbacks run here.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.signal_due();
    }

    fn signal_due(&self) {
        let mut state = self.state.lock();
        if state.signalling {
            return;
        }
        state.signalling = true;
        while let Some((pending, result)) = state.take_due() {
            drop(state);
            pending.fence.signal(result);
            state = self.state.lock();
        }
        state.signalling = false;
    }
}
