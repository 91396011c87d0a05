// SPDX-License-Identifier: GPL-2.0-only
//! Properties that must hold under every schedule.
#![cfg(feature = "debug")]

use dma_fence::{
    bindings::{self, dma_fence_ops},
    testing::{context, issue_arc, listen, register, Event, Kind, Listener, Plain},
    ArcDriverFence, Fence, FenceArray, FenceCallback, FenceChainAllocation, FenceContextOps,
    PollOp, ProgressOp,
};
use kernel::{
    bindings as c,
    ffi::c_char,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed},
        Arc,
    },
    testing::{console::said, explore, report::reports_of, spawn, without_checks, Explorer},
    time::{delay::fsleep, Delta},
};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Takes its time.
struct Slow(Arc<Atomic<i32>>);

impl FenceCallback for Slow {
    fn on_signal(&mut self) {
        for _ in 0..3 {
            self.0.fetch_add(1, Relaxed);
        }
    }
}

#[test]
fn signalled_means_that_every_callback_has_returned() {
    explore(|| {
        let context = context(Plain).unwrap();
        let (issued, fence) = issue_arc(&context).unwrap();
        let steps = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
        let _registration = register(&fence, Slow(steps.clone()));
        spawn(move || issued.signal(Ok(())));
        for _ in 0..20 {
            if fence.is_signaled() {
                assert_eq!(steps.load(Relaxed), 3);
            }
        }
        fence.wait();
    });
}

/// Hardware that is done, in error, once it is told so.
struct Ring(Atomic<i32>);

impl FenceContextOps for Ring {
    type FenceDataType = ();
    const SIGNALED: Option<PollOp<Self>> =
        Some(|fence| (fence.context().data().0.load(Acquire) == 1).then_some(Err(EIO)));
}

#[test]
fn the_first_result_is_the_last_word() {
    explore(|| {
        // The hardware says that the job has failed, and the driver that it is done.
        let context = context(Ring(Atomic::new(1))).unwrap();
        let (issued, fence) = issue_arc(&context).unwrap();
        let warnings = said("WARNING");
        let poller = fence.clone();
        spawn(move || {
            // Polls without the lock.
            poller.set_deadline(dma_fence::Ktime::from_nanos(0));
            let _ = dma_fence::wait_any(&[&poller], 0);
        });
        spawn(move || {
            issued.signal(Ok(()));
        });
        fence.wait();
        let first = fence.status();
        for _ in 0..5 {
            // The poller may have its turn.
            fsleep(Delta::from_micros(1));
            assert_eq!(fence.status(), first);
        }
        assert_eq!(said("WARNING"), warnings);
    });
}

/// Hardware that forgets what it has said.
struct Forgetful(Atomic<u32>);

impl FenceContextOps for Forgetful {
    type FenceDataType = ();
    const SIGNALED: Option<PollOp<Self>> = Some(|fence| {
        let asked = fence.context().data().0.fetch_add(1u32, Relaxed);
        (asked == 0).then_some(Ok(()))
    });
}

#[test]
fn what_was_said_once_is_said_again() {
    // The checker of `signaled-monotonic` would say so if it were not.
    explore(|| {
        let context = context(Forgetful(Atomic::new(0))).unwrap();
        let (issued, fence) = issue_arc(&context).unwrap();
        for _ in 0..2 {
            let poller = fence.clone();
            spawn(move || _ = dma_fence::wait_any(&[&poller], 0));
        }
        fence.wait();
        assert_eq!(fence.status(), Some(Ok(())));
        issued.signal(Err(EIO));
        assert_eq!(fence.status(), Some(Ok(())));
    });
}

#[test]
fn an_array_that_is_polled_while_it_is_enabled_waits_for_all() {
    explore(|| {
        let context = context(Plain).unwrap();
        let (a, fa) = issue_arc(&context).unwrap();
        let (b, fb) = issue_arc(&context).unwrap();
        let array = FenceArray::new(&[&fa, &fb]).unwrap();
        a.signal(Ok(()));
        for poll in [true, false] {
            let array = array.clone();
            spawn(move || match poll {
                // Without the lock.
                true => assert_eq!(dma_fence::wait_any(&[&array], 0), Ok(None)),
                false => array.enable_signaling(),
            });
        }
        fsleep(Delta::from_micros(1));
        assert_eq!(array.status(), None);
        b.signal(Ok(()));
        assert_eq!(array.status(), Some(Ok(())));
    });
}

