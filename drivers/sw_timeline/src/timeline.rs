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
    sync::{
        aref::ARef,
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
    time::NSEC_PER_SEC,
};

/// The number of fences for which a new timeline has room.
const FIRST_ROOM: usize = 16;

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = Deadline;
    const SEQNO64: bool = false;
    // There is no hardware behind the counter; but the fences signal in order.
    const PROGRESS: Option<ProgressOp<Self>> = Some(|_fence| None);
    const SET_DEADLINE: Option<DeadlineOp<Self>> = Some(|fence, deadline| fence.note(deadline));
}

/// A fence that waits for `value`, and what it signals with once that is decided.
struct Pending {
    value: u32,
    due: Option<Result>,
    fence: ArcDriverFence<Ops>,
}

/// A fence that has signalled, and that others still used then.
struct Past {
    deadline: Option<Ktime>,
    fence: ARef<Fence>,
}

/// # Invariants
///
/// - `past`, if there is one, has room for all that is in `pending` as well.
/// - `pending` is `[not due, by descending value] ++ [due, latest first]`: its last signals next.
/// - A fence becomes due in the section of the lock in which the counter reaches its value; so no
///   value is ever skipped.
struct State {
    value: u32,
    /// A thread is signalling what is due.
    signalling: bool,
    /// No value comes any more.
    closed: bool,
    pending: KVec<Pending>,
    /// For those who ask about a timeline that a program has opened.
    past: Option<KVec<Past>>,
}

/// True if others than the timeline have references to the fence.
fn in_use(fence: &Fence) -> bool {
    fence.references() > 1
}

impl State {
    /// What has signalled, as far as it is kept.
    fn past(&self) -> impl Iterator<Item = &Past> {
        self.past.iter().flat_map(|past| past.iter())
    }

    /// Returns how far `value` is ahead; 0 or less if it was reached.
    fn ahead(&self, value: u32) -> i32 {
        value.wrapping_sub(self.value) as i32
    }

    /// Adds at most `i32::MAX` to the counter.
    fn step(&mut self, by: u32) {
        self.value = self.value.wrapping_add(by);
        let value = self.value;
        for pending in self.waiting() {
            if value.wrapping_sub(pending.value) as i32 >= 0 {
                pending.due = Some(Ok(()));
            }
        }
    }

    fn close(&mut self) {
        self.closed = true;
        for pending in self.waiting() {
            pending.due = Some(Err(ENOENT));
        }
    }

    /// Those that are not due.
    fn waiting(&mut self) -> impl Iterator<Item = &mut Pending> {
        self.pending
            .iter_mut()
            .filter(|pending| pending.due.is_none())
    }

    /// True if there is room for one more fence; forgets those that are not used any more if need be.
    fn has_room(&mut self) -> bool {
        let one_more = self.pending.len() + 1;
        let past_has_room = self.past.as_mut().is_none_or(|past| {
            // Twice as much, so that they are not looked through for each fence.
            let fits = |past: &KVec<Past>| past.capacity() >= 2 * past.len() + one_more;
            if !fits(past) {
                past.retain(|past| in_use(&past.fence));
            }
            fits(past)
        });
        past_has_room && one_more <= self.pending.capacity()
    }

    /// Returns the index at which a fence of `value` belongs.
    fn place(&self, value: u32) -> usize {
        let ahead = self.ahead(value);
        let before = |p: &Pending| p.due.is_some() || (ahead > 0 && self.ahead(p.value) <= ahead);
        let place = self.pending.iter().position(before);
        place.unwrap_or(self.pending.len())
    }

