// SPDX-License-Identifier: GPL-2.0-only
//! A video decoder: one queue parses the streams of its clients, another reconstructs the pictures.
//!
//! It makes the mistake that it is told to make, and none if that is [`Bug::none`].

use super::{
    client::{InFence, Ops},
    Bug,
};
use dma_fence::{testing::Registered, ArcDriverFence, Fence, FenceContext, Signalling};
use kernel::{
    impl_has_hr_timer, impl_has_work, new_condvar, new_mutex, new_spinlock, new_spinlock_irq,
    new_work,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Acquire, Atomic, Relaxed, Release},
        Arc, ArcBorrow, Completion, CondVar, Mutex, SpinLock, SpinLockIrq,
    },
    time::{hrtimer::*, Delta, Monotonic},
    workqueue::{self, Work, WorkItem},
};

/// The time that the hardware takes for a job.
const JOB: Delta = Delta::from_micros(100);

/// Jobs that it does at the same time.
const AT_ONCE: u64 = 2;

/// Jobs that a queue has room for.
const ROOM: usize = 16;

/// The hardware of a queue: the numbers of the last job that was started, and of the last done.
pub(super) struct Registers {
    pub(super) started: Atomic<u64>,
    pub(super) done: Atomic<u64>,
}

/// A job in a queue.
pub(super) struct Job {
    /// Taken out to be signalled.
    pub(super) fence: Option<ArcDriverFence<Ops>>,
    /// Keeps the timeline while its fence is signalled in the interrupt handler.
    pub(super) _timeline: Option<Arc<FenceContext<Ops>>>,
    /// The number that the hardware knows it by; 0 before it is started.
    pub(super) number: u64,
    /// Its fence has signalled.
    pub(super) over: bool,
    /// The fence that it waits for has signalled.
    pub(super) ready: Arc<Atomic<bool>>,
    pub(super) in_fence: Option<Registered<InFence>>,
}

pub(super) struct Jobs {
    pub(super) all: KVec<Job>,
    /// Work items that are queued or run.
    works: u32,
    pub(super) gone: bool,
}

/// What is told to the hardware, and its clock.
pub(super) struct Firmware {
    pub(super) told: u32,
    /// Dropping it waits until a tick that runs is over.
    clock: Option<ArcHrTimerHandle<Queue>>,
}

#[pin_data]
pub(super) struct Queue {
    pub(super) bug: Bug,
    pub(super) registers: Arc<Registers>,
    #[pin]
    pub(super) jobs: SpinLockIrq<Jobs>,
    #[pin]
    pub(super) pictures: SpinLockIrq<u32>,
    #[pin]
    pub(super) plain: SpinLock<u32>,
    #[pin]
    pub(super) firmware: Mutex<Firmware>,
    /// Told when jobs are over.
    #[pin]
    progress: CondVar,
    /// Completed when the hardware is gone and no work item is left.
    #[pin]
    quiet: Completion,
    #[pin]
    timer: HrTimer<Self>,
    #[pin]
    work: Work<Self>,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Queue { mode: RelativeMode<Monotonic>, field: self.timer }
}

impl_has_work! {
    impl HasWork<Self> for Queue { self.work }
}

impl HrTimerCallback for Queue {
    type Pointer<'a> = Arc<Self>;

