// SPDX-License-Identifier: GPL-2.0-only
//! A panic in a callback, an op, or a destructor that RCU calls ends the test, and no other.
#![forbid(unsafe_code)]

use dma_fence::{
    testing::{context, issue, register, Plain},
    DeadlineOp, FenceCallback, FenceContextOps, Ktime, PollOp,
};
use kernel::{
    testing::{memory::rcu_barrier, test_alone, vcpu::fifo, Explorer, Outcome},
    time::{delay::fsleep, Delta},
};
use std::{panic::catch_unwind, string::String};

/// Where the drivers of this file panic.
const LINE: u32 = line!() + 3;

fn broken() {
    [0; 0].first().expect("planted");
}

struct Calls;

impl FenceCallback for Calls {
    fn on_signal(&mut self) {
        broken();
    }
}

fn callback() {
    let context = context(Plain).unwrap();
    let (issued, fence) = issue(&context).unwrap();
    let _callback = register(&fence, Calls).ok();
    issued.signal(Ok(()));
}

struct Asked;

impl FenceContextOps for Asked {
    type FenceDataType = ();
    const SIGNALED: Option<PollOp<Self>> = Some(|_| {
        broken();
        None
    });
}

fn op() {
    let context = context(Asked).unwrap();
    let (issued, fence) = issue(&context).unwrap();
    assert!(fence.status().is_none());
    issued.signal(Ok(()));
}

struct Hoped;

impl FenceContextOps for Hoped {
    type FenceDataType = ();
    const SET_DEADLINE: Option<DeadlineOp<Self>> = Some(|_, _| broken());
}

fn deadline() {
    let context = context(Hoped).unwrap();
    let (issued, fence) = issue(&context).unwrap();
    fence.set_deadline(Ktime::from_nanos(1));
    issued.signal(Ok(()));
}

#[cfg(feature = "debug")]
struct Counts;

#[cfg(feature = "debug")]
impl FenceContextOps for Counts {
    type FenceDataType = ();
    const PROGRESS: Option<dma_fence::ProgressOp<Self>> = Some(|_| {
        broken();
        None
    });
}

#[cfg(feature = "debug")]
fn progress() {
    let context = context(Counts).unwrap();
    issue(&context).unwrap().0.signal(Ok(()));
}

struct Data;

impl Drop for Data {
    fn drop(&mut self) {
        broken();
    }
}

struct Owning;

impl FenceContextOps for Owning {
    type FenceDataType = Data;
}

fn rcu_callback() {
    let context = context(Owning).unwrap();
    let issued = context.new_fence_allocation(Data).unwrap().new_fence();
    issued.signal(Ok(()));
    rcu_barrier();
}

/// What calls the driver, and how that is called in the log.
const WAYS: &[(&str, fn())] = &[
    ("a callback", callback),
    ("an op", op),
    ("the op set_deadline", deadline),
    #[cfg(feature = "debug")]
    ("the op progress", progress),
    ("an RCU callback", rcu_callback),
];

#[test]
fn a_machine_panics_in_their_place() {
    for &(_, way) in WAYS {
        let said = catch_unwind(|| fifo(way)).expect_err("it panics");
        let said = said.downcast_ref::<String>().map(String::as_str);
        assert_eq!(said, Some("planted"));
    }
    assert_eq!(fifo(|| 7), Ok(7));
}

#[test]
fn a_schedule_fails_with_its_seed() {
    for &(_, way) in WAYS {
        let failure = Explorer::new().seed(3).run(way).unwrap_err();
        assert_eq!(failure.seed, 3);
        assert_eq!(failure.outcome, Outcome::Panic("planted".into()));
    }
}

/// Run by the test below, in a process of its own.
#[test]
#[ignore = "fails: run by threads_that_run_freely_go_on_and_fail()"]
fn freely() {
    let way: usize = std::env::var("WAY").unwrap().parse().unwrap();
    WAYS[way].1();
    // If it has not failed yet: at a call of its own.
    fsleep(Delta::from_millis(1));
    println!("not reached");
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn threads_that_run_freely_go_on_and_fail() {
    for (way, (what, _)) in WAYS.iter().enumerate() {
        let (passed, printed) = test_alone("freely", &[("WAY", &format!("{way}"))]);
        let said = format!("BUG: panic in {what} at dma-fence/tests/panics.rs:{LINE}: planted\n");
        assert!(!passed && printed.contains(&said), "{printed}");
        // Only a debug kernel knows who has queued an RCU callback.
        if cfg!(feature = "debug") || *what != "an RCU callback" {
            assert!(printed.contains("freely ... FAILED"), "{printed}");
            assert!(!printed.contains("not reached"), "{printed}");
        }
    }
}
