// SPDX-License-Identifier: GPL-2.0-only
//! The timeline: a 32-bit counter and the fences that wait for it.
//!
//! Fences signal in the order of their values, and never under the timeline's lock: a callback
//! may come back to the timeline it was called from. A thread that advances it while another one
//! signals leaves the fences that became due to that one.
#![forbid(unsafe_code)]

use crate::deadline::Deadline;
use dma_fence::{
    ArcDriverFence,
    DeadlineOp,
    Fence,
    FenceContext,
    FenceContextOps,
    Ktime,
    ProgressOp, //
};
use kernel::{
    fmt,
    prelude::*,
    rbtree::{
        Entry,
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
    time::NSEC_PER_SEC,
};

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = Deadline;
    const SEQNO64: bool = false;
    // There is no hardware behind the counter; but the fences signal in order.
    const PROGRESS: Option<ProgressOp<Self>> = Some(|_fence| None);
    const SET_DEADLINE: Option<DeadlineOp<Self>> = Some(|fence, deadline| fence.note(deadline));
}

/// When a fence signals: in the order of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// The counter that it waits for.
    at: u64,
    /// 0, or a number of its own if that was reached before there was the fence.
    late: u64,
}

/// A fence that has not signalled.
struct Pending {
    fence: ArcDriverFence<Ops>,
    /// Where it is kept after that, if others still use it then.
    room: Option<RBTreeNodeReservation<Turn, Past>>,
}

/// A fence that has signalled, and that others still used then.
struct Past {
    deadline: Option<Ktime>,
    fence: ARef<Fence>,
}

/// # Invariants
///
/// - The first in `pending` signals next. Those that the counter has reached are due; so no value is
///   ever skipped.
/// - Nothing is allocated under the lock.
struct State {
    /// The value, with the bits that it has lost to wraparound; so turns do not wrap around.
    counter: u64,
    /// The fences that were made too late for their values.
    late: u64,
    /// A thread is signalling what is due.
    signalling: bool,
    /// The counter when the timeline was closed: it reaches nothing more.
    closed: Option<u64>,
    pending: RBTree<Turn, Pending>,
    /// For those who ask about a timeline that a program has opened.
    past: RBTree<Turn, Past>,
    /// How many are in `past`, and with how many it is looked which of them are still used.
    kept: usize,
    look_at: usize,
}

/// True if others than the timeline have references to the fence.
fn in_use(fence: &Fence) -> bool {
    fence.references() > 1
}

impl State {
    fn value(&self) -> u32 {
        // CAST: The lower half.
        self.counter as u32
    }

    /// The turn of a fence of `value`, if it is made in time.
    fn turn(&self, value: u32) -> Turn {
        // Values compare with wraparound: below 0 is what was reached.
        let ahead = value.wrapping_sub(self.value()) as i32;
        let at = self.counter.wrapping_add_signed(ahead.into());
        Turn { at, late: 0 }
    }

    /// The turn of one that is made now: behind all that are due, if it is due at once.
    fn new_turn(&mut self, value: u32) -> Turn {
        let ahead = value.wrapping_sub(self.value()) as i32;
        if ahead > 0 {
            return self.turn(value);
        }
        self.late += 1;
        Turn {
            at: self.counter,
            late: self.late,
        }
    }

    /// Takes the next fence that is due, and what it signals with.
    fn take_due(&mut self) -> Option<(Turn, Pending, Result)> {
        let first = self.pending.cursor_front_mut()?;
        let reached = self.closed.unwrap_or(self.counter);
        let result = match first.current().0.at <= reached {
            true => Ok(()),
            false => self.closed.map(|_| Err(ENOENT))?,
        };
        let (turn, pending) = first.remove_current().1.to_key_value();
        Some((turn, pending, result))
    }

    /// Keeps a fence that has signalled.
    fn keep(&mut self, turn: Turn, past: Past, room: RBTreeNodeReservation<Turn, Past>) {
        self.past.insert(room.into_node(turn, past));
        self.kept += 1;
        if self.kept < self.look_at {
            return;
        }
        // Those of which no one can ask any more.
        let mut from = Turn { at: 0, late: 0 };
        while let Some(past) = self.past.cursor_lower_bound_mut(&from) {
            let (turn, Past { fence, .. }) = past.current();
            from = Turn {
                late: turn.late + 1,
                ..*turn
            };
            if !in_use(fence) {
                past.remove_current();
                self.kept -= 1;
            }
        }
        // Twice as many, so that they are not looked through for each fence.
        self.look_at = 2 * self.kept + 16;
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // The last reference to the timeline is gone.
        self.closed.get_or_insert(self.counter);
        while let Some((_, pending, result)) = self.take_due() {
            pending.fence.signal(result);
        }
    }
}

