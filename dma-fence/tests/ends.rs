// SPDX-License-Identifier: GPL-2.0-only
//! What ends the machine ends it: a driver that catches panics does not go on with what is half
//! done, and no destructor runs.
#![forbid(unsafe_code)]

use dma_fence::{
    testing::{context, issue, register, Plain, Registered},
    wait_any, Fence, FenceCallback, FenceContext, FenceContextOps, PollOp,
};
use kernel::{
    sync::{aref::ARef, Arc},
    testing::{self, test_alone, vcpu},
};
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Mutex,
};

fn caught(body: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(body));
    eprintln!("after the end");
}

/// A fence is forgotten, and its timeline dropped.
fn forgotten() {
    let context = context(Plain).unwrap();
    core::mem::forget(context.new_fence_allocation(()).unwrap().new_fence());
    caught(|| drop(context));
}

/// Owns a timeline, and is dropped a grace period after a signal.
struct Last(Option<Arc<FenceContext<Plain>>>);

impl Drop for Last {
    fn drop(&mut self) {
        caught(|| drop(self.0.take()));
    }
}

struct Owning;

impl FenceContextOps for Owning {
    type FenceDataType = Last;
}

/// A timeline is dropped in an RCU callback.
fn dropped_in_rcu() {
    let owning = context(Owning).unwrap();
    let last = Last(Some(context(Plain).unwrap()));
    let issued = owning.new_fence_allocation(last).unwrap().new_fence();
    issued.signal(Ok(()));
    drop(owning);
}

/// Drops the registration of another on the same fence.
struct Drops(Option<Registered<Drops>>);

impl FenceCallback for Drops {
    fn on_signal(&mut self) {
        if self.0.is_some() {
            caught(|| drop(self.0.take()));
        }
    }
}

/// A callback drops a registration on its own fence.
fn sibling_dropped() {
    let context = context(Plain).unwrap();
    let (issued, fence) = issue(&context).unwrap();
    let sibling = register(&fence, Drops(None)).ok();
    let _registration = register(&fence, Drops(sibling));
    issued.signal(Ok(()));
}

/// Waits in an op for another fence or its own.
struct Waiting;

impl FenceContextOps for Waiting {
    type FenceDataType = Mutex<Option<[ARef<Fence>; 2]>>;
    const ENABLE_SIGNALING: Option<PollOp<Self>> = Some(|fence| {
        let fences = fence.lock().unwrap().take();
        if let Some([other, own]) = &fences {
            caught(|| assert_eq!(wait_any(&[other, own], 1), Ok(None)));
        }
        None
    });
}

/// An op waits for its own fence, among others.
fn waited_in_an_op() {
    let (plain, waiting) = (context(Plain).unwrap(), context(Waiting).unwrap());
    let other = plain.new_fence_allocation(()).unwrap().new_fence();
    let allocation = waiting.new_fence_allocation(Mutex::new(None)).unwrap();
    let own = allocation.new_fence();
    *own.lock().unwrap() = Some([other.as_fence().into(), own.as_fence().into()]);
    own.as_fence().enable_signaling();
    other.signal(Ok(()));
}

#[test]
#[ignore = "ends its process: run by ends_with()"]
fn ends() {
    match std::env::var("ENDS").unwrap().as_str() {
        "forgotten" => forgotten(),
        "dropped_in_rcu" => dropped_in_rcu(),
        "sibling_dropped" => sibling_dropped(),
        "waited_in_an_op" => waited_in_an_op(),
        case => panic!("{case}"),
    }
}

fn ends_with(case: &str, message: &str) {
    let (passed, printed) = test_alone("ends", &[("ENDS", case)]);
    assert!(!passed && printed.contains(message), "{printed}");
    assert!(!printed.contains("after the end"), "{printed}");
}

#[test]
fn a_timeline_with_a_forgotten_fence() {
    ends_with("forgotten", "1 fences were forgotten");
}

#[test]
fn of_one_machine_alone() {
    let end = vcpu::fifo(|| testing::without_checks(forgotten));
    assert!(matches!(end, Err(vcpu::Stuck::Bug(_))), "{end:?}");
}

#[test]
fn a_timeline_that_is_dropped_in_an_rcu_callback() {
    ends_with("dropped_in_rcu", "synchronize_rcu() in an RCU callback");
}

#[cfg(feature = "debug")]
#[test]
fn a_callback_that_drops_a_sibling() {
    ends_with(
        "sibling_dropped",
        "a callback waits for a lock that it is called under",
    );
}

#[cfg(feature = "debug")]
#[test]
fn an_op_that_waits_for_its_own_fence() {
    ends_with(
        "waited_in_an_op",
        "the op enable_signaling waits for a lock that it is called under",
    );
}
