// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks through the safe API, and the ops that drivers may have.

use crate::{raw, Counted, Counting};
use dma_fence::{
    bindings,
    testing::{context, expect_no_report, issue, issue_arc, register, Plain},
    CallbackError, Complete, DeadlineOp, DriverFence, Enqueue, Fence, FenceCallback,
    FenceCallbackRegistration, FenceContext, FenceContextOps, Forward, Ktime, PollOp,
    PrivateDriverFence, Signalling, Wake,
};
use kernel::{
    bindings as c,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        new_condvar, new_spinlock, rcu, Arc, Completion, CondVar, SpinLock,
    },
    testing::{console::said, expect_report, vcpu},
    time::Delta,
    workqueue::{self, impl_has_work, new_work, Work, WorkItem},
};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::sync::{
    atomic::{AtomicUsize, Ordering::SeqCst},
    Mutex,
};

/// Writes its name down when it is called.
struct Note(&'static str, Arc<Log>);

struct Log(Mutex<std::vec::Vec<&'static str>>);

impl FenceCallback for Note {
    fn on_signal(&mut self) {
        self.1 .0.lock().unwrap().push(self.0);
    }
}

fn log() -> Result<Arc<Log>> {
    Ok(Arc::new(Log(Mutex::new(std::vec::Vec::new())), GFP_KERNEL)?)
}

assert_impl_all!(FenceCallbackRegistration<Note>: Send, Sync);
assert_not_impl_any!(Signalling: Send);

#[test]
fn callbacks_run_in_order_and_once() -> Result {
    let (context, log) = (context(Plain)?, log()?);
    let (issued, fence) = issue(&context)?;
    let first = register(&fence, Note("first", log.clone()))?;
    let second = register(&fence, Note("second", log.clone()))?;
    let third = register(&fence, Note("third", log.clone()))?;
    assert!(core::ptr::eq(second.fence(), &*fence));
    drop(second);
    issued.signal(Ok(()));
    drop((first, third));
    assert_eq!(*log.0.lock().unwrap(), ["first", "third"]);
    Ok(())
}

#[test]
fn too_late_gives_the_callback_back() -> Result {
    let log = log()?;
    match register(&Fence::stub(), Note("late", log.clone())) {
        Err(CallbackError::AlreadySignaled(Note("late", _))) => {}
        _ => panic!("a stub has signalled"),
    }
    let error: Error = register(&Fence::stub(), Note("late", log.clone()))
        .err()
        .unwrap()
        .into();
    assert_eq!(error, ENOENT);
    assert!(log.0.lock().unwrap().is_empty());
    Ok(())
}

#[test]
fn a_completion_is_completed_and_a_task_woken() {
    expect_no_report(|| {
        let context = context(Plain)?;
        let issued = context.new_fence_allocation(())?.new_fence();
        let completion = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let _complete = register(issued.as_fence(), Complete::new(completion.clone()))?;
        let _wake = register(issued.as_fence(), Wake::new((&**current!()).into()))?;
        // SAFETY: It concerns the task that runs, and has no preconditions.
        unsafe { c::set_current_state(c::TASK_UNINTERRUPTIBLE) };
        issued.signal(Ok(()));
        // Woken before it could sleep: else nothing would ever wake it.
        // SAFETY: It concerns the task that runs, and has no preconditions.
        unsafe { c::schedule() };
        completion.wait_for_completion();
        Ok(())
    });
}

/// A ring that says how far it has got, and writes down what it is asked.
struct Ring {
    done: Atomic<u64>,
    fails: bool,
    enabled: Atomic<u64>,
    deadline: Atomic<i64>,
    /// The number of its timeline.
    context: Atomic<u64>,
}

impl Ring {
    fn new(fails: bool) -> Self {
        Self {
            done: Atomic::new(0),
            fails,
            enabled: Atomic::new(0),
            deadline: Atomic::new(0),
            context: Atomic::new(u64::MAX),
        }
    }
}

impl FenceContextOps for Ring {
    type FenceDataType = u64;
    const ENABLE_SIGNALING: Option<PollOp<Self>> = Some(|fence| {
        let ring = fence.context().data();
        ring.enabled.add(1u64, Relaxed);
        ring.context.store(fence.context().number(), Relaxed);
        ring.fails.then_some(Err(ENODEV))
    });
    const SIGNALED: Option<PollOp<Self>> = Some(|fence| {
        let done = fence.context().data().done.load(Relaxed) >= fence.seqno();
        done.then_some(if **fence == 13 { Err(EIO) } else { Ok(()) })
    });
    const SET_DEADLINE: Option<DeadlineOp<Self>> = Some(|fence, at| {
        fence
            .context()
            .data()
            .deadline
            .store(at.as_nanos(), Relaxed)
    });
}

#[test]
fn ops_are_asked_and_their_results_kept() -> Result {
    let ring = context(Ring::new(false))?;
    let (good, bad) = (
        ring.new_fence_allocation(1)?.new_fence(),
        ring.new_fence_allocation(13)?.new_fence(),
    );
    let shared: [ARef<Fence>; 2] = [good.as_fence().into(), bad.as_fence().into()];
    ring.data().done.store(6, Relaxed);
    assert_eq!(shared[1].status(), None);
    shared[0].enable_signaling();
    shared[0].enable_signaling();
    assert_eq!(ring.data().enabled.load(Relaxed), 1);
    assert_eq!(ring.data().context.load(Relaxed), shared[0].context());
    let deadline = Ktime::from_nanos(99);
    shared[0].set_deadline(deadline);
    assert_eq!(ring.data().deadline.load(Relaxed), 99);

    ring.data().done.store(8, Relaxed);
    // The flag alone does not ask the driver.
    assert!(!shared[0].is_signaled());
    assert_eq!(
        (shared[0].status(), shared[1].status()),
        (Some(Ok(())), Some(Err(EIO)))
    );
    assert_eq!((shared[0].error(), shared[1].error()), (None, Some(EIO)));
    // A poller won: what the driver says later is dropped.
    good.signal(Err(ETIME));
    bad.signal(Ok(()));
    assert_eq!(
        (shared[0].status(), shared[1].status()),
        (Some(Ok(())), Some(Err(EIO)))
    );
    Ok(())
}

#[test]
fn a_driver_may_refuse_to_signal() -> Result {
    let ring = context(Ring::new(true))?;
    let issued = ring.new_fence_allocation(1)?.new_fence();
    issued.as_fence().enable_signaling();
    assert_eq!(issued.as_fence().status(), Some(Err(ENODEV)));
    drop(issued);
    Ok(())
}

#[test]
fn ops_that_are_missing_are_missing_in_c() -> Result {
    let (plain, ring) = (context(Plain)?, context(Ring::new(false))?);
    let ops = |fence: &Fence| {
        let _section = rcu::read_lock();
        // SAFETY: A fence that has not signalled has ops, and they are looked at inside the
        // section.
        unsafe { *bindings::dma_fence_ops_ptr(raw(fence)) }
    };
    let plain = plain.new_fence_allocation(())?.new_fence();
    let ring = ring.new_fence_allocation(1)?.new_fence();
    let table = ops(plain.as_fence());
    assert!(table.enable_signaling.is_none() && table.signaled.is_none());
    assert!(table.set_deadline.is_none());
    for table in [table, ops(ring.as_fence())] {
        assert!(table.wait.is_none() && table.release.is_none());
    }
    assert!(ops(ring.as_fence()).signaled.is_some());
    plain.signal(Ok(()));
    ring.signal(Ok(()));
    Ok(())
}

#[test]
fn fences_compare_within_a_context() -> Result {
    let (one, other) = (context(Plain)?, context(Plain)?);
    let fences = [&one, &one, &other].map(|c| c.new_fence_allocation(()).map(|a| a.new_fence()));
    let [Ok(first), Ok(second), Ok(third)] = fences else {
        return Err(ENOMEM);
    };
    let later = |a: &DriverFence<'_, Plain>, b: &DriverFence<'_, Plain>| {
        a.as_fence().is_later_than(b.as_fence())
    };
    assert_eq!(later(&second, &first), Some(true));
    assert_eq!(later(&first, &second), Some(false));
    assert_eq!(later(&first, &first), Some(false));
    assert_eq!(later(&third, &first), None);
    assert_eq!(first.as_fence().context(), one.number());
    for fence in [first, second, third] {
        fence.signal(Ok(()));
    }
    Ok(())
}

#[test]
fn stubs_have_signalled() -> Result {
    let (stub, again) = (Fence::stub(), Fence::stub());
    assert!(core::ptr::eq(&*stub, &*again));
    assert_eq!(stub.status(), Some(Ok(())));
    let at = Ktime::from_nanos(1234);
    let private = Fence::private_stub(at)?;
    assert_eq!(
        (private.status(), private.timestamp()),
        (Some(Ok(())), Some(at))
    );
    assert_eq!((private.context(), private.seqno()), (0, 0));
    Ok(())
}

#[test]
fn a_signal_has_a_time() -> Result {
    let context = context(Plain)?;
    let (issued, fence) = issue(&context)?;
    assert_eq!(fence.timestamp(), None);
    let before = Ktime::now();
    issued.signal(Ok(()));
    let at = fence.timestamp().ok_or(EINVAL)?;
    assert!(before <= at && at <= Ktime::now());
    assert_eq!((at + Delta::from_nanos(5)) - at, Delta::from_nanos(5));
    Ok(())
}

#[test]
fn what_is_not_published_never_was() -> Result {
    let context = context(Plain)?;
    let private: PrivateDriverFence<'_, Plain> =
        context.new_fence_allocation(())?.new_private_fence();
    assert_eq!(private.seqno(), 7);
    drop(private);
    let arc = FenceContext::new_arc_fence_allocation(&context, ())?.new_private_fence();
    assert_eq!(arc.seqno(), 8);
    drop(arc);
    assert_eq!(said("fence 7 was dropped unsignalled"), 0);
    let fence = context
        .new_fence_allocation(())?
        .new_private_fence()
        .publish();
    let shared: ARef<Fence> = fence.as_fence().into();
    fence.signal(Ok(()));
    assert_eq!(shared.status(), Some(Ok(())));
    Ok(())
}

#[test]
fn sections_nest() {
    let _outer = Signalling::begin();
    let _inner = Signalling::begin();
}

/// A work item that says that it ran.
#[pin_data]
struct Item {
    #[pin]
    work: Work<Item>,
    #[pin]
    ran: Completion,
}

impl_has_work! {
    impl HasWork<Self> for Item { self.work }
}

impl WorkItem for Item {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.ran.complete_all();
    }
}

#[test]
fn a_work_item_is_queued() {
    expect_no_report(|| {
        let context = context(Plain)?;
        let issued = context.new_fence_allocation(())?.new_fence();
        let init = try_pin_init!(Item {
            work <- new_work!("Item::work"),
            ran <- Completion::new(),
        });
        let item = Arc::pin_init(init, GFP_KERNEL)?;
        let callback = Enqueue::new(workqueue::system_unbound(), item.clone());
        let _registration = register(issued.as_fence(), callback)?;
        issued.signal(Ok(()));
        item.ran.wait_for_completion();
        let late = Enqueue::new(workqueue::system_unbound(), item.clone());
        assert!(late
            .into_item()
            .is_some_and(|back| Arc::ptr_eq(&back, &item)));
        Ok(())
    });
}

#[test]
fn a_signal_is_forwarded_with_its_error() {
    for result in [Ok(()), Err(EIO)] {
        expect_no_report(move || {
            let (from, to) = (context(Plain)?, context(Plain)?);
            let theirs = from.new_fence_allocation(())?.new_fence();
            let (ours, shared) = issue_arc(&to)?;
            let registration = register(theirs.as_fence(), Forward::new(theirs.as_fence(), ours)?)?;
            theirs.signal(result);
            // Not under the other's lock, but soon after.
            assert_eq!(shared.status(), None);
            shared.wait();
            assert_eq!(shared.status(), Some(result));
            drop(registration);
            Ok(())
        });
    }
}

#[test]
fn a_forward_that_is_too_late_can_be_made_up_for() -> Result {
    let to = context(Plain)?;
    let (ours, shared) = issue_arc(&to)?;
    let stub = Fence::stub();
    match register(&stub, Forward::new(&stub, ours)?) {
        Err(CallbackError::AlreadySignaled(forward)) => forward.signal(),
        _ => panic!("a stub has signalled"),
    }
    assert_eq!(shared.status(), Some(Ok(())));
    Ok(())
}

#[test]
fn taking_a_forward_back_cancels() {
    expect_report("signal-eventually", || {
        assert_eq!(take_a_forward_back(), Ok(()));
    });
}

fn take_a_forward_back() -> Result {
    let (from, to) = (context(Plain)?, context(Plain)?);
    let theirs = from.new_fence_allocation(())?.new_fence();
    let ours = FenceContext::new_arc_fence_allocation(&to, ())?.new_fence_at(31_337);
    let shared: ARef<Fence> = ours.as_fence().into();
    drop(register(
        theirs.as_fence(),
        Forward::new(theirs.as_fence(), ours)?,
    )?);
    assert_eq!(shared.status(), Some(Err(ECANCELED)));
    theirs.signal(Ok(()));
    Ok(())
}

#[test]
fn a_forward_that_is_called_too_early_does_nothing() {
    expect_no_report(|| {
        let (from, to) = (context(Plain)?, context(Plain)?);
        let theirs = from.new_fence_allocation(())?.new_fence();
        let (ours, shared) = issue_arc(&to)?;
        let mut forward = Forward::new(theirs.as_fence(), ours)?;
        forward.on_signal();
        vcpu::settle();
        assert_eq!(shared.status(), None);
        let registration = register(theirs.as_fence(), forward)?;
        theirs.signal(Ok(()));
        shared.wait();
        assert_eq!(shared.status(), Some(Ok(())));
        drop(registration);
        Ok(())
    });
}

#[test]
fn what_is_not_published_drops_its_data_once() -> Result {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    let context = context(Counting)?;
    drop(
        context
            .new_fence_allocation(Counted(&DROPPED))?
            .new_private_fence(),
    );
    assert_eq!(DROPPED.load(SeqCst), 1);
    Ok(())
}

/// Waits when it is called.
struct Waits(Pin<KBox<CondVar>>, Pin<KBox<SpinLock<()>>>);

impl FenceCallback for Waits {
    fn on_signal(&mut self) {
        let mut held = self.1.lock();
        let _ = self.0.wait_interruptible_timeout(&mut held, 1);
    }
}

#[test]
fn waiting_for_a_condition_in_a_callback_is_reported() {
    expect_report("callback-atomic", || {
        let context = context(Plain).unwrap();
        let issued = context.new_fence_allocation(()).unwrap().new_fence();
        let condition = KBox::pin_init(new_condvar!(), GFP_KERNEL).unwrap();
        let lock = KBox::pin_init(new_spinlock!(()), GFP_KERNEL).unwrap();
        let registration = register(issued.as_fence(), Waits(condition, lock));
        issued.signal(Ok(()));
        drop(registration);
    });
}

#[test]
fn an_error_counts_once_it_has_signalled() -> Result {
    let context = context(Plain)?;
    let (issued, fence) = issue(&context)?;
    // SAFETY: `fence` is a reference.
    unsafe { bindings::dma_fence_set_error(raw(&fence), EIO.to_errno()) };
    assert_eq!(fence.error(), None);
    issued.signal(Ok(()));
    assert_eq!(fence.error(), Some(EIO));
    assert!(Fence::stub().timestamp() > Some(Ktime::from_nanos(0)));
    Ok(())
}

/// Memory for a fence can be made in one thread, and the fence in another.
const _: () = {
    const fn send<T: Send + Sync>() {}
    send::<dma_fence::DriverFenceAllocation<'static, Plain>>();
    send::<dma_fence::ArcDriverFenceAllocation<Plain>>();
};