#[test]
fn an_array_signals_once_and_with_the_error_of_a_member() {
    explore(|| {
        let context = context(Plain).unwrap();
        let (a, fa) = issue_arc(&context).unwrap();
        let (b, fb) = issue_arc(&context).unwrap();
        let array = FenceArray::new(&[&fa, &fb]).unwrap();
        // Its signal is wanted before a member fails.
        let steps = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
        let _registration = register(&array, Slow(steps.clone()));
        spawn(move || a.signal(Err(EIO)));
        spawn(move || b.signal(Ok(())));
        let poller = array.clone();
        spawn(move || _ = dma_fence::wait_any(&[&poller], 0));
        array.wait();
        assert!(fa.is_signaled() && fb.is_signaled());
        assert_eq!(array.status(), Some(Err(EIO)));
        assert_eq!(steps.load(Relaxed), 3);
    });
}

/// # Safety
///
/// None; the type of an op asks for it.
unsafe extern "C" fn name(_fence: *mut bindings::dma_fence) -> *const c_char {
    c"reused".as_char_ptr()
}

/// The memory stays that of a fence: it is used again.
///
/// # Safety
///
/// None; the type of an op asks for it.
unsafe extern "C" fn release(_fence: *mut bindings::dma_fence) {}

static OPS: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(name),
    get_timeline_name: Some(name),
    release: Some(release),
    ..pin_init::zeroed()
};

/// A fence whose memory becomes that of another, and a slot that names it.
struct Reused {
    fence: bindings::dma_fence,
    slot: *mut bindings::dma_fence,
}

#[test]
fn a_slot_gives_no_fence_whose_memory_was_used_again() {
    const OLD: u64 = 1;
    const NEW: u64 = 2;
    // The old one is released without a signal.
    explore(|| {
        without_checks(|| {
            // SAFETY: Allocating has no preconditions.
            let reused: *mut Reused = unsafe { c::kzalloc_obj(c::GFP_KERNEL) };
            assert!(!reused.is_null());
            let address = reused.expose_provenance();
            // SAFETY: Fresh memory of our own; the ops are static.
            unsafe {
                bindings::dma_fence_init(
                    &raw mut (*reused).fence,
                    &OPS,
                    core::ptr::null_mut(),
                    OLD,
                    1,
                );
                (*reused).slot = &raw mut (*reused).fence;
            }
            let done = Arc::pin_init(kernel::sync::Completion::new(), GFP_KERNEL).unwrap();
            let other = done.clone();
            spawn(move || {
                let reused: *mut Reused = core::ptr::with_exposed_provenance_mut(address);
                // SAFETY: The block is freed only once `other` was completed. The reference is the
                // one from the first `dma_fence_init()`. Where the count is zero no task has the
                // fence: one that knows its memory from the slot gets no reference before it is
                // that of the new one, and then looks at the slot again.
                unsafe {
                    let fence = &raw mut (*reused).fence;
                    // Out of the slot, the last reference gone, and the memory is another fence.
                    core::sync::atomic::AtomicPtr::from_ptr(&raw mut (*reused).slot)
                        .store(core::ptr::null_mut(), core::sync::atomic::Ordering::Release);
                    bindings::dma_fence_put(fence);
                    if c::kref_read(bindings::dma_fence_kref(fence)) == 0 {
                        bindings::dma_fence_init(fence, &OPS, core::ptr::null_mut(), NEW, 1);
                    }
                }
                other.complete_all();
            });
            // SAFETY: Until it is freed below the block is that of a fence, for `release` leaves it
            // alone. The section is closed here; what was found in it comes with a reference.
            unsafe {
                c::rcu_read_lock();
                let found = bindings::dma_fence_get_rcu_safe(&raw mut (*reused).slot);
                c::rcu_read_unlock();
                if !found.is_null() {
                    assert_eq!(bindings::dma_fence_context(found), OLD);
                    bindings::dma_fence_put(found);
                }
            }
            done.wait_for_completion();
            // SAFETY: The other task is done with it, this one has put what it had found, and
            // it is known nowhere else.
            unsafe { c::kfree(core::ptr::with_exposed_provenance_mut::<Reused>(address).cast()) };
        })
    });
}

