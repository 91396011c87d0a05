// SPDX-License-Identifier: GPL-2.0-only
//! Fences from allocation to signal.

use crate::{raw, Counted, Counting};
use dma_fence::{
    bindings,
    testing::{
        context, expect_no_report, issue, issue_arc, listen, Event, Kind, Listener, Listening,
        Plain,
    },
    ArcDriverFence, DriverFence, DriverFenceBorrow, Fence, FenceContext, FenceContextOps,
    ProgressOp,
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{aref::ARef, rcu, Arc},
    testing::{console::said, expect_report},
    types::ForeignOwnable,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::{
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
        Mutex,
    },
    thread,
};

assert_impl_all!(Fence: Send, Sync);
assert_impl_all!(FenceContext<Plain>: Send, Sync);
assert_impl_all!(DriverFence<'static, Plain>: Send, Sync);
assert_impl_all!(ArcDriverFence<Plain>: Send, Sync);
assert_not_impl_any!(DriverFence<'static, Plain>: Clone);
assert_not_impl_any!(ArcDriverFence<Plain>: Clone);
assert_not_impl_any!(rcu::Guard: Send);
assert_not_impl_any!(FenceContext<Plain>: Unpin);

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
    // SAFETY: The pointer comes from a reference to a fence.
    let flags = |fence| unsafe { bindings::dma_fence_flags(raw(fence)) };
    assert_eq!(flags(wide.as_fence()), 0b111);
    assert_eq!(flags(narrow.as_fence()), 0b011);
    wide.signal(Ok(()));
    narrow.signal(Ok(()));
    Ok(())
}

/// The ops reach what the driver has declared, and not what a word of the fence points to.
#[test]
fn data_may_let_go_of_what_no_op_uses() {
    type Label = Mutex<Option<KBox<[u8; 8]>>>;
    struct Labelled;
    impl FenceContextOps for Labelled {
        type FenceDataType = Arc<Label>;
        const SEQNO64: bool = false;
    }
    expect_no_report(|| {
        let context = context(Labelled)?;
        let label = KBox::new(*b"label\0\0\0", GFP_KERNEL)?;
        let data = Arc::new(Mutex::new(Some(label)), GFP_KERNEL)?;
        let issued = context.new_fence_allocation(data.clone())?.new_fence();
        let fence: ARef<Fence> = issued.as_fence().into();
        issued.signal(Ok(()));
        drop(data.lock().unwrap().take());
        drop(fence);
        Ok(())
    });
}

#[test]
fn a_signal_ends_it() -> Result {
    let context = context(Plain)?;
    for result in [Ok(()), Err(EIO)] {
        let (issued, fence) = issue(&context)?;
        assert_eq!((fence.is_signaled(), fence.status()), (false, None));
        issued.signal(result);
        assert_eq!((fence.is_signaled(), fence.status()), (true, Some(result)));
    }
    Ok(())
}

#[test]
fn names_and_description_follow_the_state() -> Result {
    let context = context(Plain)?;
    let (issued, fence) = issue(&context)?;
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
    expect_report("signal-eventually", || {
        let canceled = || -> Result {
            let context = context(Plain)?;
            let issued = context.new_fence_allocation(())?.new_fence_at(987_654);
            let fence: ARef<Fence> = issued.as_fence().into();
            drop(issued);
            assert_eq!(fence.status(), Some(Err(ECANCELED)));
            assert_eq!(said("fence 987654 was dropped unsignalled"), 1);
            Ok(())
        };
        assert_eq!(canceled(), Ok(()));
    });
}

#[test]
fn data_lives_for_a_grace_period_after_the_signal() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    expect_no_report(|| {
        let context = context(Counting)?;
        let issued = context.new_fence_allocation(Counted(&DROPPED))?.new_fence();
        assert_eq!(issued.0.load(SeqCst), 0);
        issued.signal(Ok(()));
        assert_eq!(DROPPED.load(SeqCst), 0);
        rcu::synchronize_rcu();
        assert_eq!(DROPPED.load(SeqCst), 1);
        Ok(())
    });
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
    let (issued, fence) = issue_arc(&context)?;
    drop(context);
    assert_eq!(fence.timeline_name(&rcu::read_lock()), c"timeline");
    issued.signal(Ok(()));
    assert_eq!(fence.status(), Some(Ok(())));
    Ok(())
}

#[test]
fn c_code_can_own_the_issuers_side() -> Result {
    type Foreign = DriverFence<'static, Plain>;
    let context = context(Plain)?;
    let (issued, fence) = issue(&context)?;
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

/// Listens to the fences of one context, and counts their events.
struct Events(AtomicU64, AtomicUsize);

impl Listener for Events {
    fn event(&self, event: &Event<'_>) {
        if event.context == self.0.load(SeqCst) {
            self.1.fetch_add(1, SeqCst);
        }
    }
}

#[test]
fn listening_ends() -> Result {
    static EVENTS: Events = Events(AtomicU64::new(0), AtomicUsize::new(0));
    let context = context(Plain)?;
    EVENTS.0.store(context.number(), SeqCst);
    let events = |listening: Option<Listening<_>>| -> Result<usize> {
        let before = EVENTS.1.load(SeqCst);
        context.new_fence_allocation(())?.new_fence().signal(Ok(()));
        rcu::rcu_barrier();
        drop(listening);
        Ok(EVENTS.1.load(SeqCst) - before)
    };
    for _ in 0..2 {
        // Created, signalled, destroyed.
        assert_eq!(events(Some(listen(&EVENTS)?)), Ok(3));
        assert_eq!(events(None), Ok(0));
    }
    Ok(())
}

/// While the event of a signal is listened to another task sees the signal, and signals what comes next.
#[test]
fn what_is_seen_to_have_signalled_is_not_pending() -> Result {
    struct InOrder;

    impl FenceContextOps for InOrder {
        type FenceDataType = ();
        const PROGRESS: Option<ProgressOp<Self>> = Some(|_| None);
    }

    type Next = std::boxed::Box<dyn FnOnce() + Send>;

    struct Meanwhile(AtomicU64, Mutex<Option<Next>>);

    impl Listener for Meanwhile {
        fn event(&self, event: &Event<'_>) {
            if event.kind == Kind::Signaled && event.context == self.0.load(SeqCst) {
                let next = self.1.lock().unwrap().take();
                if let Some(next) = next {
                    thread::spawn(next).join().unwrap();
                }
            }
        }
    }

    static MEANWHILE: Meanwhile = Meanwhile(AtomicU64::new(0), Mutex::new(None));
    let context = context(InOrder)?;
    let [(first, seen), (second, fence)] = [issue_arc(&context)?, issue_arc(&context)?];
    MEANWHILE.0.store(context.number(), SeqCst);
    *MEANWHILE.1.lock().unwrap() = Some(std::boxed::Box::new(move || {
        assert!(seen.timestamp().is_some());
        second.signal(Ok(()));
    }));
    let _listening = listen(&MEANWHILE)?;
    first.signal(Ok(()));
    assert!(fence.is_signaled());
    Ok(())
}
