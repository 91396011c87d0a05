// SPDX-License-Identifier: GPL-2.0-only
//! Values that are taken away from those who use them.

#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    revocable::Revocable,
    sync::{rcu, Arc},
    testing::{spawn, Explorer},
};
use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        Barrier,
    },
    thread,
};

/// Counts what is dropped.
struct Counts<'a>(&'a AtomicUsize);

impl Drop for Counts<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_value_is_dropped_once() -> Result {
    let drops = AtomicUsize::new(0);
    let value = KBox::pin_init(Revocable::new(Counts(&drops)), GFP_KERNEL)?;
    assert!(value.try_access().is_some());
    assert!(value.revoke());
    assert_eq!(drops.load(SeqCst), 1);
    assert!(!value.revoke() && value.try_access().is_none());
    assert!(value.try_access_with_guard(&rcu::read_lock()).is_none());
    drop(value);
    assert_eq!(drops.load(SeqCst), 1);
    drop(KBox::pin_init(Revocable::new(Counts(&drops)), GFP_KERNEL)?);
    assert_eq!(drops.load(SeqCst), 2);
    Ok(())
}

#[test]
fn a_user_is_waited_for() -> Result {
    let (drops, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let value = KBox::pin_init(Revocable::new(Counts(&drops)), GFP_KERNEL)?;
    let begun = Barrier::new(2);
    thread::scope(|s| {
        s.spawn(|| {
            let user = value.try_access().unwrap();
            begun.wait();
            for _ in 0..1000 {
                thread::yield_now();
                assert_eq!(user.0.load(SeqCst), 0, "dropped in use");
            }
            ended.store(true, SeqCst);
        });
        begun.wait();
        assert!(value.revoke());
        assert!(ended.load(SeqCst), "revoked in use");
    });
    Ok(())
}

#[test]
fn a_value_is_not_dropped_in_use_under_any_schedule() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    let explored = Explorer::new().schedules(200).run(|| {
        let before = DROPPED.load(SeqCst);
        let value = Arc::pin_init(Revocable::new(Counts(&DROPPED)), GFP_KERNEL).unwrap();
        for _ in 0..2 {
            let value = value.clone();
            spawn(move || {
                value.try_access_with(|counts| {
                    let found = counts.0.load(SeqCst);
                    // Another task may run here.
                    drop(rcu::read_lock());
                    assert_eq!(found, counts.0.load(SeqCst), "dropped in use");
                });
            });
        }
        assert!(value.revoke());
        assert_eq!(DROPPED.load(SeqCst), before + 1);
    });
    assert!(explored.is_ok(), "{explored:?}");
}