    /// The hardware has done a job, and raises an interrupt.
    fn run(
        this: ArcBorrow<'_, Self>,
        mut context: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart {
        let Registers { started, done } = &*this.registers;
        let up_to = started.load(Relaxed).min(done.load(Relaxed) + AT_ONCE);
        done.store(up_to, Release);
        let this = Arc::from(this);
        Queue::interrupt(&this);
        if done.load(Relaxed) == started.load(Relaxed) {
            return HrTimerRestart::NoRestart;
        }
        context.forward_now(JOB);
        HrTimerRestart::Restart
    }
}

impl WorkItem for Queue {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let mut firmware = this.firmware.lock(); // BUG: wait_with_a_timeout_under_a_mutex
        firmware.told += 1;
        let any = this.feed();
        if any {
            // Before the new start: dropping the old handle cancels the timer, which is the same one.
            drop(firmware.clock.take());
            firmware.clock = Some(this.clone().start(JOB));
        }
        drop(firmware);
        this.reap();
        let mut jobs = this.jobs.lock();
        jobs.works -= 1;
        let last = jobs.works == 0 && jobs.gone;
        drop(jobs);
        if last && this.bug != Bug::removal_that_is_not_woken {
            this.quiet.complete_all();
        }
    }
}

impl Queue {
    pub(super) fn new(bug: Bug) -> Result<Arc<Self>> {
        let registers = Registers {
            started: Atomic::new(0),
            done: Atomic::new(0),
        };
        let jobs = Jobs {
            all: KVec::with_capacity(ROOM, GFP_KERNEL)?,
            works: 0,
            gone: false,
        };
        let queue = try_pin_init!(Self {
            bug,
            registers: Arc::new(registers, GFP_KERNEL)?,
            jobs <- new_spinlock_irq!(jobs, "Queue::jobs"),
            pictures <- new_spinlock_irq!(0, "Queue::pictures"),
            plain <- new_spinlock!(0, "Queue::plain"),
            firmware <- new_mutex!(Firmware { told: 0, clock: None }, "Queue::firmware"),
            progress <- new_condvar!("Queue::progress"),
            quiet <- Completion::new(),
            timer <- HrTimer::new(),
            work <- new_work!("Queue::work"),
        });
        Arc::pin_init(queue, GFP_KERNEL) // BUG: interrupt_after_the_end, work_after_the_end
    }

    /// Looks what is to be started and what to be freed, in a while. From any context.
    pub(super) fn kick(this: &Arc<Self>) {
        let mut jobs = this.jobs.lock(); // BUG: poll_under_a_lock, registration_dropped_under_a_lock
        if !jobs.gone && workqueue::system().enqueue(this.clone()).is_ok() {
            jobs.works += 1;
        }
    }

    /// Gives the hardware all jobs that are ready; true if there are any.
    fn feed(&self) -> bool {
        let signalling = Signalling::begin(); // BUG: allocation_while_signalling, wait_while_signalling, flush_while_signalling, wait_with_a_timeout_under_a_mutex
        let mut any = false;
        let mut waited: Option<ARef<Fence>> = None;
        let mut jobs = self.jobs.lock(); // BUG: poll_under_a_lock
        for job in jobs.all.iter_mut() {
            let Some(fence) = job.fence.as_ref().filter(|_| job.number == 0) else {
                continue;
            };
            if matches!(
                self.bug,
                Bug::wait_in_the_worker | Bug::wait_while_signalling
            ) {
                waited = Some(fence.as_fence().into());
            }
            let ready = match (self.bug, &job.in_fence) {
                // A poll may signal: its callback takes this lock.
                (Bug::poll_under_a_lock, Some(after)) => after.fence().is_signaled(), // BUG: poll_under_a_lock
                _ => job.ready.load(Acquire),
            };
            if ready {
                job.number = self.registers.started.load(Relaxed) + 1;
                fence.number.store(job.number, Release);
                self.registers.started.store(job.number, Release);
                any = true;
            }
        }
        drop(jobs);
        match self.bug {
            Bug::allocation_while_signalling => drop(KBox::new(0, GFP_KERNEL)), // BUG: allocation_while_signalling
            Bug::flush_while_signalling => self.flush(),
            Bug::wait_while_signalling => {
                let _ = waited.take().map(|fence| fence.wait_timeout(1)); // BUG: wait_while_signalling
            }
            _ => {}
        }
        drop(signalling);
        if let Some(fence) = waited {
            fence.wait(); // BUG: wait_in_the_worker
        }
        any
    }

