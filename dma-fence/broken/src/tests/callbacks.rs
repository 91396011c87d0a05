// SPDX-License-Identifier: GPL-2.0-only
//! What callbacks and ops may not do, and what may not be done with callbacks.

use super::{broken, finish, silent, with_job};
use crate::exporter::{job, job_with, tell, zeroed, Timeline, Waiter, OPS};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_enable_signaling, dma_fence_func_t,
    dma_fence_get_status, dma_fence_init, dma_fence_ops, dma_fence_put, dma_fence_remove_callback,
    dma_fence_seqno, dma_fence_set_deadline, dma_fence_signal,
};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use kernel::{
    bindings::{kfree, might_sleep, synchronize_rcu},
    testing::report::reports_of,
};

const ATOMIC: &str = "callback-atomic";
const ONCE: &str = "callback-once";

/// Has `func` called for a job that signals.
fn called(func: dma_fence_func_t) {
    with_job(|timeline, fence| {
        let waiter = zeroed::<Waiter>().unwrap();
        // SAFETY: All of this is ours until the fence has signalled.
        unsafe {
            dma_fence_add_callback(fence, &raw mut (*waiter).cb, func);
            finish(timeline, fence);
            kfree(waiter.cast());
        }
    });
}

/// # Safety
///
/// None.
unsafe extern "C" fn sleeps(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
    // SAFETY: Nothing is asked for.
    unsafe { might_sleep() };
}

/// # Safety
///
/// The fence signals.
unsafe extern "C" fn comes_back(fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
    // SAFETY: By the safety requirements.
    unsafe { dma_fence_get_status(fence) };
}

#[test]
fn a_callback_that_sleeps() {
    broken(ATOMIC, "a callback sleeps", || called(Some(sleeps)));
}

#[test]
fn a_callback_that_comes_back() {
    broken(ATOMIC, "a callback takes the lock", || {
        called(Some(comes_back));
    });
}

#[test]
fn a_callback_that_keeps_still() {
    silent(|| called(Some(tell)));
}

/// The fence that [`drops_last`] drops.
static DROPPED: AtomicPtr<dma_fence> = AtomicPtr::new(core::ptr::null_mut());

/// # Safety
///
/// The reference to the other fence is the callback's.
unsafe extern "C" fn drops_last(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
    // SAFETY: By the safety requirements.
    unsafe { dma_fence_put(DROPPED.load(Relaxed)) };
}

#[test]
fn a_callback_that_drops_the_last_reference_of_its_lock() {
    for shared in [true, false] {
        let body = || {
            let timeline = Timeline::new().unwrap();
            let waiter = zeroed::<Waiter>().unwrap();
            // SAFETY: All of this is ours until the fences are gone.
            unsafe {
                let lock = &raw mut (*timeline).lock;
                let other = if shared { lock } else { core::ptr::null_mut() };
                let fences = [
                    job_with(timeline, 1, &OPS, lock).unwrap(),
                    job_with(timeline, 2, &OPS, other).unwrap(),
                ];
                dma_fence_signal(fences[1]);
                DROPPED.store(fences[1], Relaxed);
                dma_fence_add_callback(fences[0], &raw mut (*waiter).cb, Some(drops_last));
                finish(timeline, fences[0]);
                kfree(waiter.cast());
            }
        };
        if shared {
            broken(ATOMIC, "drops the last reference", body);
        } else {
            silent(body);
        }
    }
}

/// # Safety
///
/// None.
unsafe extern "C" fn sleeping_op(_fence: *mut dma_fence) -> bool {
    // SAFETY: Nothing is asked for.
    unsafe { might_sleep() };
    true
}

/// # Safety
///
/// None.
unsafe extern "C" fn sleeping_deadline(_fence: *mut dma_fence, _deadline: i64) {
    // SAFETY: Nothing is asked for.
    unsafe { might_sleep() };
}

static SLEEPING: dma_fence_ops = dma_fence_ops {
    enable_signaling: Some(sleeping_op),
    set_deadline: Some(sleeping_deadline),
    ..OPS
};

#[test]
fn ops_that_sleep() {
    type Call = unsafe fn(*mut dma_fence);
    let calls: [(&str, Call); 2] = [
        ("the op enable_signaling sleeps", dma_fence_enable_signaling),
        ("the op set_deadline sleeps", |fence| {
            // SAFETY: The caller has a reference.
            unsafe { dma_fence_set_deadline(fence, 7) };
        }),
    ];
    for (what, call) in calls {
        broken(ATOMIC, what, || {
            let timeline = Timeline::new().unwrap();
            let fence = job_with(timeline, 1, &SLEEPING, core::ptr::null_mut()).unwrap();
            // SAFETY: The reference is ours.
            unsafe { call(fence) };
            finish(timeline, fence);
        });
    }
}

#[test]
fn a_callback_that_was_never_added() {
    broken(ONCE, "never added", || {
        with_job(|timeline, fence| {
            let waiter = zeroed::<Waiter>().unwrap();
            // SAFETY: All of this is ours.
            unsafe {
                let node = &raw mut (*waiter).cb.node;
                kernel::bindings::INIT_LIST_HEAD(node);
                dma_fence_remove_callback(fence, &raw mut (*waiter).cb);
                finish(timeline, fence);
                kfree(waiter.cast());
            }
        });
    });
}

