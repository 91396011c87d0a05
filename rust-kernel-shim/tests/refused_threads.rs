// SPDX-License-Identifier: GPL-2.0-only

//! A host that has no thread left ends the machine that needs one; what was started stays where it
//! is, and nothing unwinds.

#![forbid(unsafe_code)]

use kernel::{
    error::code::EAGAIN,
    impl_has_hr_timer,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, ArcBorrow,
    },
    testing::{
        boot, refuse_threads, test_alone,
        vcpu::{self, Stuck},
    },
    time::{hrtimer::*, Delta, Monotonic},
    workqueue::{self, impl_has_delayed_work, new_delayed_work, DelayedWork, WorkItem},
};
use std::panic::{catch_unwind, AssertUnwindSafe};

const TICK: Delta = Delta::from_micros(200);

macro_rules! timer {
    ($name:ident, $pointer:ty, $target:ty) => {
        #[pin_data]
        struct $name {
            #[pin]
            timer: HrTimer<Self>,
        }

        impl_has_hr_timer! {
            impl HasHrTimer<Self> for $name { mode: RelativeMode<Monotonic>, field: self.timer }
        }

        impl HrTimerCallback for $name {
            type Pointer<'a> = $pointer;

            fn run(_: $target, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
                HrTimerRestart::NoRestart
            }
        }
    };
}

timer!(InArc, Arc<Self>, ArcBorrow<'_, Self>);
timer!(InBox, Pin<KBox<Self>>, Pin<&mut Self>);
timer!(Lent, Pin<&'a Self>, Pin<&Self>);
timer!(LentMut, Pin<&'a mut Self>, Pin<&mut Self>);

#[pin_data]
struct Job {
    #[pin]
    work: DelayedWork<Job>,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self> for Job { self.work }
}

impl WorkItem for Job {
    type Pointer = Arc<Job>;

    fn run(_: Arc<Job>) {}
}

fn job() -> Arc<Job> {
    let init = pin_init!(Job { work <- new_delayed_work!("job") });
    Arc::pin_init(init, GFP_KERNEL).unwrap()
}

/// The machine ends in `body`: this neither returns nor unwinds.
#[track_caller]
fn ends(body: impl Fn() + Send + 'static) {
    let left = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
    let leaves = left.clone();
    let end = vcpu::fifo(move || {
        let _ = catch_unwind(AssertUnwindSafe(|| refuse_threads(body)));
        leaves.store(1, Relaxed);
    });
    assert!(matches!(end, Err(Stuck::Bug(_))), "{end:?}");
    assert_eq!(left.load(Relaxed), 0);
}

#[test]
fn a_timer_of_each_kind() {
    ends(|| {
        let timer = Arc::pin_init(pin_init!(InArc { timer <- HrTimer::new() }), GFP_KERNEL);
        drop(timer.unwrap().start(TICK));
    });
    ends(|| {
        let timer = KBox::pin_init(pin_init!(InBox { timer <- HrTimer::new() }), GFP_KERNEL);
        drop(timer.unwrap().start(TICK));
    });
    ends(|| {
        let timer = KBox::pin_init(pin_init!(Lent { timer <- HrTimer::new() }), GFP_KERNEL);
        timer.unwrap().as_ref().start_scoped(TICK, || ());
    });
    ends(|| {
        let timer = KBox::pin_init(pin_init!(LentMut { timer <- HrTimer::new() }), GFP_KERNEL);
        timer.unwrap().as_mut().start_scoped(TICK, || ());
    });
}

#[test]
fn work_now_and_later() {
    ends(|| assert!(workqueue::system().enqueue(job()).is_ok()));
    ends(|| assert!(workqueue::system().enqueue_delayed(job(), 1).is_ok()));
    ends(|| workqueue::system_bh().try_spawn(GFP_KERNEL, || ()).unwrap());
}

#[test]
fn a_kernel_without_a_thread_does_not_boot() {
    assert_eq!(refuse_threads(boot), Err(EAGAIN));
    assert_eq!(boot(), Ok(()));
}

/// Run by the next test, in a process of its own.
#[test]
#[ignore = "ends its process: run by threads_that_run_freely_end_with_their_process()"]
fn alone() {
    let job = job();
    let body = || refuse_threads(|| workqueue::system().enqueue_delayed(job, 1).is_ok());
    let _ = catch_unwind(AssertUnwindSafe(body));
    println!("went on");
}

#[test]
fn threads_that_run_freely_end_with_their_process() {
    let (passed, printed) = test_alone("alone", &[]);
    assert!(
        !passed && printed.contains("the host has no thread for `timers`"),
        "{printed}"
    );
    assert!(!printed.contains("went on"), "{printed}");
}
