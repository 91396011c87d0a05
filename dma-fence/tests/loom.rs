// SPDX-License-Identifier: GPL-2.0-only
//! Models of the C mirror: every interleaving of two threads, and every order that its atomics
//! allow; `scripts/loom` runs them.

#![cfg(loom)]

#[path = "loom/chain.rs"]
mod chain;

use ::dma_fence::bindings::*;
use core::{cell::UnsafeCell, mem::MaybeUninit, ptr::null_mut};
use kernel::{
    bindings::{
        get_current, kref, kref_get, kref_put, set_current_state, wake_up_process,
        TASK_UNINTERRUPTIBLE,
    },
    ffi::c_char,
    str::CStrExt as _,
};
use loom::{
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        Arc,
    },
    thread,
};

extern "C" fn name(_: *mut dma_fence) -> *const c_char {
    c"model".as_char_ptr()
}

static OPS: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(name),
    get_timeline_name: Some(name),
    ..pin_init::zeroed()
};

/// A fence, what its signaller writes before it signals, and what happens then.
struct Shared {
    fence: UnsafeCell<MaybeUninit<dma_fence>>,
    callback: UnsafeCell<MaybeUninit<Callback>>,
    payload: AtomicUsize,
}

#[repr(C)]
struct Callback {
    cb: dma_fence_cb,
    calls: AtomicUsize,
    /// The payload, as the callback found it.
    found: AtomicUsize,
    shared: *const Shared,
}

// SAFETY: The fence is synchronised by its own means, which the models check, and the callback by
// the fence.
unsafe impl Send for Shared {}
// SAFETY: As for `Send`.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        let shared = Arc::new(Self {
            fence: UnsafeCell::new(MaybeUninit::uninit()),
            callback: UnsafeCell::new(MaybeUninit::uninit()),
            payload: AtomicUsize::new(0),
        });
        // SAFETY: No other thread knows the fence and the callback yet, and both live as long as
        // all who use them.
        unsafe {
            dma_fence_init(shared.fence(), &OPS, null_mut(), 1, 1);
            shared.callback().write(Callback {
                cb: MaybeUninit::zeroed().assume_init(),
                calls: AtomicUsize::new(0),
                found: AtomicUsize::new(0),
                shared: &*shared,
            });
        }
        shared
    }

    fn fence(&self) -> *mut dma_fence {
        self.fence.get().cast()
    }

    fn callback(&self) -> *mut Callback {
        self.callback.get().cast()
    }

    fn signal(&self) {
        self.payload.store(1, Relaxed);
        // SAFETY: Initialised, and the reference of `init` is still there.
        unsafe { dma_fence_signal(self.fence()) }
    }

    fn calls(&self) -> usize {
        // SAFETY: Written by `new`.
        unsafe { &*self.callback() }.calls.load(Relaxed)
    }
}

const READ: dma_resv_usage = dma_resv_usage_DMA_RESV_USAGE_READ;

/// A reservation object without fences, of which each thread has one.
struct Resv(UnsafeCell<MaybeUninit<dma_resv>>);

// SAFETY: It is synchronised by its own means, which the models check.
unsafe impl Send for Resv {}
// SAFETY: As for `Send`.
unsafe impl Sync for Resv {}

impl Resv {
    fn new() -> Arc<Self> {
        let resv = Arc::new(Self(UnsafeCell::new(MaybeUninit::uninit())));
        // SAFETY: No other thread knows it yet.
        unsafe { dma_resv_init(resv.get()) };
        resv
    }

    fn get(&self) -> *mut dma_resv {
        self.0.get().cast()
    }
}

unsafe extern "C" fn called(_: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The first member of a `Callback` of a `Shared` that outlives the fence.
    unsafe {
        let callback = &*cb.cast::<Callback>();
        callback.calls.fetch_add(1, Relaxed);
        let payload = (*callback.shared).payload.load(Relaxed);
        callback.found.store(payload, Relaxed);
    }
}

/// Adds the callback; true if it is, or has been, called.
///
/// # Safety
///
/// The callback is on no fence.
unsafe fn add(shared: &Shared) -> bool {
    let cb = shared.callback().cast();
    // SAFETY: The callback is on no fence, and the function suits it.
    unsafe { dma_fence_add_callback(shared.fence(), cb, Some(called)) == 0 }
}