#[test]
fn a_callback_that_is_freed_while_it_is_pending() {
    let (reports, _) = reports_of(|| {
        with_job(|_timeline, fence| {
            let waiter = zeroed::<Waiter>().unwrap();
            // SAFETY: All of this is ours, and nothing is done with the fence after this.
            unsafe {
                dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(tell));
                kfree(waiter.cast());
            }
        });
    });
    assert_eq!(reports[0].rule, ONCE);
    assert!(reports[0].text.contains("freed while it is pending"));
    // Nobody could signal it any more.
    assert!(reports[1..]
        .iter()
        .all(|report| report.rule == "signal-eventually"));
}

#[test]
fn a_callback_on_two_fences() {
    let (reports, _) = reports_of(|| {
        let timeline = Timeline::new().unwrap();
        let fences = [1, 2].map(|seqno| job(timeline, seqno).unwrap());
        let waiter = zeroed::<Waiter>().unwrap();
        for fence in fences {
            // SAFETY: All of this is ours, and nothing is done with the lists after this.
            unsafe { dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(tell)) };
        }
    });
    assert_eq!(reports[0].rule, ONCE);
    assert!(reports[0].text.contains("that is pending on fence"));
    // Nobody could signal them any more.
    assert!(reports[1..]
        .iter()
        .all(|report| report.rule == "signal-eventually"));
}

#[test]
fn a_callback_that_was_too_late_may_be_removed() {
    silent(|| {
        with_job(|timeline, fence| {
            let waiter = zeroed::<Waiter>().unwrap();
            // SAFETY: All of this is ours.
            unsafe {
                dma_fence_signal(fence);
                dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(tell));
                dma_fence_remove_callback(fence, &raw mut (*waiter).cb);
                finish(timeline, fence);
                kfree(waiter.cast());
            }
        });
    });
}

#[test]
fn memory_that_was_a_fence_before() {
    silent(|| {
        let timeline = Timeline::new().unwrap();
        let mut fence = core::mem::MaybeUninit::<dma_fence>::zeroed();
        for seqno in [1, 2] {
            // SAFETY: On this stack, and nobody else has a reference.
            unsafe {
                let fence = fence.as_mut_ptr();
                dma_fence_init(fence, &OPS, core::ptr::null_mut(), 1, seqno);
                dma_fence_signal(fence);
            }
        }
        // SAFETY: Nobody uses it any more.
        unsafe {
            synchronize_rcu();
            Timeline::free(timeline);
        }
    });
}

mod importer {
    use super::{tell, Waiter};
    use ::dma_fence::bindings::{dma_fence, dma_fence_add_callback};
    use kernel::prelude::*;

    /// A module that waits for others' fences.
    pub(super) struct Importer;

    impl kernel::Module for Importer {
        fn init(_module: &'static ThisModule) -> Result<Self> {
            Ok(Self)
        }
    }

    impl Importer {
        pub(super) fn wait_for(&self, fence: *mut dma_fence, waiter: *mut Waiter) {
            // SAFETY: The caller has a reference, and keeps the waiter.
            unsafe { dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(tell)) };
        }
    }

    module! {
        type: Importer,
        name: "importer",
        license: "GPL",
    }
}

#[test]
fn a_module_that_leaves_its_callback_behind() {
    broken(
        "unload-after-detach",
        "while its callback is pending",
        || {
            // Of another file, so that only the callback is the module's.
            let timeline = Timeline::new().unwrap();
            let fence = super::elsewhere(timeline);
            let waiter = zeroed::<Waiter>().unwrap();
            let driver = kernel::testing::insmod::<importer::Importer>().unwrap();
            driver.wait_for(fence, waiter);
            drop(driver);
            finish(timeline, fence);
            // SAFETY: The callback has been called.
            unsafe { kfree(waiter.cast()) };
        },
    );
}

/// How deep callbacks are called inside each other, which is deeper than anybody keeps count of.
const DEEP: usize = 20;

/// The fences that [`asks_the_next`] asks, one after the other.
static CHAIN: [AtomicPtr<dma_fence>; DEEP] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; DEEP];

/// # Safety
///
/// The fence is one of the chain, whose references the test has.
unsafe extern "C" fn asks_the_next(fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
    let at = CHAIN.iter().position(|link| link.load(Relaxed) == fence);
    if let Some(next) = at.and_then(|at| CHAIN.get(at + 1)) {
        // SAFETY: By the safety requirements.
        unsafe { dma_fence_get_status(next.load(Relaxed)) };
    }
}

/// All but the last one are over.
///
/// # Safety
///
/// The fence is valid.
unsafe extern "C" fn over(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { dma_fence_seqno(fence) + 1 != DEEP as u64 }
}

static OVER: dma_fence_ops = dma_fence_ops {
    signaled: Some(over),
    ..OPS
};

#[test]
fn callbacks_may_be_nested_deeply() {
    silent(|| {
        let timeline = Timeline::new().unwrap();
        let waiters = [(); DEEP].map(|()| zeroed::<Waiter>().unwrap());
        // SAFETY: All of this is ours until the fences are gone.
        unsafe {
            for (seqno, waiter) in (0..).zip(waiters) {
                let fence = job_with(timeline, seqno, &OVER, core::ptr::null_mut()).unwrap();
                dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(asks_the_next));
                CHAIN[seqno as usize].store(fence, Relaxed);
            }
            dma_fence_get_status(CHAIN[0].load(Relaxed));
            dma_fence_signal(CHAIN[DEEP - 1].load(Relaxed));
            for (link, waiter) in CHAIN.iter().zip(waiters) {
                dma_fence_put(link.load(Relaxed));
                kfree(waiter.cast());
            }
            synchronize_rcu();
            Timeline::free(timeline);
        }
    });
}
