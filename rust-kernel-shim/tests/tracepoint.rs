// SPDX-License-Identifier: GPL-2.0-only
//! Probes of a tracepoint: registered, unregistered, too many.

use kernel::{
    bindings::{
        __tracepoint_rust_sample_loaded, tracepoint, tracepoint_probe_register,
        tracepoint_probe_unregister,
    },
    ffi::{c_int, c_void},
    testing::trace,
};
use std::{
    fmt,
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};

fn nothing(_object: *mut c_void, _out: &mut dyn fmt::Write) -> fmt::Result {
    Ok(())
}

/// Counts its calls in what was registered.
///
/// # Safety
///
/// `data` is that of a counter.
unsafe extern "C" fn probe(data: *mut c_void, _object: *mut c_void) {
    // SAFETY: `data` is that of a counter: the caller's guarantee.
    unsafe { &*data.cast::<AtomicUsize>() }.fetch_add(1, SeqCst);
}

fn data(calls: &'static AtomicUsize) -> *mut c_void {
    std::ptr::from_ref(calls).cast_mut().cast()
}

/// Has the calls counted in `calls`.
fn register(tp: &'static tracepoint, calls: &'static AtomicUsize) -> c_int {
    // SAFETY: The counter is static, and any thread may count.
    unsafe { tracepoint_probe_register(tp, probe, data(calls)) }
}

/// Ends what [`register`] began.
fn unregister(tp: &'static tracepoint, calls: &'static AtomicUsize) -> c_int {
    // SAFETY: `tracepoint_probe_unregister()` has no preconditions.
    unsafe { tracepoint_probe_unregister(tp, probe, data(calls)) }
}

/// Comes by with no object.
fn hit(tp: &'static tracepoint) {
    // SAFETY: Only `probe` listens, which does not look at the object.
    unsafe { tp.hit(null_mut()) };
}

#[test]
fn a_probe_listens_once() {
    static TP: tracepoint = tracepoint::new(c"test", c"twice", nothing);
    static CALLS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
    let [one, two] = &CALLS;
    assert_eq!(register(&TP, one), 0);
    assert_eq!(register(&TP, one), -17); // -EEXIST
    assert_eq!(register(&TP, two), 0);
    hit(&TP);
    assert_eq!(one.load(SeqCst), 1);
    assert_eq!(two.load(SeqCst), 1);
    assert_eq!(unregister(&TP, one), 0);
    assert_eq!(unregister(&TP, one), -2); // -ENOENT
    assert!(TP.enabled());
    assert_eq!(unregister(&TP, two), 0);
    assert!(!TP.enabled());
}

#[test]
fn there_is_room_for_so_many() {
    static TP: tracepoint = tracepoint::new(c"test", c"many", nothing);
    static CALLS: [AtomicUsize; 9] = [const { AtomicUsize::new(0) }; 9];
    for calls in &CALLS[..8] {
        assert_eq!(register(&TP, calls), 0);
    }
    // A listener that is there comes before the room that is not.
    assert_eq!(register(&TP, &CALLS[0]), -17);
    assert_eq!(register(&TP, &CALLS[8]), -16); // -EBUSY
    for calls in &CALLS[..8] {
        assert_eq!(unregister(&TP, calls), 0);
    }
}

#[test]
fn of_two_who_end_it_one_has_ended_it() {
    static TP: tracepoint = tracepoint::new(c"test", c"race", nothing);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let added = AtomicUsize::new(0);
    let removed = AtomicUsize::new(0);
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..500 {
                    match register(&TP, &CALLS) {
                        0 => added.fetch_add(1, SeqCst),
                        error => {
                            assert_eq!(error, -17);
                            0
                        }
                    };
                    hit(&TP);
                    match unregister(&TP, &CALLS) {
                        0 => removed.fetch_add(1, SeqCst),
                        error => {
                            assert_eq!(error, -2);
                            0
                        }
                    };
                }
            });
        }
    });
    assert_eq!(added.into_inner(), removed.into_inner());
    assert!(!TP.enabled());
}

kernel::declare_trace! {
    /// # Safety
    ///
    /// None is needed.
    unsafe fn rust_sample_loaded(magic: c_int);
}

#[test]
fn rust_hits_those_of_c() {
    let loaded = |magic| {
        // SAFETY: None is needed.
        unsafe { rust_sample_loaded(magic) }
    };
    let mut events = Vec::new();
    loaded(1);
    let recording = trace::record(&__tracepoint_rust_sample_loaded).unwrap();
    loaded(2);
    drop(recording);
    loaded(3);
    trace::take(|event| events.push(event.to_owned()));
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(
        events[0].ends_with("rust_sample_loaded: magic=2"),
        "{events:?}"
    );
}
