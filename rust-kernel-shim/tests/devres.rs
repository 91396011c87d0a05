// SPDX-License-Identifier: GPL-2.0-only
//! What belongs to devices: it goes once, when its owner or its device does, and not in use.

#![forbid(unsafe_code)]

use kernel::{
    device::{Bound, Device},
    devres::{self, Devres},
    faux, new_mutex,
    prelude::*,
    sync::{rcu, Arc, Mutex},
    testing::{console, everywhere, explore, memory, spawn, Explorer},
};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

fn device(name: &CStr) -> faux::Registration {
    faux::Registration::new(name, None).unwrap()
}

fn bound(registration: &faux::Registration) -> &Device<Bound> {
    registration.as_ref().as_ref()
}

/// A value whose drop takes a while.
struct Value {
    drops: std::sync::Arc<AtomicU32>,
    used: AtomicBool,
}

impl Value {
    fn new(drops: &std::sync::Arc<AtomicU32>) -> Self {
        let (drops, used) = (drops.clone(), AtomicBool::new(false));
        Self { drops, used }
    }

    fn use_it(&self) {
        self.used.store(true, SeqCst);
        // Another task may run here.
        drop(rcu::read_lock());
        self.used.store(false, SeqCst);
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        assert!(!self.used.load(SeqCst), "dropped in use");
        drop(rcu::read_lock());
        self.drops.fetch_add(1, SeqCst);
    }
}

#[test]
fn the_youngest_goes_first() {
    everywhere(|| {
        /// Says when it goes.
        struct Says(u32, Arc<Mutex<KVec<u32>>>);

        impl Drop for Says {
            fn drop(&mut self) {
                self.1.lock().push(self.0, GFP_KERNEL).unwrap();
            }
        }

        let log = Arc::pin_init(new_mutex!(KVec::new()), GFP_KERNEL).unwrap();
        let device = device(c"device");
        let own = |n| Says(n, log.clone());
        devres::register(bound(&device), own(0), GFP_KERNEL).unwrap();
        let early = Devres::new(bound(&device), own(1)).unwrap();
        let late = Devres::new(bound(&device), own(2)).unwrap();
        devres::register(bound(&device), own(3), GFP_KERNEL).unwrap();
        drop(early);
        drop(device);
        assert_eq!(**log.lock(), [1, 3, 2, 0]);
        assert!(late.try_access().is_none());
        drop(late);
        assert_eq!(log.lock().len(), 4);
    });
}

#[test]
fn a_value_goes_once_and_both_wait_for_it() {
    explore(|| {
        let drops = std::sync::Arc::new(AtomicU32::new(0));
        let device = device(c"device");
        let value = Arc::new(
            Devres::new(bound(&device), Value::new(&drops)).unwrap(),
            GFP_KERNEL,
        );
        let value = value.unwrap();
        let (own, seen) = (value.clone(), drops.clone());
        spawn(move || {
            own.try_access_with(Value::use_it);
            drop(own);
            let _ = seen;
        });
        let (own, seen) = (value, drops.clone());
        spawn(move || {
            if let Some(devres) = Arc::into_unique_or_drop(own) {
                drop(devres);
                assert_eq!(seen.load(SeqCst), 1);
            }
        });
        drop(device);
        assert_eq!(drops.load(SeqCst), 1);
    });
}

#[test]
fn only_the_device_of_a_value_gives_it_out() {
    everywhere(|| {
        let (device, other) = (device(c"device"), device(c"other"));
        let value = Devres::new(bound(&device), 7).unwrap();
        assert_eq!(value.access(bound(&device)), Ok(&7));
        assert_eq!(value.access(bound(&other)), Err(EINVAL));
        assert_eq!(value.device().name(), c"device");
        // A device that has gone stays for those who have a reference.
        drop(device);
        assert_eq!(value.device().name(), c"device");
        assert!(value.try_access_with_guard(&rcu::read_lock()).is_none());
    });
}

#[test]
fn nothing_is_left_when_memory_fails() {
    let outcome = Explorer::new().schedules(1).run(|| {
        let body = || -> Result {
            let drops = std::sync::Arc::new(AtomicU32::new(0));
            let device = faux::Registration::new(c"device", None)?;
            let inner = faux::Registration::new(c"inner", Some(device.as_ref().as_ref()))?;
            devres::register(bound(&inner), Value::new(&drops), GFP_KERNEL)?;
            drop(device);
            Devres::new(bound(&inner), Value::new(&drops))?;
            drop(inner);
            assert_eq!(drops.load(SeqCst), 2);
            Ok(())
        };
        for nth in 1..20 {
            let _ = memory::fail_nth(nth, body);
        }
        assert_eq!(body(), Ok(()));
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn a_device_says_who_it_is() {
    let device = device(c"lamp-0");
    dev_info!(device.as_ref(), "on since {}\n", 7);
    assert_eq!(console::said("faux_driver lamp-0: on since 7"), 1);
}
