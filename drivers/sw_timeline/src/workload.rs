// SPDX-License-Identifier: GPL-2.0-only
//! A workload that begins when the module is loaded with `jobs`, in Linux as here.
//!
//! How fast the machine is decides nothing of what becomes of its fences: the events of each context
//! are those that the seed says, in that order, and so is what it prints. One task does it all, but
//! for a work item now and then that advances a timeline; and that is waited for.
#![forbid(unsafe_code)]

use crate::timeline::Timeline;
use dma_fence::{
    merge,
    wait_any,
    Complete,
    Enqueue,
    Fence,
    FenceArray,
    FenceCallback,
    FenceCallbackRegistration,
    FenceChain,
    FenceChainAllocation,
    Ktime, //
};
use kernel::{
    impl_has_delayed_work, impl_has_work, new_delayed_work, new_work,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, Arc, Completion,
    },
    time::{
        msecs_to_jiffies,
        Msecs, //
    },
    workqueue::{
        self,
        DelayedWork,
        Work,
        WorkItem, //
    },
};

/// How long a work item is late on purpose, so that a task waits for it.
const LATE: Msecs = 100;

/// Of more jobs not all events fit into a trace buffer, and without these nothing is compared.
pub const MAX_JOBS: u32 = 2000;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let random = (z ^ (z >> 31)) >> 32;
        // CAST: What is left is less than `bound`.
        ((random * u64::from(bound)) >> 32) as u32
    }
}

/// Counts the calls.
struct Count(Arc<Atomic<u32>>);

impl FenceCallback for Count {
    fn on_signal(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Advances a timeline by 1: after some time, or when it is queued by a callback.
#[pin_data]
struct Advance {
    timeline: Arc<Timeline>,
    #[pin]
    late: DelayedWork<Self, 1>,
    #[pin]
    now: Work<Self>,
    #[pin]
    done: Completion,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self, 1> for Advance { self.late }
}

impl_has_work! {
    impl HasWork<Self> for Advance { self.now }
}

impl Advance {
    fn new(timeline: &Arc<Timeline>) -> Result<Arc<Self>> {
        let timeline = timeline.clone();
        let init = pin_init!(Self {
            timeline,
            late <- new_delayed_work!("Advance::late"),
            now <- new_work!("Advance::now"),
            done <- Completion::new(),
        });
        Arc::pin_init(init, GFP_KERNEL)
    }

    fn advance(&self) {
        self.timeline.advance(1);
        self.done.complete_all();
    }
}

impl WorkItem<1> for Advance {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.advance();
    }
}

impl WorkItem for Advance {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.advance();
    }
}

/// A callback that is registered.
type Registered<T> = Pin<KBox<FenceCallbackRegistration<T>>>;

fn register<T: FenceCallback>(fence: &Fence, callback: T) -> Result<Registered<T>> {
    KBox::try_pin_init(FenceCallbackRegistration::new(fence, callback), GFP_KERNEL)
        .map_err(Error::from)
}

/// A fence that is waited for without an event of it: by a callback.
struct Awaited(Arc<Completion>, Registered<Complete>);

impl Awaited {
    fn new(fence: &Fence) -> Result<Self> {
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let registered = register(fence, Complete::new(done.clone()))?;
        Ok(Self(done, registered))
    }

    fn wait(self) {
        self.0.wait_for_completion();
        // Not before.
        drop(self.1);
    }
}

/// What was counted.
#[derive(Default)]
struct Counts {
    fences: u32,
    expired: u32,
    pending: u32,
    deadlines: u32,
    signalled: u32,
    canceled: u32,
}

/// The workload, while it runs.
struct Workload {
    rng: Rng,
    timelines: KVec<Arc<Timeline>>,
    /// The last fence of each timeline that was kept.
    last: KVec<ARef<Fence>>,
    counted: KVec<Registered<Count>>,
    /// All fences that are kept until the end.
    kept: KVec<ARef<Fence>>,
    chain: KVec<ARef<FenceChain>>,
    callbacks: Arc<Atomic<u32>>,
    counts: Counts,
}

