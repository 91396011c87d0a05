// SPDX-License-Identifier: GPL-2.0-only

//! A driver with work queues and condition variables, without unsafe code.

#![forbid(unsafe_code)]

use kernel::{
    new_condvar, new_delayed_work, new_mutex, new_spinlock_irq, new_work,
    prelude::*,
    sync::{Arc, CondVar, CondVarTimeoutResult, LockedBy, Mutex, SpinLockIrq},
    testing::{expect_bug, vcpu},
    time::{delay::fsleep, Delta, Instant, Jiffies, Monotonic},
    workqueue::{
        self, impl_has_delayed_work, impl_has_work, DelayedWork, OwnedQueue, Work, WorkItem,
        WqFlags,
    },
};

/// A device that finishes the jobs that it is given, one after the other.
#[pin_data]
struct Device {
    #[pin]
    queue: SpinLockIrq<KVec<u32>>,
    #[pin]
    finished: Mutex<KVec<u32>>,
    #[pin]
    changed: CondVar,
    #[pin]
    work: Work<Device>,
    #[pin]
    watchdog: DelayedWork<Device, 1>,
    #[pin]
    barks: Mutex<u32>,
}

impl_has_work! {
    impl HasWork<Self> for Device { self.work }
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self, 1> for Device { self.watchdog }
}

impl Device {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Device {
                queue <- new_spinlock_irq!(KVec::new()),
                finished <- new_mutex!(KVec::new()),
                changed <- new_condvar!("Device::changed"),
                work <- new_work!("Device::work"),
                watchdog <- new_delayed_work!("Device::watchdog"),
                barks <- new_mutex!(0),
            }),
            GFP_KERNEL,
        )
    }

    /// In any context; false if the device works already.
    fn submit(this: &Arc<Self>, job: u32) -> Result<bool> {
        let mut queue = this.queue.lock();
        queue.push(job, GFP_ATOMIC)?;
        // Under the lock on purpose, as a fence's callback would.
        Ok(workqueue::system_highpri()
            .enqueue::<_, 0>(this.clone())
            .is_ok())
    }

    fn wait_for(&self, jobs: usize) {
        let mut finished = self.finished.lock();
        while finished.len() < jobs {
            self.changed.wait(&mut finished);
        }
    }
}

impl WorkItem for Device {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let mut queue = this.queue.lock();
        if queue.is_empty() {
            return;
        }
        let job = queue.remove(0);
        drop(queue);
        fsleep(Delta::from_millis(1));
        if let Ok(job) = job {
            let _ = this.finished.lock().push(job, GFP_KERNEL);
        }
        this.changed.notify_all();
        // It may be queued while it runs, by itself too.
        let _ = workqueue::system_highpri().enqueue::<_, 0>(this);
    }
}

impl WorkItem<1> for Device {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        *this.barks.lock() += 1;
        this.changed.notify_all();
    }
}

/// Runs `body` on this thread as it is, and on a virtual CPU.
fn both(body: impl Fn() -> Result + Copy + Send + 'static) -> Result {
    body()?;
    vcpu::fifo(body).map_err(|_| EDEADLK)?
}

