// SPDX-License-Identifier: GPL-2.0-only
//! The driver of which Documentation/patterns.rst is made: clients submit jobs in pairs to a ring, a
//! copy and a draw that waits for it, on a timeline each.

use dma_fence::{
    ArcDriverFence, DeadlineOp, Fence, FenceCallback, FenceCallbackRegistration, FenceContext,
    FenceContextOps, Signalling,
};
use kernel::{
    impl_has_hr_timer, impl_has_work, new_mutex, new_spinlock_irq, new_work,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Full, Relaxed},
        Arc, ArcBorrow, Completion, Mutex, SetOnce, SpinLockIrq,
    },
    time::{
        hrtimer::{
            ArcHrTimerHandle, HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer,
            HrTimerRestart, RelativeMode,
        },
        Delta, Monotonic,
    },
    workqueue::{self, Work, WorkItem},
};

/// The number of jobs for which there is room.
const ROOM: usize = 8;

/// The time for which the hardware works on what it was given.
const TICK: Delta = Delta::from_micros(100);

/// A timeline: the last deadline that was set on a fence of it.
pub(crate) struct Ops(pub(crate) Atomic<i64>);

/// What the fence of a job knows of the fence that its job waits for.
pub(crate) struct Data {
    after: SetOnce<ARef<Fence>>,
}

impl FenceContextOps for Ops {
    type FenceDataType = Data;
    const SET_DEADLINE: Option<DeadlineOp<Self>> = Some(|fence, deadline| {
        let timeline = fence.context().data();
        timeline.0.store(deadline.as_nanos(), Relaxed);
        if let Some(after) = fence.after.as_ref() {
            after.set_deadline(deadline);
        }
    });
}

type Timeline = Arc<FenceContext<Ops>>;

type Registration = Pin<KBox<FenceCallbackRegistration<Copied>>>;

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Waiting,
    Running,
    Signalling,
    Over,
}

/// A job.
struct Job {
    phase: Phase,
    /// Taken out to be signalled.
    fence: Option<ArcDriverFence<Ops>>,
    /// Keeps the timeline while that is signalled in a context that does not sleep.
    _timeline: Timeline,
    after: Option<Registration>,
}

struct State {
    removed: bool,
    /// Copies whose draws have not started.
    copied: u32,
    jobs: KVec<Job>,
}

/// The work items that are queued or run.
#[pin_data]
struct Works {
    /// How many there are; and one more until the removal, so that it falls to 0 once.
    count: Atomic<i32>,
    #[pin]
    none: Completion,
}

impl Works {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            count: Atomic::new(1),
            none <- Completion::new(),
        })
    }

    fn end(&self) {
        // Full: what all of them did comes before what the removal does next.
        if self.count.fetch_sub(1, Full) == 1 {
            self.none.complete_all();
        }
    }
}

/// A draw's copy is done.
struct Copied(Arc<Ring>);

impl FenceCallback for Copied {
    fn on_signal(&mut self) {
        self.0.state.lock().copied += 1;
        Ring::kick(&self.0);
    }
}

/// A client, which may go while its jobs run.
pub(crate) struct Client {
    ring: Arc<Ring>,
    pub(crate) copies: Timeline,
    draws: Timeline,
}

#[pin_data]
pub(crate) struct Ring {
    /// One submission at a time: jobs are in the order of their fences, and room stays room.
    #[pin]
    submission: Mutex<()>,
    /// Taken in callbacks, under the lock of any fence: so no fence is touched under this.
    #[pin]
    state: SpinLockIrq<State>,
    works: Arc<Works>,
    #[pin]
    work: Work<Self>,
    #[pin]
    timer: HrTimer<Self>,
    /// The hardware, which is a timer; without it there are no more interrupts.
    #[pin]
    hardware: Mutex<Option<ArcHrTimerHandle<Self>>>,
}

impl_has_work! {
    impl HasWork<Self> for Ring { self.work }
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Ring { mode: RelativeMode<Monotonic>, field: self.timer }
}

impl HrTimerCallback for Ring {
    type Pointer<'a> = Arc<Self>;

    fn run(
        this: ArcBorrow<'_, Self>,
        mut context: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart {
        Ring::interrupt(&this.into());
        context.forward_now(TICK);
        HrTimerRestart::Restart
    }
}

impl WorkItem for Ring {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.start_ready();
        this.reap();
        Ring::end_work(this);
    }
}

impl State {
    /// Starts the next job that can; returns what it has waited with.
    fn start_next(&mut self) -> Option<Option<Registration>> {
        let copied = self.copied > 0;
        let can = |job: &&mut Job| job.phase == Phase::Waiting && (job.after.is_none() || copied);
        let job = self.jobs.iter_mut().find(can)?;
        job.phase = Phase::Running;
        self.copied -= u32::from(job.after.is_some());
        Some(job.after.take())
    }

    /// Takes the fence of the next job that the hardware is done with.
    fn take_done(&mut self) -> Option<ArcDriverFence<Ops>> {
        let job = self
            .jobs
            .iter_mut()
            .find(|job| job.phase == Phase::Running)?;
        job.phase = Phase::Signalling;
        job.fence.take()
    }

    /// The fence that was taken has signalled.
    fn signalled(&mut self) {
        for job in &mut self.jobs {
            if job.phase == Phase::Signalling {
                job.phase = Phase::Over;
            }
        }
    }

    /// Takes the first job that `may` go.
    fn take(&mut self, may: impl Fn(&Job) -> bool) -> Option<Job> {
        let at = self.jobs.iter().position(may)?;
        self.jobs.remove(at).ok()
    }