    /// In hardirq context.
    fn interrupt(this: &Arc<Self>) {
        let done = this.registers.done.load(Acquire);
        this.signal(Ok(()), |job| (1..=done).contains(&job.number));
        if this.bug != Bug::flush_that_is_not_woken {
            this.progress.notify_all();
        }
        Queue::kick(this);
    }

    /// Signals the fences of the jobs for which `f` says so. From any context.
    fn signal(&self, result: Result, f: impl Fn(&Job) -> bool) {
        while let Some((number, fence)) = self.take_fence(&f) {
            match self.bug {
                Bug::job_dropped => drop(fence),                // BUG: job_dropped
                Bug::job_forgotten => core::mem::forget(fence), // BUG: job_forgotten
                _ => fence.signal(result), // BUG: timeline_dropped_in_the_handler, last_first, data_that_owns_its_timeline, poll_under_a_lock, registration_dropped_under_a_lock
            }
            self.count();
            let mut jobs = self.jobs.lock();
            let signalled = |job: &&mut Job| job.number == number && job.fence.is_none();
            jobs.all
                .iter_mut()
                .filter(signalled)
                .for_each(|job| job.over = true);
        }
    }

    /// One more picture is there.
    fn count(&self) {
        match self.bug {
            Bug::spinlock_that_interrupts_take => *self.plain.lock() += 1, // BUG: spinlock_that_interrupts_take
            _ => *self.pictures.lock() += 1,
        }
    }

    /// Takes the oldest fence that is not signalled, of the jobs for which `f` says so.
    fn take_fence(&self, f: impl Fn(&Job) -> bool) -> Option<(u64, ArcDriverFence<Ops>)> {
        let mut jobs = self.jobs.lock(); // BUG: timer_cancelled_under_its_lock
        let mut pending = jobs
            .all
            .iter_mut()
            .filter(|job| job.fence.is_some() && f(job));
        let job = match self.bug {
            Bug::last_first => pending.next_back()?,
            _ => pending.next()?,
        };
        Some((job.number, job.fence.take()?))
    }

    /// Frees the jobs that are over. May sleep.
    fn reap(&self) {
        loop {
            let mut jobs = self.jobs.lock(); // BUG: registration_dropped_under_a_lock
            let over = jobs.all.iter().position(|job| job.over);
            let Some(mut job) = over.and_then(|over| jobs.all.remove(over).ok()) else {
                break;
            };
            if self.bug == Bug::registration_dropped_under_a_lock {
                drop(job.in_fence.take()); // BUG: registration_dropped_under_a_lock
            }
            drop(jobs);
            // Not under the lock: its registration takes that of a fence, whose callback takes it.
            drop(job);
        }
    }

    /// Waits until all jobs are over.
    pub(super) fn flush(&self) {
        let mut jobs = self.jobs.lock();
        while jobs.all.iter().any(|job| !job.over) {
            self.progress.wait(&mut jobs); // BUG: flush_that_is_not_woken, flush_while_signalling
        }
    }

    /// The hardware is gone: so are the jobs. May sleep.
    pub(super) fn remove(&self) {
        let mut jobs = self.jobs.lock();
        jobs.gone = true;
        let works = jobs.works > 0;
        drop(jobs);
        if works && self.bug != Bug::work_after_the_end {
            self.quiet.wait_for_completion(); // BUG: removal_that_is_not_woken
        }
        if self.bug != Bug::interrupt_after_the_end {
            let clock = self.firmware.lock().clock.take();
            let cancels = self.bug == Bug::timer_cancelled_under_its_lock;
            let jobs = cancels.then(|| self.jobs.lock()); // BUG: timer_cancelled_under_its_lock
            drop(clock); // BUG: timer_cancelled_under_its_lock
            drop(jobs);
        }
        self.signal(Err(ENODEV), |_| true);
        self.reap();
    }
}