/// A timeline.
///
/// Closing it, or dropping the last reference, signals the fences that still wait with ENOENT. To
/// drop the last reference sleeps.
#[pin_data]
pub struct Timeline {
    context: Arc<FenceContext<Ops>>,
    /// It is kept what has become of its fences.
    has_past: bool,
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
        Self::create(name, false)
    }

    /// As [`new`](Self::new), of which it can be asked what has become of its fences.
    pub(crate) fn with_past(name: &CStr) -> Result<Arc<Self>> {
        Self::create(name, true)
    }

    fn create(name: &CStr, has_past: bool) -> Result<Arc<Self>> {
        let context = FenceContext::new(1, c"sw_sync", name, Ops);
        let context = Arc::pin_init(context, GFP_KERNEL)?;
        let state = State {
            counter: 0,
            late: 0,
            signalling: false,
            closed: None,
            pending: RBTree::new(),
            past: RBTree::new(),
            kept: 0,
            look_at: 16,
        };
        Arc::pin_init(
            try_pin_init!(Self {
                context,
                has_past,
                state <- new_spinlock_irq!(state, "Timeline::state"),
            }),
            GFP_KERNEL,
        )
    }

    /// The current value. From any context.
    pub fn value(&self) -> u32 {
        self.state.lock().value()
    }

    /// Returns a fence that signals when the counter reaches `value`; if it has already, the fence
    /// signals after all that became due before it. Values compare with wraparound: what is less
    /// than 2^31 ahead is to come. There is one fence for a value while the counter has not
    /// reached it. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; ENOENT if the timeline was closed.
    pub fn fence(&self, value: u32) -> Result<ARef<Fence>> {
        let allocation = FenceContext::new_arc_fence_allocation(&self.context, Deadline::none())?;
        let node = RBTreeNodeReservation::new(GFP_KERNEL)?;
        let room = match self.has_past {
            true => Some(RBTreeNodeReservation::new(GFP_KERNEL)?),
            false => None,
        };
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return Err(ENOENT);
        }
        let turn = state.new_turn(value);
        let place = match state.pending.entry(turn) {
            Entry::Vacant(place) => place,
            Entry::Occupied(pending) => {
                let pending = &pending.get().fence;
                let fence = pending.as_fence();
                if !in_use(fence) {
                    // No one has it any more, so this is a new one to the program that asks.
                    pending.forget();
                }
                return Ok(fence.into());
            }
        };
        let fence = allocation.new_fence_at(value.into());
        let shared = fence.as_fence().into();
        place.insert(Pending { fence, room }, node);
        drop(state);
        if turn.late != 0 {
            self.signal_due();
        }
        Ok(shared)
    }

    /// The soonest deadline that was set on the pending fence of `value`; `None` without a
    /// deadline or such a fence. From any context.
    pub fn deadline(&self, value: u32) -> Option<Ktime> {
        let state = self.state.lock();
        state.pending.get(&state.turn(value))?.fence.soonest()
    }

    /// The number of its context, which no other timeline has.
    pub(crate) fn number(&self) -> u64 {
        self.context.number()
    }

    /// The soonest deadline that was set on this fence; `None` without one. ENOENT if it is not one of
    /// this timeline's, or not known any more. From any context.
    pub(crate) fn deadline_of(&self, fence: &Fence) -> Result<Option<Ktime>> {
        let state = self.state.lock();
        let same = |other: &Fence| core::ptr::eq(other, fence);
        let mut pending = state.pending.values();
        if let Some(pending) = pending.find(|p| same(p.fence.as_fence())) {
            return Ok(pending.fence.soonest());
        }
        let past = state.past.values().find(|past| same(&past.fence));
        Ok(past.ok_or(ENOENT)?.deadline)
    }

    /// True while it was not closed, or others use one of its fences. From any context.
    pub(crate) fn lives(&self) -> bool {
        let state = self.state.lock();
        let mut past = state.past.values();
        state.closed.is_none() || !state.pending.is_empty() || past.any(|p| in_use(&p.fence))
    }

    /// Prints its value, and a line for each of its fences that is used and has not signalled, or
    /// not well. From any context; `f` must not sleep.
    pub(crate) fn show(&self, name: &CStr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        // CAST: As the kernel has it, a number with a sign.
        let value = state.value() as i32;
        f.write_fmt(fmt!("{}: {}\n", name, value))?;
        let past = state.past.values().map(|past| &*past.fence);
        for fence in past.filter(|fence| in_use(fence)) {
            if let (Some(_), Some(when)) = (fence.error(), fence.timestamp()) {
                let (seconds, ns) = (
                    when.as_nanos() / NSEC_PER_SEC,
                    when.as_nanos() % NSEC_PER_SEC,
                );
                let seqno = fence.seqno();
                writeln!(f, "  fence error@{seconds}.{ns:09}: {seqno} / {value}")?;
            }
        }
        let pending = state.pending.values();
        for fence in pending
            .map(|p| p.fence.as_fence())
            .filter(|fence| in_use(fence))
        {
            writeln!(f, "  fence active: {} / {value}", fence.seqno())?;
        }
        Ok(())
    }

    /// Adds `by` to the counter and signals all fences that are due, in order; no value is
    /// jumped over, however many there are. From any context; callbacks run here.
    ///
    /// If another thread is signalling this timeline's fences, or this is called by one of their
    /// callbacks, that thread signals these as well, and this returns at once.
    pub fn advance(&self, by: u32) {
        self.state.lock().counter += u64::from(by);
        self.signal_due();
    }

    /// Signals all fences that still wait with ENOENT; no new ones can be made. From any context;
    /// callbacks run here.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = state.closed.or(Some(state.counter));
        drop(state);
        self.signal_due();
    }

    fn signal_due(&self) {
        let mut state = self.state.lock();
        if state.signalling {
            return;
        }
        state.signalling = true;
        while let Some((turn, Pending { fence, room }, result)) = state.take_due() {
            drop(state);
            let past = room.map(|room| {
                let (deadline, fence) = (fence.soonest(), fence.as_fence().into());
                (Past { deadline, fence }, room)
            });
            fence.signal(result);
            state = self.state.lock();
            if let Some((past, room)) = past.filter(|(past, _)| in_use(&past.fence)) {
                state.keep(turn, past, room);
            }
        }
        state.signalling = false;
    }
}
