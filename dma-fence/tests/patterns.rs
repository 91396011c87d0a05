// SPDX-License-Identifier: GPL-2.0-only
//! What Documentation/patterns.rst shows, and what tells of its mistakes.

#![cfg(not(any(loom, tsan)))]
#![forbid(unsafe_code)]

mod patterns {
    pub(super) mod containers;
    #[cfg_attr(not(feature = "debug"), allow(dead_code))]
    pub(super) mod mistakes;
    pub(super) mod ring;
}

use dma_fence::Ktime;
#[cfg(feature = "debug")]
use kernel::testing::{console, Explorer};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc},
    testing::{device_gone, everywhere, memory::fail_nth, spawn, user},
};
use patterns::{
    containers, mistakes,
    ring::{Client, Ring},
};

struct Driver;

impl kernel::Module for Driver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

module! {
    type: Driver,
    name: "patterns",
    license: "GPL",
}

#[test]
fn fences_of_two_timelines_are_combined_in_every_way() {
    everywhere(|| {
        let (found, frame) = containers::combine().unwrap();
        assert_eq!(found, 19);
        user::close(frame).unwrap();
    });
}

#[test]
fn pairs_are_done_in_order() {
    everywhere(|| {
        let ring = Ring::new().unwrap();
        let client = Client::new(&ring).unwrap();
        for _ in 0..2 {
            let [copy, draw] = client.submit().unwrap();
            draw.wait();
            assert_eq!(copy.status(), Some(Ok(())));
            assert_eq!(draw.status(), Some(Ok(())));
        }
        ring.remove();
    });
}

#[test]
fn a_client_goes_before_its_jobs() {
    everywhere(|| {
        let ring = Ring::new().unwrap();
        let [_copy, draw] = Client::new(&ring).unwrap().submit().unwrap();
        draw.wait();
        ring.remove();
        device_gone::<Driver>();
        // No interrupt and no item of work uses it any more.
        assert!(Arc::into_unique_or_drop(ring).is_some());
    });
}

#[test]
fn what_a_removal_finds_ends() {
    everywhere(|| {
        let ring = Ring::new().unwrap();
        let (client, other) = (Client::new(&ring).unwrap(), Client::new(&ring).unwrap());
        spawn(move || while other.submit().is_ok() {});
        let fences = client.submit();
        ring.remove();
        assert!(matches!(client.submit(), Err(ENODEV)));
        for fence in fences.into_iter().flatten() {
            assert!(matches!(fence.status(), Some(Ok(()) | Err(ENODEV))));
        }
    });
}

#[test]
fn a_deadline_is_passed_on() {
    everywhere(|| {
        let ring = Ring::new().unwrap();
        let client = Client::new(&ring).unwrap();
        let [copy, draw] = client.submit().unwrap();
        draw.set_deadline(Ktime::from_nanos(7));
        let deadline = client.copies.data().0.load(Relaxed);
        // A fence that has signalled is not asked for.
        assert!(deadline == 7 || copy.status().is_some());
        ring.remove();
    });
}

#[test]
fn a_submission_fails_before_the_point_of_no_return() {
    everywhere(|| {
        let ring = Ring::new().unwrap();
        let client = Client::new(&ring).unwrap();
        for nth in 1.. {
            let (fences, reached) = fail_nth(nth, || client.submit());
            if !reached {
                assert!(nth > 3 && fences.is_ok());
                break;
            }
            assert!(matches!(fences, Err(ENOMEM)));
        }
        ring.remove();
    });
}

dma_fence::mistakes! {
    "patterns":
    mistakes::memory_of_the_second_after_the_first, "signal-eventually";
    mistakes::memory_of_the_callback_after_the_fence, "signalling-section";
    mistakes::last_user_of_a_timeline_in_an_interrupt, "sleeping function called";
}

#[cfg(feature = "debug")]
#[test]
fn registration_dropped_under_the_lock() {
    let run = |wrong| {
        let body = move || mistakes::registration_dropped_under_the_lock(wrong);
        Explorer::new().run(body)
    };
    assert_eq!(run(false), Ok(()));
    console::set_loglevel(0);
    let told = run(true).unwrap_err().to_string();
    assert!(told.contains("the rule `lock-order` was broken"), "{told}");
}
