// SPDX-License-Identifier: GPL-2.0-only
//! The safe API as a driver and its users see it.

use dma_fence::{
    bindings, ArcDriverFence, DriverFence, DriverFenceBorrow, Fence, FenceContext, FenceContextOps,
};
#[cfg(feature = "debug")]
use dma_fence::{wait_any, wait_any_interruptible, Ktime};
use kernel::{
    bindings as c,
    error::from_err_ptr,
    ffi::c_void,
    prelude::*,
    str::CString,
    sync::{aref::ARef, rcu, Arc},
    task::Task,
    testing::{self, vcpu},
    time::{delay::fsleep, Delta},
    types::ForeignOwnable,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

struct Plain;

impl FenceContextOps for Plain {
    type FenceDataType = ();
}

/// Counts how often it is dropped.
struct Counted(&'static AtomicUsize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

struct Counting;

impl FenceContextOps for Counting {
    type FenceDataType = Counted;
    const SEQNO64: bool = false;
}

assert_impl_all!(Fence: Send, Sync);
assert_impl_all!(FenceContext<Plain>: Send, Sync);
assert_impl_all!(DriverFence<'static, Plain>: Send, Sync);
assert_impl_all!(ArcDriverFence<Plain>: Send, Sync);
assert_not_impl_any!(DriverFence<'static, Plain>: Clone);
assert_not_impl_any!(ArcDriverFence<Plain>: Clone);
assert_not_impl_any!(rcu::Guard: Send);
assert_not_impl_any!(FenceContext<Plain>: Unpin);

fn context<T: FenceContextOps>(ops: T) -> Result<Arc<FenceContext<T>>> {
    Arc::pin_init(
        FenceContext::new(7, c"driver", c"timeline", ops),
        GFP_KERNEL,
    )
}

fn describe(fence: &Fence) -> Result<String> {
    let line = CString::try_from_fmt(fmt!("{}", fence.describe()))?;
    Ok(line.to_str()?.into())
}

#[test]
fn fences_are_numbered_in_order() -> Result {
    let (context, other) = (context(Plain)?, context(Plain)?);
    assert_ne!(context.number(), other.number());
    let first = context.new_fence_allocation(())?;
    let second = context.new_fence_allocation(())?;
    // The number is taken when the fence is made, not when its memory is.
    let second = second.new_fence();
    let first = first.new_fence();
    assert_eq!(
        (second.as_fence().seqno(), first.as_fence().seqno()),
        (7, 8)
    );
    let chosen = context.new_fence_allocation(())?.new_fence_at(100);
    assert_eq!(chosen.as_fence().seqno(), 100);
    let next = context.new_fence_allocation(())?.new_fence();
    assert_eq!(next.as_fence().seqno(), 9);
    for fence in [first, second, chosen, next] {
        fence.signal(Ok(()));
    }
    Ok(())
}

#[test]
fn the_width_of_numbers_is_the_drivers_choice() -> Result {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    let (wide, narrow) = (context(Plain)?, context(Counting)?);
    let wide = wide.new_fence_allocation(())?.new_fence();
    let narrow = narrow.new_fence_allocation(Counted(&DROPPED))?.new_fence();
    let flags = |fence: &Fence| {
        let fence = core::ptr::from_ref(fence).cast_mut().cast();
        // SAFETY: It comes from a reference to a fence.
        unsafe { bindings::dma_fence_flags(fence) }
    };
    assert_eq!(flags(wide.as_fence()), 0b111);
    assert_eq!(flags(narrow.as_fence()), 0b011);
    wide.signal(Ok(()));
    narrow.signal(Ok(()));
    Ok(())
}

#[test]
fn a_signal_ends_it() -> Result {
    let context = context(Plain)?;
    let (good, bad) = (
        context.new_fence_allocation(())?.new_fence(),
        context.new_fence_allocation(())?.new_fence(),
    );
    let shared: [ARef<Fence>; 2] = [good.as_fence().into(), bad.as_fence().into()];
    assert_eq!(
        shared.each_ref().map(|f| (f.is_signaled(), f.status())),
        [(false, None); 2]
    );
    good.signal(Ok(()));
    bad.signal(Err(EIO));
    assert_eq!(
        shared.each_ref().map(|f| (f.is_signaled(), f.status())),
        [(true, Some(Ok(()))), (true, Some(Err(EIO)))]
    );
    Ok(())
}

#[test]
fn names_and_description_follow_the_state() -> Result {
    let context = context(Plain)?;
    let issued = context.new_fence_allocation(())?.new_fence();
    let fence: ARef<Fence> = issued.as_fence().into();
    let guard = rcu::read_lock();
    assert_eq!(fence.driver_name(&guard), c"driver");
    assert_eq!(fence.timeline_name(&guard), c"timeline");
    drop(guard);
    assert_eq!(describe(&fence)?, "driver timeline seq 7 unsignalled");
    issued.signal(Err(EIO));
    let guard = rcu::read_lock();
    assert_eq!(fence.driver_name(&guard), c"detached-driver");
    assert_eq!(fence.timeline_name(&guard), c"signaled-timeline");
    drop(guard);
    assert_eq!(
        describe(&fence)?,
        "detached-driver signaled-timeline seq 7 signalled"
    );
    Ok(())
}

#[test]
fn dropping_it_unsignalled_cancels_and_says_so() {
    testing::expect_report("signal-eventually", || {
        assert_eq!(drop_it_unsignalled(), Ok(()));
    });
}

fn drop_it_unsignalled() -> Result {
    let context = context(Plain)?;
    let issued = context.new_fence_allocation(())?.new_fence_at(987_654);
    let fence: ARef<Fence> = issued.as_fence().into();
    drop(issued);
    assert_eq!(fence.status(), Some(Err(ECANCELED)));
    let mut said = 0;
    testing::console::for_each_line(|line| {
        said += usize::from(line.contains("fence 987654 was dropped unsignalled"));
    });
    assert_eq!(said, 1);
    Ok(())
}

#[test]
fn data_lives_for_a_grace_period_after_the_signal() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    let done = vcpu::fifo(|| -> Result {
        let context = context(Counting)?;
        let issued = context.new_fence_allocation(Counted(&DROPPED))?.new_fence();
        assert_eq!(issued.0.load(SeqCst), 0);
        issued.signal(Ok(()));
        assert_eq!(DROPPED.load(SeqCst), 0);
        rcu::synchronize_rcu();
        assert_eq!(DROPPED.load(SeqCst), 1);
        Ok(())
    });
    assert_eq!(done, Ok(Ok(())));
}

#[test]
fn memory_that_never_becomes_a_fence_drops_its_data_at_once() -> Result {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    let context = context(Counting)?;
    drop(context.new_fence_allocation(Counted(&DROPPED))?);
    drop(FenceContext::new_arc_fence_allocation(
        &context,
        Counted(&DROPPED),
    )?);
    assert_eq!(DROPPED.load(SeqCst), 2);
    Ok(())
}

#[test]
fn an_arc_fence_keeps_its_timeline_alive() -> Result {
    let context = context(Plain)?;
    let issued = FenceContext::new_arc_fence_allocation(&context, ())?.new_fence();
    drop(context);
    let fence: ARef<Fence> = issued.as_fence().into();
    assert_eq!(fence.timeline_name(&rcu::read_lock()), c"timeline");
    issued.signal(Ok(()));
    assert_eq!(fence.status(), Some(Ok(())));
    Ok(())
}

#[test]
fn c_code_can_own_the_issuers_side() -> Result {
    type Foreign = DriverFence<'static, Plain>;
    let context = context(Plain)?;
    let issued = context.new_fence_allocation(())?.new_fence();
    let fence: ARef<Fence> = issued.as_fence().into();
    let ptr = issued.into_foreign();
    {
        // SAFETY: From `into_foreign()`, and taken back only when this scope has ended.
        let borrowed: DriverFenceBorrow<'_, Plain> = unsafe { Foreign::borrow(ptr) };
        assert_eq!(borrowed.as_fence().seqno(), fence.seqno());
    }
    assert_eq!(fence.status(), None);
    // SAFETY: From `into_foreign()`, taken back once; nothing borrowed is left, and `context`,
    // which it refers to, lives to the end of the test.
    unsafe { Foreign::from_foreign(ptr) }.signal(Ok(()));
    assert_eq!(fence.status(), Some(Ok(())));
    Ok(())
}

/// Starts a thread that runs `body`.
fn spawn<F: FnOnce() + Send + 'static>(body: F) -> ARef<Task> {
    /// # Safety
    ///
    /// `body` is a [`KBox`] of an `F` that was given away.
    unsafe extern "C" fn run<F: FnOnce()>(body: *mut c_void) -> i32 {
        // SAFETY: By the safety requirements.
        unsafe { KBox::into_inner(KBox::<F>::from_raw(body.cast()))() };
        0
    }
    let body = KBox::into_raw(KBox::new(body, GFP_KERNEL).unwrap()).cast();
    // SAFETY: The box is the thread's, which may have it since it is `Send`.
    let task = unsafe { c::kthread_create(run::<F>, body, c"test".as_char_ptr()) };
    let task = from_err_ptr(task).unwrap();
    // SAFETY: A thread that has not been woken is there; the type is transparent.
    let task: ARef<Task> = unsafe { &*task.cast::<Task>() }.into();
    task.wake_up();
    task
}

/// What a waiting task is given, and what it found.
struct Waiter {
    fence: ARef<Fence>,
    wait: fn(&Fence) -> String,
    found: std::sync::Mutex<Option<String>>,
}

impl Waiter {
    fn new(fence: &Fence, wait: fn(&Fence) -> String) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            fence: fence.into(),
            wait,
            found: Default::default(),
        })
    }

    fn start(self: &std::sync::Arc<Self>) -> ARef<Task> {
        let waiter = self.clone();
        spawn(move || {
            // SAFETY: Nothing is asked for.
            unsafe { c::allow_signal(c::SIGUSR1) };
            *waiter.found.lock().unwrap() = Some((waiter.wait)(&waiter.fence));
        })
    }

    fn found(&self) -> Option<String> {
        self.found.lock().unwrap().clone()
    }
}