    fn queue(
        &mut self,
        fence: ArcDriverFence<Ops>,
        timeline: &Timeline,
        after: Option<Registration>,
    ) {
        let job = Job {
            phase: Phase::Waiting,
            fence: Some(fence),
            after,
            _timeline: timeline.clone(),
        };
        // Cannot fail: there is room.
        let _ = self.jobs.push_within_capacity(job);
    }
}

impl Client {
    pub(crate) fn new(ring: &Arc<Ring>) -> Result<Self> {
        let timeline = |name| {
            let context = FenceContext::new(1, c"patterns", name, Ops(Atomic::new(0)));
            Arc::pin_init(context, GFP_KERNEL)
        };
        Ok(Self {
            ring: ring.clone(),
            copies: timeline(c"copies")?,
            draws: timeline(c"draws")?,
        })
    }

    /// Submits a copy and the draw that waits for it; returns their fences. May sleep.
    pub(crate) fn submit(&self) -> Result<[ARef<Fence>; 2]> {
        let (ring, after) = (&self.ring, SetOnce::new);
        let copy = FenceContext::new_arc_fence_allocation(&self.copies, Data { after: after() })?;
        let draw = FenceContext::new_arc_fence_allocation(&self.draws, Data { after: after() })?;
        let memory = KBox::<FenceCallbackRegistration<Copied>>::new_uninit(GFP_KERNEL)?;
        let _submission = ring.submission.lock();
        ring.room_for_two()?;

        // The point of no return.
        let _signalling = Signalling::begin();
        let (copy, draw) = (copy.new_fence(), draw.new_fence());
        draw.after.populate(copy.as_fence().into());
        let copied = FenceCallbackRegistration::new(copy.as_fence(), Copied(ring.clone()));
        // Cannot fail: no other task has the fence yet, so it has not signalled.
        let after = memory.write_pin_init(copied).ok();
        let fences = [copy.as_fence().into(), draw.as_fence().into()];
        let mut state = ring.state.lock();
        state.queue(copy, &self.copies, None);
        state.queue(draw, &self.draws, after);
        drop(state);
        Ring::kick(ring);
        Ok(fences)
    }
}

impl Ring {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let state = State {
            removed: false,
            copied: 0,
            jobs: KVec::with_capacity(ROOM, GFP_KERNEL)?,
        };
        let ring = Arc::pin_init(
            try_pin_init!(Self {
                submission <- new_mutex!((), "Ring::submission"),
                state <- new_spinlock_irq!(state, "Ring::state"),
                works: Arc::pin_init(Works::new(), GFP_KERNEL)?,
                work <- new_work!("Ring::work"),
                timer <- HrTimer::new(),
                hardware <- new_mutex!(None, "Ring::hardware"),
            }),
            GFP_KERNEL,
        )?;
        *ring.hardware.lock() = Some(ring.clone().start(TICK));
        Ok(ring)
    }

    fn room_for_two(&self) -> Result {
        let state = self.state.lock();
        if state.removed {
            return Err(ENODEV);
        }
        if state.jobs.len() + 2 > state.jobs.capacity() {
            return Err(EBUSY);
        }
        Ok(())
    }

    /// There may be something to do. From any context.
    fn kick(this: &Arc<Self>) {
        let state = this.state.lock();
        if state.removed {
            return;
        }
        // Before it is queued, since it may end at once.
        this.works.count.fetch_add(1, Full);
        if workqueue::system_highpri().enqueue(this.clone()).is_err() {
            this.works.end();
        }
    }

    /// The last thing that a work item does.
    fn end_work(this: Arc<Self>) {
        let works = this.works.clone();
        drop(this);
        works.end();
    }

    /// Starts the jobs that wait for nothing any more.
    fn start_ready(&self) {
        let _signalling = Signalling::begin();
        loop {
            let Some(after) = self.state.lock().start_next() else {
                break;
            };
            // The lock is free: this takes the lock of the fence.
            drop(after);
        }
    }

    /// The hardware is done with what it was given. In hardirq context.
    fn interrupt(this: &Arc<Self>) {
        let _signalling = Signalling::begin();
        loop {
            let Some(fence) = this.state.lock().take_done() else {
                break;
            };
            // Not the last user of the timeline: that is the job.
            fence.signal(Ok(()));
            this.state.lock().signalled();
        }
        Ring::kick(this);
    }

    /// Frees the jobs that are over, and with the last one its timeline. May sleep.
    fn reap(&self) {
        loop {
            let Some(job) = self.state.lock().take(|job| job.phase == Phase::Over) else {
                break;
            };
            drop(job);
        }
    }

    /// The hardware is gone: ends what is left with ENODEV. May sleep.
    pub(crate) fn remove(&self) {
        // Nothing new: no submission, no work item.
        let submission = self.submission.lock();
        let mut state = self.state.lock();
        let first = !core::mem::replace(&mut state.removed, true);
        drop(state);
        drop(submission);
        // No interrupt: waits until the handler has returned.
        let hardware = self.hardware.lock().take();
        drop(hardware);
        // No work item.
        if first {
            self.works.end();
        }
        self.works.none.wait_for_completion();
        // No fence: in the order of the jobs, and without the lock.
        loop {
            let Some(job) = self.state.lock().take(|_| true) else {
                break;
            };
            if let Some(fence) = job.fence {
                fence.signal(Err(ENODEV));
            }
        }
        // The names go with the timelines, a grace period later.
    }
}
