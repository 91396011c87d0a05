// SPDX-License-Identifier: GPL-2.0-only
//! Clients of the decoder, with a timeline on each queue.

use super::{
    driver::{Job, Queue, Registers},
    Bug,
};
use dma_fence::{
    testing::Registered, ArcDriverFence, CallbackError, Fence, FenceCallback,
    FenceCallbackRegistration, FenceContext, FenceContextOps, PollOp, Progress, ProgressOp,
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Acquire, Atomic, Release},
        Arc,
    },
    time::{delay::fsleep, msecs_to_jiffies, Delta},
};

/// A timeline is on a queue, with these registers.
pub(super) struct Ops(Arc<Registers>);

/// What is in a fence: the number that the hardware knows its job by, 0 before it is started.
pub(super) struct Data {
    pub(super) number: Atomic<u64>,
    _timeline: Option<Arc<FenceContext<Ops>>>,
}

impl FenceContextOps for Ops {
    type FenceDataType = Data;

    const SIGNALED: Option<PollOp<Self>> = Some(|fence| {
        let number = fence.number.load(Acquire);
        let done = fence.context().data().0.done.load(Acquire);
        (number != 0 && done >= number).then_some(Ok(()))
    });

    const PROGRESS: Option<ProgressOp<Self>> = Some(|fence| {
        let number = fence.number.load(Acquire);
        let done = fence.context().data().0.done.load(Acquire);
        (number != 0).then_some(Progress::of_64_bits(done, number))
    });
}

/// The callback on a fence that a job waits for.
pub(super) struct InFence {
    queue: Arc<Queue>,
    ready: Arc<Atomic<bool>>,
    next: Option<ArcDriverFence<Ops>>,
}

impl FenceCallback for InFence {
    fn on_signal(&mut self) {
        self.ready.store(true, Release);
        Queue::kick(&self.queue);
        if let Some(next) = self.next.take() {
            next.signal(Ok(())); // BUG: signal_in_a_callback
        }
    }
}

/// A callback that asks its own fence.
pub(super) struct Ask(ARef<Fence>);

impl FenceCallback for Ask {
    fn on_signal(&mut self) {
        let _ = self.0.status(); // BUG: status_in_a_callback
    }
}

/// A client: its timelines on the queues.
pub(super) struct Client {
    queues: [Arc<Queue>; 2],
    timelines: [Arc<FenceContext<Ops>>; 2],
    bug: Bug,
}

impl Client {
    pub(super) fn open(bug: Bug, queues: &[Arc<Queue>; 2]) -> Result<Self> {
        let [parser, reconstructor] = queues;
        let timeline = |queue: &Arc<Queue>, name| {
            let ops = Ops(queue.registers.clone());
            Arc::pin_init(FenceContext::new(1, c"decoder", name, ops), GFP_KERNEL)
        };
        Ok(Self {
            queues: queues.clone(),
            timelines: [
                timeline(parser, c"parse")?,
                timeline(reconstructor, c"picture")?,
            ],
            bug,
        })
    }

    /// Has a picture decoded; returns the fence that signals when it is there. May sleep.
    pub(super) fn decode(&self) -> Result<ARef<Fence>> {
        let parsed = self.submit(0, None)?;
        let picture = self.submit(1, Some(&parsed))?;
        if self.bug == Bug::reference_left {
            core::mem::forget(parsed.clone()); // BUG: reference_left
        }
        Ok(picture)
    }