#[test]
fn waits_end_with_the_signal_a_timeout_or_an_interrupt() {
    let done = vcpu::fifo(|| -> Result {
        let context = context(Plain)?;
        let issued = context.new_fence_allocation(())?.new_fence();
        let fence: ARef<Fence> = issued.as_fence().into();
        assert_eq!(fence.wait_timeout(0), None);
        assert_eq!(fence.wait_timeout(100), None);
        assert_eq!(fence.wait_interruptible_timeout(5), Ok(None));

        let plain = Waiter::new(&fence, |f| {
            f.wait();
            "done".into()
        });
        let interrupted = Waiter::new(&fence, |f| format!("{:?}", f.wait_interruptible()));
        let timed = Waiter::new(&fence, |f| format!("{:?}", f.wait_timeout(50)));
        let both = Waiter::new(&fence, |f| {
            format!("{:?}", f.wait_interruptible_timeout(1000))
        });
        plain.start();
        let task = interrupted.start();
        timed.start();
        both.start();
        vcpu::settle();
        // SAFETY: `task` is a reference.
        unsafe { c::send_sig(c::SIGUSR1, task.as_ptr(), 1) };
        vcpu::settle();
        assert_eq!(interrupted.found().as_deref(), Some("Err(ERESTARTSYS)"));
        fsleep(Delta::from_millis(10));
        assert_eq!(
            (plain.found(), timed.found(), both.found()),
            (None, None, None)
        );

        issued.signal(Ok(()));
        vcpu::settle();
        assert_eq!(plain.found().as_deref(), Some("done"));
        assert_eq!(timed.found().as_deref(), Some("Some(47)"));
        assert_eq!(both.found().as_deref(), Some("Ok(Some(997))"));
        assert_eq!(fence.wait_timeout(0), Some(1));
        assert_eq!(fence.wait_timeout(9), Some(9));
        assert_eq!(fence.wait_interruptible(), Ok(()));
        Ok(())
    });
    assert_eq!(done, Ok(Ok(())));
}

