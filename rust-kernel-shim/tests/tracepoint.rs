// SPDX-License-Identifier: GPL-2.0-only
//! Who listens to a tracepoint, and who no longer does.

#![allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks)]

use kernel::{bindings::*, ffi::c_void};
use std::{
    fmt,
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};

unsafe fn nothing(_object: *mut c_void, _out: &mut dyn fmt::Write) -> fmt::Result {
    Ok(())
}

/// Counts its calls in what was registered.
unsafe extern "C" fn probe(data: *mut c_void, _object: *mut c_void) {
    unsafe { &*data.cast::<AtomicUsize>() }.fetch_add(1, SeqCst);
}

fn data(calls: &'static AtomicUsize) -> *mut c_void {
    std::ptr::from_ref(calls).cast_mut().cast()
}

#[test]
fn nobody_listens_twice() {
    static TP: tracepoint = tracepoint::new(c"test", c"twice", nothing);
    static CALLS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
    let [one, two] = [data(&CALLS[0]), data(&CALLS[1])];
    unsafe {
        assert_eq!(tracepoint_probe_register(&TP, probe, one), 0);
        assert_eq!(tracepoint_probe_register(&TP, probe, one), -17); // -EEXIST
        assert_eq!(tracepoint_probe_register(&TP, probe, two), 0);
        TP.hit(null_mut());
        assert_eq!(CALLS[0].load(SeqCst), 1);
        assert_eq!(CALLS[1].load(SeqCst), 1);
        assert_eq!(tracepoint_probe_unregister(&TP, probe, one), 0);
        assert_eq!(tracepoint_probe_unregister(&TP, probe, one), -2); // -ENOENT
        assert!(TP.enabled());
        assert_eq!(tracepoint_probe_unregister(&TP, probe, two), 0);
        assert!(!TP.enabled());
    }
}

#[test]
fn there_is_room_for_so_many() {
    static TP: tracepoint = tracepoint::new(c"test", c"many", nothing);
    static CALLS: [AtomicUsize; 9] = [const { AtomicUsize::new(0) }; 9];
    unsafe {
        for calls in &CALLS[..8] {
            assert_eq!(tracepoint_probe_register(&TP, probe, data(calls)), 0);
        }
        // A listener that is there comes before the room that is not.
        assert_eq!(tracepoint_probe_register(&TP, probe, data(&CALLS[0])), -17);
        assert_eq!(tracepoint_probe_register(&TP, probe, data(&CALLS[8])), -16); // -EBUSY
        for calls in &CALLS[..8] {
            assert_eq!(tracepoint_probe_unregister(&TP, probe, data(calls)), 0);
        }
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
                    let (tp, data) = (&TP, data(&CALLS));
                    match unsafe { tracepoint_probe_register(tp, probe, data) } {
                        0 => added.fetch_add(1, SeqCst),
                        error => {
                            assert_eq!(error, -17);
                            0
                        }
                    };
                    unsafe { TP.hit(null_mut()) };
                    match unsafe { tracepoint_probe_unregister(tp, probe, data) } {
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
