// SPDX-License-Identifier: GPL-2.0-only
//! A workload that begins when the module is loaded with `jobs`, in Linux as here.
//!
//! How fast the machine is decides nothing of what becomes of its fences: the events of each context
//! are those that the seed says, in that order, and so is what it prints. For that
//!
//! - the jobs of a round wait for a gate: a fence is pending for sure until that opens, and polled, or
//!   waited for, only then, or when the round is over;
//! - who drops the last reference to a fence is decided: the driver if it is forgotten at once, else
//!   this, when there is no GPU any more;
//! - the watchdog looks so seldom that a slow machine is not taken for a ring that hangs.
//!
//! The hardware has its faults all the same, but for hangs, which are jobs.
#![forbid(unsafe_code)]

use crate::{
    rng::Rng,
    Config,
    Context,
    FakeGpu,
    Fault,
    Faults,
    Job, //
};
use dma_fence::{
    wait_any,
    ArcDriverFence,
    Complete,
    Fence,
    FenceArray,
    FenceCallback,
    FenceCallbackRegistration,
    FenceContext,
    FenceContextOps,
    Forward,
    Ktime, //
};
use kernel::{
    impl_has_delayed_work, new_delayed_work, new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, Arc, Completion, SpinLock,
    },
    time::{
        msecs_to_jiffies,
        Msecs, //
    },
    workqueue::{
        self,
        DelayedWork,
        WorkItem, //
    },
};

/// Rings, each of two clients.
const RINGS: usize = 3;
/// Jobs of a round, beside the last one of each client.
const ROUND: u32 = 16;
/// Of more jobs not all events fit into a trace buffer, and without these nothing is compared.
pub const MAX_JOBS: u32 = 2000;
/// Between two looks of the watchdog, and until a gate opens for which a task waits.
const PATIENCE: Msecs = 100;

/// A timeline of software: its fences are signalled as they are told.
struct Plain;

impl FenceContextOps for Plain {
    type FenceDataType = ();
}

/// Opens a gate some time later.
#[pin_data]
struct Opener {
    #[pin]
    work: DelayedWork<Self>,
    #[pin]
    gate: SpinLock<Option<ArcDriverFence<Plain>>>,
    #[pin]
    done: Completion,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self> for Opener { self.work }
}

impl WorkItem for Opener {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let gate = this.gate.lock().take();
        if let Some(gate) = gate {
            gate.signal(Ok(()));
        }
        this.done.complete_all();
    }
}

/// Counts the calls.
struct Count(Arc<Atomic<u32>>);

impl FenceCallback for Count {
    fn on_signal(&mut self) {
        self.0.fetch_add(1, Relaxed);
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

    fn wait(self) -> ARef<Fence> {
        self.0.wait_for_completion();
        self.1.fence().into()
    }
}

/// A context, and what it was used for.
struct Client {
    context: Arc<Context>,
    kept: KVec<ARef<Fence>>,
    forgotten: u32,
}

impl Client {
    /// Submits a job behind `before`; returns its fence if it is kept.
    fn submit(&mut self, job: Job, before: &[ARef<Fence>], keep: bool) -> Result<Option<&Fence>> {
        let mut fences = KVec::with_capacity(before.len(), GFP_KERNEL)?;
        for fence in before {
            fences.push(&**fence, GFP_KERNEL)?;
        }
        let fence = self.context.submit(job, &fences)?;
        if !keep {
            self.forgotten += 1;
            return Ok(None);
        }
        self.kept.push(fence, GFP_KERNEL)?;
        Ok(self.kept.last().map(|fence| &**fence))
    }

    /// How many of its fences have signalled so.
    fn count(&self, result: Result) -> usize {
        let same = |fence: &&ARef<Fence>| fence.status() == Some(result);
        self.kept.iter().filter(same).count()
    }
}

/// The workload, while it runs.
struct Workload {
    rng: Rng,
    gpu: Arc<FakeGpu>,
    clients: KVec<Client>,
    gates: Arc<FenceContext<Plain>>,
    forwarded: Arc<FenceContext<Plain>>,
    /// All fences but those of the clients.
    others: KVec<ARef<Fence>>,
    callbacks: Arc<Atomic<u32>>,
    expired: u32,
    pending: u32,
}

/// What a round is waiting for.
struct Round {
    gate: ArcDriverFence<Plain>,
    counted: KVec<Registered<Count>>,
    last: KVec<Awaited>,
}

/// Runs it with about so many jobs, on a GPU of its own, and prints what became of them. May sleep.
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
    for _ in 0..jobs / ROUND {
        workload.round()?;
    }
    workload.removal()?;
    workload.print(seed);
    workload.end();
    Ok(())
}