/// The order of events in the test below.
static EVENTS: std::sync::Mutex<std::vec::Vec<&str>> = std::sync::Mutex::new(std::vec::Vec::new());

fn event(what: &'static str) {
    EVENTS.lock().unwrap().push(what);
}

/// Asks for a name, lets the others run, and uses it.
fn reader(fence: &Fence) {
    let guard = rcu::read_lock();
    let name = fence.driver_name(&guard);
    // SAFETY: Nothing is asked for.
    unsafe { c::cpu_relax() };
    event(if name == c"driver" {
        "name used"
    } else {
        "name is gone"
    });
}

#[test]
fn the_names_outlive_every_reader() {
    let done = vcpu::fifo(|| -> Result {
        let context = context(Plain)?;
        let issued = context.new_fence_allocation(())?.new_fence();
        let fence: ARef<Fence> = issued.as_fence().into();
        spawn(move || reader(&fence));
        // The reader asks, and gives way in the middle of its section.
        // SAFETY: Nothing is asked for.
        unsafe { c::cpu_relax() };
        issued.signal(Ok(()));
        // Nothing is queued, so the barrier alone does not wait: that was the gap.
        rcu::rcu_barrier();
        event("after rcu_barrier()");
        drop(context);
        event("context is gone");
        Ok(())
    });
    assert_eq!(done, Ok(Ok(())));
    assert_eq!(
        *EVENTS.lock().unwrap(),
        ["after rcu_barrier()", "name used", "context is gone"]
    );
}

/// Does the log say that something slept in a wrong context at this line of this file?
#[cfg(feature = "debug")]
fn slept_at(line: u32) -> bool {
    let at = format!("invalid context at {}:{line}", file!());
    let mut found = false;
    testing::console::for_each_line(|text| found |= text.ends_with(&at));
    found
}

#[cfg(feature = "debug")]
#[test]
fn a_report_names_the_line_that_sleeps() -> Result {
    testing::console::set_loglevel(4);
    type Sleep = fn(&Fence);
    let sleeps: [(u32, Sleep); 7] = [
        (line!(), |fence| fence.wait()),
        (line!(), |fence| _ = fence.wait_interruptible()),
        (line!(), |fence| _ = fence.wait_timeout(0)),
        (line!(), |f| _ = f.wait_interruptible_timeout(0)),
        (line!(), |fence| _ = wait_any(&[fence], 1)),
        (line!(), |f| _ = wait_any_interruptible(&[f], 1)),
        (line!(), |_| _ = Fence::private_stub(Ktime::from_nanos(7))),
    ];
    for (line, sleep) in sleeps {
        testing::expect_report("rcu-no-sleep", || {
            let _guard = rcu::read_lock();
            sleep(&Fence::stub());
        });
        assert!(slept_at(line), "line {line}");
    }
    Ok(())
}