    /// Takes the next fence that is due, and what it signals with.
    fn take_due(&mut self) -> Option<(ArcDriverFence<Ops>, Result)> {
        let result = self.pending.as_slice().last()?.due?;
        self.pending.pop().map(|pending| (pending.fence, result))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // The last reference to the timeline is gone.
        while let Some(pending) = self.pending.pop() {
            pending.fence.signal(pending.due.unwrap_or(Err(ENOENT)));
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
        Self::create(name, None)
    }

    /// As [`new`](Self::new), of which it can be asked what has become of its fences.
    pub(crate) fn with_past(name: &CStr) -> Result<Arc<Self>> {
        Self::create(name, Some(KVec::with_capacity(FIRST_ROOM, GFP_KERNEL)?))
    }

    fn create(name: &CStr, past: Option<KVec<Past>>) -> Result<Arc<Self>> {
        let context = FenceContext::new(1, c"sw_sync", name, Ops);
        let context = Arc::pin_init(context, GFP_KERNEL)?;
        let state = State {
            value: 0,
            signalling: false,
            closed: false,
            pending: KVec::with_capacity(FIRST_ROOM, GFP_KERNEL)?,
            past,
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
        loop {
            let mut state = self.state.lock();
            if state.closed {
                return Err(ENOENT);
            }
            let reached = state.ahead(value) <= 0;
            let at = state.place(value);
            let same = state
                .pending
                .get(at)
                .filter(|p| p.due.is_none() && p.value == value);
            if let Some(pending) = same {
                let fence = pending.fence.as_fence();
                if !in_use(fence) {
                    // No one has it any more, so this is a new one to the program that asks.
                    pending.fence.forget();
                }
                return Ok(fence.into());
            }
            if !state.has_room() {
                let past = state.past.as_ref().map_or(0, |past| past.len());
                let room = 2 * (state.pending.len() + past).max(FIRST_ROOM);
                drop(state);
                self.make_room(room)?;
                continue;
            }
            let fence = allocation.new_fence_at(value.into());
            let shared = fence.as_fence().into();
            let due = reached.then_some(Ok(()));
            let pending = Pending { value, due, fence };
            // Cannot fail: capacity was checked under this lock.
            state.pending.insert_within_capacity(at, pending)?;
            drop(state);
            if reached {
                self.signal_due();
            }
            return Ok(shared);
        }
    }

    /// The soonest deadline that was set on the pending fence of `value`; `None` without a
    /// deadline or such a fence. From any context.
    pub fn deadline(&self, value: u32) -> Option<Ktime> {
        let state = self.state.lock();
        let pending = state.pending.iter().find(|p| p.value == value)?;
        pending.fence.soonest()
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
        if let Some(pending) = state.pending.iter().find(|p| same(p.fence.as_fence())) {
            return Ok(pending.fence.soonest());
        }
        let past = state.past().find(|past| same(&past.fence)).ok_or(ENOENT)?;
        Ok(past.deadline)
    }

    /// True while it was not closed, or others use one of its fences. From any context.
    pub(crate) fn lives(&self) -> bool {
        let state = self.state.lock();
        !state.closed || !state.pending.is_empty() || state.past().any(|p| in_use(&p.fence))
    }

    /// Prints its value, and a line for each of its fences that is used and has not signalled, or
    /// not well. From any context; `f` must not sleep.
    pub(crate) fn show(&self, name: &CStr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        // CAST: As the kernel has it, a number with a sign.
        let value = state.value as i32;
        f.write_fmt(fmt!("{}: {}\n", name, value))?;
        let past = state.past().map(|past| &*past.fence);
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
        // The last signals next.
        let pending = state.pending.iter().rev();
        for fence in pending
            .map(|p| p.fence.as_fence())
            .filter(|fence| in_use(fence))
        {
            writeln!(f, "  fence active: {} / {value}", fence.seqno())?;
        }
        Ok(())
    }

    /// Makes room for `room` fences, without sleeping under the lock.
    fn make_room(&self, room: usize) -> Result {
        let mut pending = KVec::with_capacity(room, GFP_KERNEL)?;
        let mut past = KVec::with_capacity(2 * room, GFP_KERNEL)?;
        let mut state = self.state.lock();
        larger(&mut state.pending, &mut pending)?;
        if let Some(old) = &mut state.past {
            larger(old, &mut past)?;
        }
        Ok(())
    }

    /// Adds `by` to the counter and signals all fences that are due, in order. An advance of
    /// more than `i32::MAX` goes in steps, so that no value is jumped over. From any context;
    /// callbacks run here.
    ///
    /// If another thread is signalling this timeline's fences, or this is called by one of their
    /// callbacks, that thread signals these as well, and this returns at once.
    pub fn advance(&self, by: u32) {
        let mut state = self.state.lock();
        let mut left = by;
        while left > 0 {
            let step = left.min(i32::MAX as u32);
            state.step(step);
            left -= step;
        }
        drop(state);
        self.signal_due();
    }

    /// Signals all fences that still wait with ENOENT; no new ones can be made. From any context;
    /// callbacks run here.
    pub fn close(&self) {
        self.state.lock().close();
        self.signal_due();
    }

    fn signal_due(&self) {
        let mut state = self.state.lock();
        if state.signalling {
            return;
        }
        state.signalling = true;
        while let Some((fence, result)) = state.take_due() {
            let past = state.past.is_some().then(|| Past {
                deadline: fence.soonest(),
                fence: fence.as_fence().into(),
            });
            drop(state);
            fence.signal(result);
            state = self.state.lock();
            let used = past.filter(|past| in_use(&past.fence));
            if let (Some(all), Some(past)) = (&mut state.past, used) {
                // Cannot fail, by the invariant.
                let _ = all.push_within_capacity(past);
            }
        }
        state.signalling = false;
    }
}

/// Moves all to a vector that has more room, if it has.
fn larger<T>(old: &mut KVec<T>, new: &mut KVec<T>) -> Result {
    if old.capacity() < new.capacity() {
        for element in old.drain_all() {
            // Cannot fail: `new` has room for more than the old one could hold.
            new.push_within_capacity(element)?;
        }
        core::mem::swap(old, new);
    }
    Ok(())
}
