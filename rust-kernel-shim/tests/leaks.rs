// SPDX-License-Identifier: GPL-2.0-only

//! A thousand machines with timers, and with work, none of which leaves memory behind; alone in
//! its process, because it counts blocks.

#![forbid(unsafe_code)]

use kernel::{
    impl_has_hr_timer, new_condvar, new_mutex, new_work,
    prelude::*,
    sync::{Arc, ArcBorrow, Completion, CondVar, Mutex},
    testing::{memory, vcpu},
    time::{hrtimer::*, Delta, Monotonic},
    workqueue::{self, impl_has_work, Work, WorkItem},
};

#[pin_data]
struct Alarm {
    #[pin]
    timer: HrTimer<Self>,
    #[pin]
    rung: Completion,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Alarm { mode: RelativeMode<Monotonic>, field: self.timer }
}

impl HrTimerCallback for Alarm {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        this.rung.complete_all();
        HrTimerRestart::NoRestart
    }
}

fn alarm() -> Result<Arc<Alarm>> {
    let init = pin_init!(Alarm { timer <- HrTimer::new(), rung <- Completion::new() });
    Arc::pin_init(init, GFP_KERNEL)
}

fn ring() -> Result {
    let alarms = [alarm()?, alarm()?];
    let _handles = alarms.clone().map(|a| a.start(Delta::from_nanos(1)));
    // This one is cancelled.
    let _never = alarm()?.start(Delta::from_secs(1));
    alarms.iter().for_each(|a| a.rung.wait_for_completion());
    Ok(())
}

#[pin_data]
struct Counter {
    #[pin]
    count: Mutex<u32>,
    #[pin]
    changed: CondVar,
    #[pin]
    work: Work<Counter>,
}

impl_has_work! {
    impl HasWork<Self> for Counter { self.work }
}

impl WorkItem for Counter {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        *this.count.lock() += 1;
        this.changed.notify_one();
    }
}

fn count() -> Result {
    let counter = Arc::pin_init(
        pin_init!(Counter {
            count <- new_mutex!(0),
            changed <- new_condvar!(),
            work <- new_work!(),
        }),
        GFP_KERNEL,
    )?;
    for wanted in 1..=3 {
        let _ = workqueue::system().enqueue(counter.clone());
        let mut count = counter.count.lock();
        while *count < wanted {
            counter.changed.wait(&mut count);
        }
    }
    // This one is left to itself.
    let _ = workqueue::system_unbound().enqueue(counter);
    Ok(())
}

#[test]
fn machines_leave_no_memory_behind() {
    for body in [ring, count] {
        let before = memory::live_blocks();
        for _ in 0..1000 {
            assert_eq!(vcpu::fifo(body), Ok(Ok(())));
        }
        assert_eq!(memory::live_blocks(), before);
    }
}
