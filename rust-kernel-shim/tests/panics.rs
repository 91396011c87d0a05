// SPDX-License-Identifier: GPL-2.0-only
//! A panic in what the kernel calls ends the test, and no other.
#![forbid(unsafe_code)]

use kernel::{
    impl_has_hr_timer,
    prelude::*,
    sync::{Arc, ArcBorrow, Completion},
    testing::{spawn, test_alone, vcpu::fifo, Explorer, Outcome},
    time::{
        delay::fsleep,
        hrtimer::{
            HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer, HrTimerRestart,
            RelativeMode, RelativeSoftMode,
        },
        Delta, Monotonic,
    },
    workqueue,
};
use std::{
    panic::{self, catch_unwind},
    string::String,
    sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    },
    thread,
    time::Duration,
};

/// A place in this file.
fn here(line: u32) -> String {
    format!("rust-kernel-shim/tests/panics.rs:{line}")
}

/// Where the drivers of this file panic.
const LINE: u32 = line!() + 3;

fn broken() {
    [0; 0].first().expect("planted");
}

macro_rules! timers {
    ($($name:ident: $mode:ident;)*) => {$(
        #[pin_data]
        struct $name {
            #[pin]
            timer: HrTimer<Self>,
        }

        impl_has_hr_timer! {
            impl HasHrTimer<Self> for $name {
                mode: $mode<Monotonic>, field: self.timer
            }
        }

        impl HrTimerCallback for $name {
            type Pointer<'a> = Arc<Self>;

            fn run(_: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
                broken();
                HrTimerRestart::NoRestart
            }
        }

        impl $name {
            fn start() {
                let init = pin_init!(Self { timer <- HrTimer::new() });
                let timer: Arc<Self> = Arc::pin_init(init, GFP_KERNEL).unwrap();
                core::mem::forget(timer.start(Delta::from_micros(10)));
            }
        }
    )*};
}

timers! {
    Interrupt: RelativeMode;
    Soft: RelativeSoftMode;
}

/// What calls the driver, and how that is called in the log.
const WAYS: [(&str, fn()); 4] = [
    ("an item of work", || {
        workqueue::system().try_spawn(GFP_KERNEL, broken).unwrap()
    }),
    ("a timer", Interrupt::start),
    ("a timer", Soft::start),
    ("a task", || drop(spawn(broken))),
];

/// Waits for what never comes, since the driver has panicked.
fn waits_forever() {
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
    done.wait_for_completion();
}

#[test]
fn a_machine_panics_in_their_place() {
    for (_, start) in WAYS {
        let end = catch_unwind(|| {
            fifo(move || {
                start();
                waits_forever();
            })
        });
        let said = end.expect_err("it panics");
        assert_eq!(
            said.downcast_ref::<String>().map(String::as_str),
            Some("planted")
        );
    }
    assert_eq!(fifo(|| 7), Ok(7));
}

#[test]
fn a_schedule_fails_with_its_seed() {
    for (_, start) in WAYS {
        let body = move || {
            start();
            fsleep(Delta::from_millis(1));
        };
        let failure = Explorer::new().seed(3).run(body).unwrap_err();
        assert_eq!(
            (failure.seed, failure.outcome),
            (3, Outcome::Panic("planted".into()))
        );
    }
}

/// Run by the test below, in a process of its own, beside the next two.
#[test]
#[ignore = "fails: run by the_others_run_and_pass()"]
fn freely() {
    let way: usize = std::env::var("WAY").unwrap().parse().unwrap();
    WAYS[way].1();
    // It fails at a call of its own: there is no end to this otherwise.
    loop {
        fsleep(Delta::from_millis(1));
    }
}

#[test]
#[ignore = "has to pass beside freely(): run by the_others_run_and_pass()"]
fn freely_beside() {
    fsleep(Delta::from_millis(20));
}

#[test]
#[ignore = "has to pass beside freely(): run by the_others_run_and_pass()"]
fn freely_in_a_machine() {
    assert_eq!(fifo(|| fsleep(Delta::from_secs(20))), Ok(()));
}

/// Run by the test below, in a process of its own.
#[test]
#[ignore = "fails the process: run by a_panic_that_takes_long_to_say_fails_the_process()"]
fn ends_meanwhile() {
    static PANICS: AtomicBool = AtomicBool::new(false);
    // As the host's own, with a backtrace.
    panic::set_hook(std::boxed::Box::new(|_| {
        PANICS.store(true, Release);
        thread::sleep(Duration::from_millis(500));
    }));
    WAYS[0].1();
    while !PANICS.load(Acquire) {
        thread::yield_now();
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_panic_that_takes_long_to_say_fails_the_process() {
    let (passed, printed) = test_alone("ends_meanwhile", &[]);
    let said = format!("BUG: panic in {} at {}: planted\n", WAYS[0].0, here(LINE));
    assert!(!passed && printed.contains(&said), "{printed}");
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn the_others_run_and_pass() {
    for (way, (what, _)) in WAYS.iter().enumerate() {
        let (passed, printed) = test_alone("freely", &[("WAY", &format!("{way}"))]);
        assert!(
            !passed && printed.contains("freely ... FAILED"),
            "{printed}"
        );
        let said = format!("BUG: panic in {what} at {}: planted\n", here(LINE));
        assert!(printed.contains(&said), "{printed}");
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["freely", "--ignored"])
        .env("WAY", "0")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{printed}");
    assert!(printed.contains("2 passed; 1 failed"), "{printed}");
}
