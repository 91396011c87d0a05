// SPDX-License-Identifier: GPL-2.0-only
//! What was reached in a section of a machine that got stuck stays, and holds up no other machine.
#![forbid(unsafe_code)]

use dma_fence::{testing::Plain, Fence, FenceContext};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{aref::ARef, rcu, Arc, LockedBy, Mutex},
    testing::{
        vcpu::{fifo, Stuck},
        without_checks,
    },
};
use std::sync::mpsc;

const NAME: &CStr = c"a driver whose name is found nowhere else";

/// A name found under a guard that is leaked, by a task of a machine that then `ends`, and what
/// the name has become after its timeline is gone.
fn leaked_name(ends: fn()) -> Result<Stuck> {
    let names = FenceContext::new(7, NAME, c"timeline", Plain);
    let context: Arc<FenceContext<Plain>> = Arc::pin_init(names, GFP_KERNEL)?;
    let issued = context.new_fence_allocation(())?.new_fence();
    let fence: ARef<Fence> = issued.as_fence().into();
    let (found, name) = mpsc::channel::<&'static CStr>();
    let end = fifo(move || {
        let guard = KBox::leak(KBox::new(rcu::read_lock(), GFP_ATOMIC).unwrap());
        found.send(fence.driver_name(guard)).unwrap();
        without_checks(ends);
    });
    let name = name.recv().unwrap();
    assert_eq!(name, NAME);
    issued.signal(Ok(()));
    // This waits for a grace period, and not for the section that will never end.
    drop(context);
    let len = NAME.to_bytes_with_nul().len();
    for _ in 0..100 {
        core::mem::forget(KVec::from_elem(b'x', len, GFP_KERNEL)?);
    }
    assert_eq!(name, NAME);
    Ok(end.expect_err("it does not end by itself"))
}

#[test]
fn names_outlive_a_deadlock() -> Result {
    let end = leaked_name(|| {
        let lock = KBox::pin_init(new_mutex!(()), GFP_KERNEL).unwrap();
        let _first = lock.lock();
        let _second = lock.lock();
    });
    assert_eq!(end?, Stuck::Deadlock);
    Ok(())
}

#[test]
fn names_outlive_a_bug() -> Result {
    let end = leaked_name(|| {
        let lock = || KBox::pin_init(new_mutex!(1), GFP_KERNEL).unwrap();
        let (right, wrong): (Pin<KBox<Mutex<u8>>>, _) = (lock(), lock());
        LockedBy::new(&right, ()).access(&*wrong.lock());
    });
    assert!(matches!(end?, Stuck::Bug(_)));
    Ok(())
}