/// Signals while `other` runs, and then looks at what both have come to.
///
/// The checker goes back only to the last access of each object, so that it finds more of what
/// the first thread does later; each of the two is the first once.
fn while_signalling<R: 'static>(begin: fn(&Shared), other: fn(&Shared) -> R, end: fn(&Shared, R)) {
    for signaller_first in [true, false] {
        loom::model(move || {
            let shared = Shared::new();
            begin(&shared);
            let second = shared.clone();
            let result = if signaller_first {
                let other = thread::spawn(move || other(&second));
                shared.signal();
                other.join().unwrap()
            } else {
                let signaller = thread::spawn(move || second.signal());
                let result = other(&shared);
                signaller.join().unwrap();
                result
            };
            end(&shared, result);
        });
    }
}

/// A callback is called exactly once if it was added, and never if it was too late; then the
/// signal, and what came before it, is visible to the caller.
#[test]
fn signal_against_add_callback() {
    while_signalling(
        |_| {},
        |shared| {
            // SAFETY: It is on no fence.
            let added = unsafe { add(shared) };
            assert!(
                added || shared.payload.load(Relaxed) == 1,
                "signalled ahead of its payload"
            );
            added
        },
        |shared, added| {
            assert_eq!(
                shared.calls(),
                usize::from(added),
                "calls, of a callback added or not"
            );
            // SAFETY: Written by `new`.
            let found = unsafe { &*shared.callback() }.found.load(Relaxed);
            assert_eq!(found, usize::from(added), "called ahead of the payload");
        },
    );
}

/// A callback that was taken back is not called, and one that was not has been called.
#[test]
fn signal_against_remove_callback() {
    while_signalling(
        // SAFETY: It is on no fence.
        |shared| assert!(unsafe { add(shared) }),
        |shared| {
            let cb = shared.callback().cast();
            // SAFETY: It was added to this fence.
            let removed = unsafe { dma_fence_remove_callback(shared.fence(), cb) };
            assert_eq!(
                shared.calls(),
                usize::from(!removed),
                "when the removal returns"
            );
            removed
        },
        |shared, removed| assert_eq!(shared.calls(), usize::from(!removed), "in the end"),
    );
}

/// A task that finds the fence signalled sees what its signaller has written before.
#[test]
fn signal_publishes() {
    while_signalling(
        |_| {},
        |shared| {
            // SAFETY: Initialised, and the reference of `init` is still there.
            let signalled = unsafe { dma_fence_is_signaled(shared.fence()) };
            let payload = shared.payload.load(Relaxed);
            assert!(!signalled || payload == 1, "signalled ahead of its payload");
        },
        |_, ()| {},
    );
}

/// The callback of a fence that is over has been called.
#[test]
fn what_is_over_has_been_called() {
    while_signalling(
        // SAFETY: It is on no fence.
        |shared| assert!(unsafe { add(shared) }),
        |shared| {
            // SAFETY: Initialised, and the reference of `init` is still there.
            if unsafe { dma_fence_is_over(shared.fence()) } {
                assert_eq!(shared.calls(), 1, "over ahead of its callback");
            }
        },
        |_, ()| {},
    );
}

/// What has the timestamp's bit has the timestamp.
#[test]
fn signal_against_timestamp() {
    const TIME: i64 = 7;
    for signaller_first in [true, false] {
        loom::model(move || {
            let shared = Shared::new();
            let second = shared.clone();
            // SAFETY: Initialised, and the reference of `init` is still there.
            let signal = |shared: &Shared| unsafe {
                dma_fence_signal_timestamp(shared.fence(), TIME);
            };
            let ask = |shared: &Shared| {
                // SAFETY: As above.
                unsafe {
                    if dma_fence_test_signaled_flag(shared.fence()) {
                        assert_eq!(dma_fence_timestamp(shared.fence()), TIME);
                    }
                }
            };
            let (first, other) = if signaller_first {
                (signal as fn(&Shared), ask as fn(&Shared))
            } else {
                (ask as fn(&Shared), signal as fn(&Shared))
            };
            let other = thread::spawn(move || other(&second));
            first(&shared);
            other.join().unwrap();
        });
    }
}