impl Workload {
    fn new(seed: u64) -> Result<Self> {
        let faults = Faults::NONE
            .with(Fault::LostInterrupt, 30)
            .with(Fault::LateInterrupt, 50)
            .with(Fault::SpuriousInterrupt, 20)
            .with(Fault::TornWriteBack, 50);
        let gpu = FakeGpu::new(Config {
            rings: RINGS,
            faults,
            seed,
            watchdog: Some(msecs_to_jiffies(PATIENCE)),
        })?;
        let names = [
            c"render0", c"copy0", c"render1", c"copy1", c"render2", c"copy2",
        ];
        let mut clients = KVec::with_capacity(names.len(), GFP_KERNEL)?;
        for (n, name) in names.iter().enumerate() {
            let client = Client {
                context: gpu.context(n % RINGS, name)?,
                kept: KVec::new(),
                forgotten: 0,
            };
            clients.push(client, GFP_KERNEL)?;
        }
        let plain = |name| {
            let context = FenceContext::new(1, c"workload", name, Plain);
            Arc::pin_init(context, GFP_KERNEL)
        };
        Ok(Self {
            rng: Rng(seed),
            gpu,
            clients,
            gates: plain(c"gate")?,
            forwarded: plain(c"forwarded")?,
            others: KVec::new(),
            callbacks: Arc::new(Atomic::new(0), GFP_KERNEL)?,
            expired: 0,
            pending: 0,
        })
    }

    /// A fence of software, which is kept.
    fn plain(&mut self, forwarded: bool) -> Result<ArcDriverFence<Plain>> {
        let context = if forwarded {
            &self.forwarded
        } else {
            &self.gates
        };
        let fence = FenceContext::new_arc_fence_allocation(context, ())?.new_fence();
        self.others.push(fence.as_fence().into(), GFP_KERNEL)?;
        Ok(fence)
    }

    /// Submits jobs behind a gate, and does with their fences what one does.
    fn submit(&mut self) -> Result<Round> {
        let gate = self.plain(false)?;
        let mut round = Round {
            gate,
            counted: KVec::new(),
            last: KVec::new(),
        };
        // At most one, since it takes time.
        let hangs = self.rng.below(2 * ROUND as usize);
        let mut used = [false; 2 * RINGS];
        for n in 0..ROUND as usize {
            let at = self.rng.below(self.clients.len());
            let mut before = KVec::new();
            // Those of a client run in order.
            if !used[at] || self.rng.one_in(4) {
                before.push(round.gate.as_fence().into(), GFP_KERNEL)?;
            }
            used[at] = true;
            for _ in 0..self.rng.below(3) {
                let kept = &self.clients[self.rng.below(self.clients.len())].kept;
                if !kept.is_empty() {
                    // Of this round or any before.
                    let fence = kept[self.rng.below(kept.len())].clone();
                    before.push(fence, GFP_KERNEL)?;
                }
            }
            let job = match self.rng.below(16) {
                _ if n == hangs => Job::Hang,
                0 => Job::Fault,
                units => Job::Work(units as u32 / 2),
            };
            let keep = !self.rng.one_in(5);
            let Some(fence) = self.clients[at].submit(job, &before, keep)? else {
                continue;
            };
            match self.rng.below(8) {
                0 => fence.enable_signaling(),
                1 => fence.set_deadline(Ktime::from_nanos(0)),
                2 => self.expired += u32::from(fence.wait_timeout(1).is_none()),
                3 => self.pending += u32::from(fence.status().is_none()),
                4 => {
                    let any = wait_any(&[fence, round.gate.as_fence()], 1)?;
                    self.expired += u32::from(any.is_none());
                }
                5 | 6 => {
                    let count = Count(self.callbacks.clone());
                    round.counted.push(register(fence, count)?, GFP_KERNEL)?;
                }
                _ => {}
            }
        }
        for (client, _) in self.clients.iter_mut().zip(used).filter(|(_, used)| *used) {
            let last = client.submit(Job::Work(1), &[], true)?.ok_or(EIO)?;
            round.last.push(Awaited::new(last)?, GFP_KERNEL)?;
        }
        Ok(round)
    }