/// Each small enough for all schedules with one preemption.
#[test]
fn no_waiter_is_forgotten() {
    let one = |fence: &Fence| fence.wait();
    let any = |fence: &Fence| _ = dma_fence::wait_any(&[fence], usize::MAX).unwrap();
    for wait in [one as fn(&Fence), any] {
        let search = Explorer::new().schedules(100_000).search(1, move || {
            let context = context(Plain).unwrap();
            let (issued, fence) = issue_arc(&context).unwrap();
            spawn(move || issued.signal(Ok(())));
            wait(&fence);
        });
        match search {
            Ok(search) => assert!(search.complete, "{search:?}"),
            Err(failure) => panic!("{failure}"),
        }
    }
}

#[test]
fn a_chain_is_walked_and_waited_for_and_collected_and_released_at_once() {
    explore(|| {
        let context = context(Plain).unwrap();
        let mut issued = [0; 3].map(|_| issue_arc(&context).unwrap().0);
        let [first, second, third] = &mut issued;
        let node = |prev: Option<&Fence>, fence: &ArcDriverFence<Plain>, seqno| {
            let memory = FenceChainAllocation::new().unwrap();
            memory.new_node(prev, fence.as_unchained(), seqno)
        };
        let before = node(None, first, 1);
        let last = node(Some(&node(Some(&before), second, 2)), third, 3);
        drop(before);
        let (walked, waited) = (last.clone(), last.clone());
        spawn(move || {
            let numbers = walked.iter().map(|fence| fence.seqno());
            assert!(numbers.is_sorted_by(|a, b| a > b));
        });
        spawn(move || {
            waited.wait();
            assert_eq!(waited.iter().count(), 1);
        });
        let [first, second, third] = issued;
        spawn(move || {
            second.signal(Ok(()));
            first.signal(Ok(()));
        });
        assert!(last.prev().is_none_or(|prev| prev.seqno() < 3));
        drop(last);
        third.signal(Ok(()));
    });
}

/// Fences that signal in order.
struct InOrder;

impl FenceContextOps for InOrder {
    type FenceDataType = ();
    const PROGRESS: Option<ProgressOp<Self>> = Some(|_| None);
}

/// Hears of the signal of the fence with these numbers for as long as they are there.
struct Hearing(AtomicU64, AtomicU64);

static HEARING: Hearing = Hearing(AtomicU64::new(0), AtomicU64::new(0));

impl Listener for Hearing {
    fn event(&self, event: &Event<'_>) {
        let its = || (event.context, event.seqno) == (self.0.load(SeqCst), self.1.load(SeqCst));
        while event.kind == Kind::Signaled && its() {
            // SAFETY: A pause has no preconditions.
            unsafe { c::cpu_relax() };
        }
    }
}

#[test]
fn a_fence_has_signalled_as_soon_as_its_bit_is_seen() {
    let _listening = listen(&HEARING).unwrap();
    let (reports, end) = reports_of(|| {
        let context = context(InOrder).unwrap();
        let (first, fence) = issue_arc(&context).unwrap();
        let (second, _later) = issue_arc(&context).unwrap();
        HEARING.1.store(fence.seqno(), SeqCst);
        HEARING.0.store(context.number(), SeqCst);
        spawn(move || {
            let fence = core::ptr::from_ref::<Fence>(&fence).cast_mut().cast();
            // SAFETY: There is a reference to the fence; a pause has no preconditions.
            unsafe {
                while !bindings::dma_fence_test_signaled_flag(fence) {
                    c::cpu_relax();
                }
                second.signal(Ok(()));
                bindings::dma_fence_set_error(fence, EIO.to_errno());
            }
            HEARING.0.store(0, SeqCst);
        });
        first.signal(Ok(()));
    });
    assert_eq!(end, Ok(()));
    let [report] = &reports[..] else {
        panic!("{reports:#?}");
    };
    assert_eq!(report.rule, "error-before-signal");
    assert!(
        report.text.contains("fence signalled at"),
        "{}",
        report.text
    );
}