/// The stub has one timestamp, whoever asks first.
#[test]
fn two_first_users_of_the_stub() {
    loom::model(|| {
        // SAFETY: The stub stays, and has signalled.
        let ask = || unsafe { dma_fence_timestamp(dma_fence_get_stub()) };
        let other = thread::spawn(ask);
        let time = ask();
        assert_eq!(other.join().unwrap(), time);
        assert_eq!(ask(), time);
    });
}

/// What others did with their references comes before what is done after the last was dropped.
#[test]
fn two_drop_the_last_references() {
    struct Counted {
        kref: UnsafeCell<kref>,
        memory: loom::cell::UnsafeCell<usize>,
    }
    // SAFETY: The count is atomic, and protects the memory: this is what the checker checks.
    unsafe impl Send for Counted {}
    // SAFETY: As for `Send`.
    unsafe impl Sync for Counted {}

    fn put(counted: &Counted) {
        // SAFETY: Each of the two has a reference; the memory is the last one's.
        unsafe {
            counted.memory.with(|memory| *memory);
            if kref_put(counted.kref.get(), None) != 0 {
                counted.memory.with_mut(|memory| *memory = 1);
            }
        }
    }
    loom::model(|| {
        let counted = Arc::new(Counted {
            kref: UnsafeCell::new(kref::new()),
            memory: loom::cell::UnsafeCell::new(0),
        });
        // SAFETY: The caller has the first reference.
        unsafe { kref_get(counted.kref.get()) };
        let second = counted.clone();
        let other = thread::spawn(move || put(&second));
        put(&counted);
        other.join().unwrap();
    });
}

/// A task that is about to sleep sees why it is woken, or is woken.
#[test]
fn wake_against_sleep() {
    loom::model(|| {
        let done = Arc::new(AtomicUsize::new(0));
        let told = done.clone();
        // SAFETY: The task is this one's, which outlives the other.
        let task = unsafe { get_current() }.expose_provenance();
        let waker = thread::spawn(move || {
            told.store(1, Relaxed);
            // SAFETY: As above.
            unsafe { wake_up_process(core::ptr::with_exposed_provenance_mut(task)) }
        });
        // SAFETY: It is the state of this task.
        unsafe { set_current_state(TASK_UNINTERRUPTIBLE) };
        let seen = done.load(Relaxed);
        assert_ne!(
            (seen, waker.join().unwrap()),
            (0, 0),
            "it sleeps, and is not woken"
        );
    });
}

/// A reader without the lock finds a fence that is being added as it was initialised, in a new slot or
/// in the place of an earlier one.
#[test]
fn a_fence_is_added_while_it_is_read() {
    for there in [0, 1] {
        loom::model(move || {
            let (shared, resv) = (Shared::new(), Resv::new());
            let earlier = UnsafeCell::new(MaybeUninit::<dma_fence>::uninit());
            let earlier: *mut dma_fence = earlier.get().cast();
            // SAFETY: What is used by both is valid until they have ended.
            unsafe {
                dma_fence_init(earlier, &OPS, null_mut(), 1, 0);
                assert_eq!(dma_resv_reserve_fences(resv.get(), 2), 0);
                if there == 1 {
                    dma_resv_add_fence(resv.get(), earlier, READ);
                }
                let (second, list) = (shared.clone(), resv.clone());
                let reader = thread::spawn(move || {
                    let mut cursor = dma_resv_iter::new();
                    dma_resv_iter_begin(&mut cursor, list.get(), READ);
                    if dma_resv_iter_first_unlocked(&mut cursor) == second.fence() {
                        let payload = second.payload.load(Relaxed);
                        assert_eq!(payload, 1, "added ahead of its payload");
                    }
                    dma_resv_iter_end(&mut cursor);
                });
                shared.payload.store(1, Relaxed);
                dma_resv_add_fence(resv.get(), shared.fence(), READ);
                reader.join().unwrap();
            }
        });
    }
}