    /// One fence for all that are last, and one to which the first of these is forwarded.
    fn containers(&mut self, round: &mut Round) -> Result<(Awaited, Registered<Forward<Plain>>)> {
        let mut fences = KVec::new();
        for last in &round.last {
            fences.push(last.1.fence(), GFP_KERNEL)?;
        }
        let array = FenceArray::into_fence(FenceArray::new(&fences)?);
        let first: ARef<Fence> = fences[0].into();
        drop(fences);
        let to = self.plain(true)?;
        let (all, to_fence) = (Awaited::new(&array)?, Awaited::new(to.as_fence())?);
        self.others.push(array, GFP_KERNEL)?;
        let forward = register(&first, Forward::new(&first, to)?)?;
        round.last.push(to_fence, GFP_KERNEL)?;
        Ok((all, forward))
    }

    /// A round of jobs, which are all over when it is.
    fn round(&mut self) -> Result {
        let mut round = self.submit()?;
        let (all, _forward) = self.containers(&mut round)?;
        let first: ARef<Fence> = round.last[0].1.fence().into();
        match self.rng.below(4) {
            0 => round.gate.signal(Ok(())),
            1 => round.gate.signal(Err(EINVAL)),
            2 => {
                self.gpu.suspend();
                round.gate.signal(Ok(()));
                self.expired += u32::from(first.wait_timeout(1).is_none());
                self.gpu.resume();
            }
            _ => {
                let init = pin_init!(Opener {
                    work <- new_delayed_work!("Opener::work"),
                    gate <- new_spinlock!(Some(round.gate), "Opener::gate"),
                    done <- Completion::new(),
                });
                let opener = Arc::pin_init(init, GFP_KERNEL)?;
                let delay = msecs_to_jiffies(PATIENCE);
                let queue = workqueue::system_highpri();
                queue
                    .enqueue_delayed(opener.clone(), delay)
                    .map_err(|_| EIO)?;
                first.wait();
                opener.done.wait_for_completion();
            }
        }
        for last in round.last {
            let fence = last.wait();
            // There is nothing to wait for.
            if fence.wait_timeout(1).is_none() || fence.status().is_none() {
                return Err(EIO);
            }
        }
        all.wait();
        Ok(())
    }

    /// A round that the GPU does not live to see, and a job that comes too late.
    fn removal(&mut self) -> Result {
        let round = self.submit()?;
        self.gpu.remove();
        for last in round.last {
            last.wait();
        }
        round.gate.signal(Ok(()));
        match self.clients[0].submit(Job::Work(1), &[], true) {
            Err(error) if error == ENODEV => Ok(()),
            _ => Err(EIO),
        }
    }

    fn print(&self, seed: u64) {
        for (n, client) in self.clients.iter().enumerate() {
            pr_info!(
                "workload {}, client {}: {} done, {} hung, {} faulted, {} canceled, {} removed, {} forgotten\n",
                seed,
                n,
                client.count(Ok(())),
                client.count(Err(ETIME)),
                client.count(Err(EIO)),
                client.count(Err(ECANCELED)),
                client.count(Err(ENODEV)),
                client.forgotten
            );
        }
        let stats = self.gpu.stats();
        pr_info!(
            "workload {}: {} jobs, {} completed, {} errored, {} resets\n",
            seed,
            stats.jobs,
            stats.completed,
            stats.errored,
            stats.resets
        );
        pr_info!(
            "workload {}: {} callbacks, {} waits expired, {} fences polled while pending\n",
            seed,
            self.callbacks.load(Relaxed),
            self.expired,
            self.pending
        );
    }

    /// Drops all fences in the order of their making, when no other task has one.
    fn end(self) {
        // What signals in an interrupt drops its reference there after our callback was called.
        rcu::synchronize_rcu();
        // Arrays have references to fences of clients.
        drop(self.others);
        drop(self.clients);
    }
}