#[test]
fn a_device_finishes_its_jobs_in_order() -> Result {
    both(|| {
        let device = Device::new()?;
        for job in 0..10 {
            Device::submit(&device, job)?;
        }
        device.wait_for(10);
        assert_eq!(**device.finished.lock(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        Ok(())
    })
}

#[test]
fn what_is_queued_already_comes_back() -> Result {
    let done = vcpu::fifo(|| {
        let device = Device::new()?;
        assert!(Device::submit(&device, 1)?);
        // Nothing has run yet.
        assert!(!Device::submit(&device, 2)?);
        vcpu::settle();
        device.wait_for(2);
        Ok(())
    });
    done.map_err(|_| EDEADLK)?
}

#[test]
fn delayed_work_waits_for_virtual_time() -> Result {
    let done = vcpu::fifo(|| {
        let device = Device::new()?;
        let start = Instant::<Monotonic>::now();
        let hour: Jiffies = 3600 * 250;
        let queue = workqueue::system();
        assert!(queue.enqueue_delayed::<_, 1>(device.clone(), hour).is_ok());
        assert!(queue.enqueue_delayed::<_, 1>(device.clone(), 1).is_err());
        assert!(queue.enqueue::<_, 1>(device.clone()).is_err());
        let mut barks = device.barks.lock();
        while *barks == 0 {
            device.changed.wait(&mut barks);
        }
        assert_eq!(start.elapsed(), Delta::from_secs(3600));
        Ok(())
    });
    done.map_err(|_| EDEADLK)?
}

#[test]
fn waiting_ends_with_the_time() -> Result {
    both(|| {
        let device = Device::new()?;
        let mut barks = device.barks.lock();
        let ended = device.changed.wait_interruptible_timeout(&mut barks, 2);
        // A task may also be woken for nothing, but here none is.
        assert!(matches!(ended, CondVarTimeoutResult::Timeout));
        assert!(device.barks.try_lock().is_none(), "the lock is ours again");
        Ok(())
    })
}

#[test]
fn a_notification_wakes_one_and_all() -> Result {
    let done = vcpu::fifo(|| {
        let device = Device::new()?;
        let start = |name| {
            let device = device.clone();
            workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
                let mut barks = device.barks.lock();
                device.changed.wait(&mut barks);
                let _ = device.finished.lock().push(name, GFP_KERNEL);
            })
        };
        for name in 0..5 {
            start(name)?;
        }
        vcpu::settle();
        device.changed.notify_one();
        vcpu::settle();
        assert_eq!(**device.finished.lock(), [0]);
        device.changed.notify_sync();
        vcpu::settle();
        assert_eq!(**device.finished.lock(), [0, 1]);
        device.changed.notify_all();
        vcpu::settle();
        assert_eq!(**device.finished.lock(), [0, 1, 2, 3, 4]);
        // A notification without a waiter is lost.
        device.changed.notify_all();
        start(5)?;
        vcpu::settle();
        assert_eq!(device.finished.lock().len(), 5);
        device.changed.notify_one();
        Ok(())
    });
    done.map_err(|_| EDEADLK)?
}

#[test]
fn closures_run_and_go() -> Result {
    let value = Arc::new(1, GFP_KERNEL)?;
    let own = value.clone();
    let done =
        vcpu::fifo(|| workqueue::system_bh().try_spawn(GFP_ATOMIC, move || assert_eq!(*own, 1)));
    assert!(matches!(done, Ok(Ok(()))));
    assert!(Arc::into_unique_or_drop(value).is_some());
    Ok(())
}

#[test]
fn another_lock_does_not_open_what_is_under_this_one() {
    let end = vcpu::fifo(|| {
        let first = KBox::pin_init(new_mutex!(1), GFP_KERNEL).unwrap();
        let second = KBox::pin_init(new_mutex!(1), GFP_KERNEL).unwrap();
        let data = LockedBy::new(&first, 7);
        data.access(&*second.lock());
    });
    assert!(matches!(end, Err(vcpu::Stuck::Bug(said)) if said.contains("mismatched owners")));
}

#[test]
fn a_queue_of_its_own_is_empty_when_it_goes() -> Result {
    vcpu::fifo(|| {
        let log = Arc::pin_init(new_mutex!(KVec::new()), GFP_KERNEL)?;
        let queue = OwnedQueue::new_fmt(fmt!("own-{}", 1), WqFlags::UNBOUND, 1)?;
        for n in 0..3 {
            let log = log.clone();
            queue.try_spawn(GFP_KERNEL, move || {
                fsleep(Delta::from_millis(10));
                let _ = log.lock().push(n, GFP_KERNEL);
            })?;
        }
        drop(queue);
        // One at a time, so in order.
        assert_eq!(*log.lock(), [0, 1, 2]);
        Ok(())
    })
    .map_err(|_| EDEADLK)?
}

#[test]
fn a_queue_of_bottom_halves_takes_no_limit_and_few_flags() -> Result {
    let make = |flags, limit| OwnedQueue::new(c"bh", flags, limit);
    assert!(make(WqFlags::BH | WqFlags::HIGHPRI, 0).is_ok());
    expect_bug("WARNING", || {
        assert!(make(WqFlags::BH, 1).is_err());
        assert!(make(WqFlags::BH | WqFlags::UNBOUND, 0).is_err());
    });
    Ok(())
}