/// Makes about so many fences and prints what became of them. May sleep.
///
/// # Errors
///
/// ENOMEM; EINVAL for more than [`MAX_JOBS`]; EIO if a fence did what it cannot do.
pub(crate) fn run(seed: u64, jobs: u32) -> Result {
    if jobs > MAX_JOBS {
        pr_err!("jobs={}: expected {} at most\n", jobs, MAX_JOBS);
        return Err(EINVAL);
    }
    let mut workload = Workload::new(seed)?;
    for _ in 0..jobs {
        workload.step()?;
    }
    workload.close()?;
    workload.print(seed);
    workload.end();
    Ok(())
}

impl Workload {
    fn new(seed: u64) -> Result<Self> {
        let mut this = Self {
            rng: Rng(seed),
            timelines: KVec::new(),
            last: KVec::new(),
            counted: KVec::new(),
            kept: KVec::new(),
            chain: KVec::new(),
            callbacks: Arc::new(Atomic::new(0), GFP_KERNEL)?,
            counts: Counts::default(),
        };
        for name in [c"vblank", c"copy", c"wraps"] {
            this.timelines.push(Timeline::new(name)?, GFP_KERNEL)?;
        }
        this.timelines[2].advance(u32::MAX - this.rng.below(8));
        for at in 0..this.timelines.len() {
            let fence = this.fence(at, 1)?;
            this.last.push(fence, GFP_KERNEL)?;
        }
        Ok(this)
    }

    /// A fence of a value that is so far ahead.
    fn fence(&mut self, at: usize, ahead: u32) -> Result<ARef<Fence>> {
        self.counts.fences += 1;
        let timeline = &self.timelines[at];
        timeline.fence(timeline.value().wrapping_add(ahead))
    }

    /// Does something with a fence that is pending, and maybe keeps it.
    fn use_pending(&mut self, at: usize, fence: ARef<Fence>) -> Result {
        match self.rng.below(10) {
            0 => fence.enable_signaling(),
            1 => self.counts.expired += u32::from(fence.wait_timeout(1).is_none()),
            2 => {
                let any = wait_any(&[&self.last[at], &fence], 1)?;
                self.counts.expired += u32::from(any.is_none());
            }
            3 => {
                let soon = Ktime::from_nanos(i64::from(self.rng.below(1000)));
                fence.set_deadline(soon);
                // CAST: The timeline's values have 32 bits.
                let soonest = self.timelines[at].deadline(fence.seqno() as u32);
                self.counts.deadlines += u32::from(soonest == Some(soon));
            }
            4 => {
                let array = FenceArray::new(&[&fence, &self.last[at]])?;
                array.enable_signaling();
                self.kept.push(FenceArray::into_fence(array), GFP_KERNEL)?;
            }
            5 => {
                let contained = fence.as_unchained().ok_or(EIO)?;
                let prev = self.chain.last().map(|node| &***node);
                // CAST: No chain is longer.
                let seqno = self.chain.len() as u64 + 1;
                let node = FenceChainAllocation::new()?.new_node(prev, contained, seqno);
                self.chain.push(node, GFP_KERNEL)?;
            }
            6 | 7 => {
                let count = Count(self.callbacks.clone());
                self.counted.push(register(&fence, count)?, GFP_KERNEL)?;
            }
            _ => {}
        }
        self.counts.pending += u32::from(fence.status().is_none());
        if self.rng.below(4) > 0 {
            self.kept.push(fence.clone(), GFP_KERNEL)?;
            self.last[at] = fence;
        }
        Ok(())
    }