    fn submit(&self, queue: usize, after: Option<&Fence>) -> Result<ARef<Fence>> {
        let (queue, timeline) = (&self.queues[queue], &self.timelines[queue]);
        let keeps = self.bug == Bug::data_that_owns_its_timeline;
        let data = Data {
            number: Atomic::new(0),
            _timeline: keeps.then(|| timeline.clone()),
        };
        let allocation = FenceContext::new_arc_fence_allocation(timeline, data)?;
        let ready = Arc::new(Atomic::new(after.is_none()), GFP_KERNEL)?;
        let in_fence = after
            .map(|after| self.register(queue, after, &ready))
            .transpose()?
            .flatten();
        let mut jobs = queue.jobs.lock(); // BUG: two_orders_of_queue_locks
        if self.bug == Bug::two_orders_of_queue_locks && after.is_some() {
            let _parsed = self.queues[0].jobs.lock(); // BUG: two_orders_of_queue_locks
        }
        if self.bug == Bug::allocation_under_a_spinlock {
            drop(KBox::new(0, GFP_KERNEL)?); // BUG: allocation_under_a_spinlock
        }
        if jobs.gone || jobs.all.len() == jobs.all.capacity() {
            return Err(if jobs.gone { ENODEV } else { EBUSY });
        }
        // The point of no return.
        let fence = allocation.new_fence(); // BUG: job_dropped, job_forgotten, interrupt_after_the_end
        let shared = fence.as_fence().into();
        let closed = self.bug == Bug::timeline_dropped_in_the_handler;
        let job = Job {
            fence: Some(fence),
            _timeline: (!closed).then(|| timeline.clone()),
            number: 0,
            over: false,
            ready,
            in_fence,
        };
        jobs.all.push_within_capacity(job)?;
        drop(jobs);
        Queue::kick(queue);
        Ok(shared)
    }

    /// Sees to it that a queue is told when `after` has signalled.
    fn register(
        &self,
        queue: &Arc<Queue>,
        after: &Fence,
        ready: &Arc<Atomic<bool>>,
    ) -> Result<Option<Registered<InFence>>> {
        let next = match self.bug {
            Bug::signal_in_a_callback => {
                let data = Data {
                    number: Atomic::new(u64::MAX),
                    _timeline: None,
                };
                let next = FenceContext::new_arc_fence_allocation(&self.timelines[1], data)?;
                Some(next.new_fence())
            }
            _ => None,
        };
        let callback = InFence {
            queue: queue.clone(),
            ready: ready.clone(),
            next,
        };
        match KBox::try_pin_init(FenceCallbackRegistration::new(after, callback), GFP_KERNEL) {
            Ok(registration) => Ok(Some(registration)),
            Err(CallbackError::AlreadySignaled(mut callback)) => {
                callback.on_signal();
                Ok(None)
            }
            Err(CallbackError::Other(error)) => Err(error),
        }
    }

    /// Waits for a picture.
    pub(super) fn wait(&self, picture: &ARef<Fence>) -> Result {
        let queue = &self.queues[1];
        match self.bug {
            Bug::wait_under_a_spinlock => {
                let _pictures = queue.pictures.lock();
                picture.wait(); // BUG: wait_under_a_spinlock
            }
            Bug::mutex_under_a_spinlock => {
                let _pictures = queue.pictures.lock();
                queue.firmware.lock().told += 1; // BUG: mutex_under_a_spinlock
            }
            Bug::wait_under_a_mutex => {
                let _firmware = queue.firmware.lock(); // BUG: wait_under_a_mutex
                picture.wait(); // BUG: wait_under_a_mutex
            }
            Bug::wait_with_a_timeout_under_a_mutex => {
                let _firmware = queue.firmware.lock(); // BUG: wait_with_a_timeout_under_a_mutex
                let _ = picture.wait_timeout(msecs_to_jiffies(10)); // BUG: wait_with_a_timeout_under_a_mutex
            }
            Bug::mutex_twice => {
                let mut firmware = queue.firmware.lock(); // BUG: mutex_twice
                firmware.told += queue.firmware.lock().told; // BUG: mutex_twice
            }
            Bug::spinlock_twice => {
                let mut pictures = queue.pictures.lock(); // BUG: spinlock_twice
                *pictures += *queue.pictures.lock(); // BUG: spinlock_twice
            }
            Bug::status_in_a_callback => {
                let ask = FenceCallbackRegistration::new(picture, Ask(picture.clone()));
                let _asked = KBox::try_pin_init(ask, GFP_KERNEL)?;
                while picture.status().is_none() {
                    fsleep(Delta::from_micros(50)); // BUG: status_in_a_callback
                }
            }
            _ => {}
        }
        picture.wait();
        Ok(())
    }

    /// How many jobs are queued.
    pub(super) fn queued(&self) -> usize {
        let [parser, reconstructor] = &self.queues;
        if self.bug == Bug::two_orders_of_queue_locks {
            let parsed = parser.jobs.lock();
            return parsed.all.len() + reconstructor.jobs.lock().all.len();
        }
        let parsed = parser.jobs.lock().all.len();
        parsed + reconstructor.jobs.lock().all.len()
    }
}
