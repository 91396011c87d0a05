// SPDX-License-Identifier: GPL-2.0-only
//! What is said of tasks that wait for a fence forever, and of the fences that are left then.
#![cfg(all(feature = "debug", not(any(loom, tsan))))]
#![forbid(unsafe_code)]

use dma_fence::{
    testing::{register, Plain},
    Fence, FenceCallback, FenceContext,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{aref::ARef, Arc},
    testing::{
        console, spawn,
        vcpu::{fifo, settle},
    },
};
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    string::String,
};

fn timeline(name: &'static CStr) -> Arc<FenceContext<Plain>> {
    let context = FenceContext::new(1, c"driver", name, Plain);
    Arc::pin_init(context, GFP_KERNEL).unwrap()
}

/// What `fifo` panics with.
fn panics(body: impl FnOnce() + Send + 'static) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| fifo(body))).expect_err("it panics");
    *panic.downcast::<String>().expect("with a text")
}

/// This line, so many above.
macro_rules! above {
    ($lines:literal) => {
        format!("dma-fence/tests/blocked.rs:{}", line!() - $lines)
    };
}

#[test]
fn a_deadlock_is_the_cause_and_a_pending_fence_the_consequence() {
    let said = panics(|| {
        let context = timeline(c"cause");
        let issued = context.new_fence_allocation(()).unwrap().new_fence();
        let fence: ARef<Fence> = issued.as_fence().into();
        let lock = Arc::pin_init(new_mutex!((), "Job::lock"), GFP_KERNEL).unwrap();
        let waiter = lock.clone();
        spawn(move || {
            let _guard = waiter.lock();
            fence.wait();
        });
        settle();
        let _guard = lock.lock();
        issued.signal(Ok(()));
    });
    let locks = above!(3);
    let waits = format!(
        "deadlock: init/1 waits for mutex `Job::lock` at {locks}, held by test/2, \
         which waits for fence "
    );
    assert!(said.starts_with(&waits), "{said}");
    let fence = format!(
        " (driver:cause) at {} while it holds mutex `Job::lock`, taken at {}; \
         the rule `signal-eventually` was broken, see above",
        above!(15),
        above!(17)
    );
    assert!(said.ends_with(&fence), "{said}");
    let blames = "never signalled, and the tasks that are left are blocked, see the deadlock above";
    assert_ne!(console::said(blames), 0);
    assert_eq!(console::said("no task is left"), 0);
}

struct Asks(ARef<Fence>);

impl FenceCallback for Asks {
    fn on_signal(&mut self) {
        let _ = self.0.status();
    }
}

#[test]
fn the_lock_of_a_fence_is_named_by_that() {
    let said = panics(|| {
        let context = timeline(c"locked");
        let issued = context.new_fence_allocation(()).unwrap().new_fence();
        let asks = Asks(issued.as_fence().into());
        let _asks = register(issued.as_fence(), asks);
        issued.signal(Ok(()));
    });
    assert!(said.contains("waits for spinlock of fence "), "{said}");
    assert!(said.contains(" (driver:locked) at "), "{said}");
}

#[test]
fn one_report_for_each_context() {
    let said = panics(|| {
        let context = timeline(c"consequences");
        let mut all = KVec::new();
        for _ in 0..15 {
            let issued = context.new_fence_allocation(()).unwrap().new_fence();
            let fence: ARef<Fence> = issued.as_fence().into();
            all.push((issued, fence), GFP_KERNEL).unwrap();
        }
        all[3].1.wait();
    });
    let waits = format!(":4 (driver:consequences) at {}; the rule", above!(2));
    assert!(
        said.starts_with("deadlock: init/1 waits for fence "),
        "{said}"
    );
    assert!(said.contains(&waits), "{said}");
    let report = "never signalled, and 14 more of its context, and the tasks that are left";
    assert_eq!(console::said(report), 1);
}