    fn step(&mut self) -> Result {
        // CAST: There are 3.
        let at = self.rng.below(3) as usize;
        match self.rng.below(16) {
            0..=8 => {
                let ahead = 1 + self.rng.below(6);
                let fence = self.fence(at, ahead)?;
                self.use_pending(at, fence)
            }
            9 => {
                // Its time has come, so it signals at once.
                let fence = self.fence(at, 0)?;
                fence.wait();
                let all = merge(&[&fence, &Fence::stub()])?;
                self.counts.signalled += u32::from(all.is_signaled() && fence.is_signaled());
                Ok(())
            }
            10 => self.wait_for_late(at),
            11 => self.pass_on(at),
            _ => {
                let by = 1 + self.rng.below(4);
                self.timelines[at].advance(by);
                Ok(())
            }
        }
    }

    /// Waits for a fence that a work item will signal.
    fn wait_for_late(&mut self, at: usize) -> Result {
        let fence = self.fence(at, 1)?;
        let item = Advance::new(&self.timelines[at])?;
        let queue = workqueue::system_highpri();
        let late = queue.enqueue_delayed::<_, 1>(item.clone(), msecs_to_jiffies(LATE));
        late.map_err(|_| EIO)?;
        fence.wait();
        item.done.wait_for_completion();
        Ok(())
    }

    /// When a timeline's fence signals, a work item advances the next one.
    fn pass_on(&mut self, at: usize) -> Result {
        let next = (at + 1) % self.timelines.len();
        let (first, then) = (self.fence(at, 1)?, self.fence(next, 1)?);
        let item = Advance::new(&self.timelines[next])?;
        let queue = workqueue::system_highpri();
        let _registered = register(&first, Enqueue::new(queue, item.clone()))?;
        let awaited = Awaited::new(&then)?;
        self.timelines[at].advance(1);
        awaited.wait();
        item.done.wait_for_completion();
        Ok(())
    }

    /// Advances one of the timelines far enough, and closes the others, whose fences are canceled.
    fn close(&mut self) -> Result {
        for at in 0..self.timelines.len() {
            let fence = self.fence(at, 2)?;
            self.kept.push(fence, GFP_KERNEL)?;
        }
        let all = match self.chain.last().map(|node| Awaited::new(node)) {
            Some(Ok(awaited)) => Some(awaited),
            // It signals when that is wanted, if all that it is made of has.
            Some(Err(error)) if error != ENOENT => return Err(error),
            _ => None,
        };
        self.timelines[0].advance(100);
        for timeline in &self.timelines {
            timeline.close();
            if timeline.fence(0).err() != Some(ENOENT) {
                return Err(EIO);
            }
        }
        if let Some(all) = all {
            all.wait();
        }
        Ok(())
    }

    fn print(&mut self, seed: u64) {
        // The arrays are signalled by interrupts that are not waited for.
        for fence in self.kept.iter().filter(|fence| fence.as_array().is_none()) {
            match fence.status() {
                Some(Ok(())) => self.counts.signalled += 1,
                Some(Err(error)) if error == ENOENT => self.counts.canceled += 1,
                _ => {}
            }
        }
        for timeline in &self.timelines {
            pr_info!(
                "workload {}: a timeline ends at {}\n",
                seed,
                timeline.value()
            );
        }
        let counts = &self.counts;
        pr_info!(
            "workload {}: {} fences, {} looked at while pending, {} seen to be signalled, {} canceled\n",
            seed,
            counts.fences,
            counts.pending,
            counts.signalled,
            counts.canceled
        );
        pr_info!(
            "workload {}: {} callbacks, {} waits expired, {} deadlines, {} nodes of a chain\n",
            seed,
            self.callbacks.load(Relaxed),
            counts.expired,
            counts.deadlines,
            self.chain.len()
        );
    }

    /// Drops all fences in an order of ours, when no other task has one.
    fn end(mut self) {
        // What signals in an interrupt drops its reference there after our callback was called.
        rcu::synchronize_rcu();
        self.counted.clear();
        // A node has a reference to the one before it.
        while let Some(node) = self.chain.pop() {
            drop(node);
        }
        drop(self.last);
        drop(self.kept);
    }
}
