// SPDX-License-Identifier: GPL-2.0-only
//! Floods of callbacks, and the barrier that waits for them.

use super::{element::Elements, flavour::Flavour};
use fastrand::Rng;
use kernel::bindings::callback_head;
use std::{
    cell::UnsafeCell,
    ptr::null_mut,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Release},
    },
    thread,
    time::Duration,
};

/// A callback that counts.
#[repr(C)]
struct Drop {
    head: UnsafeCell<callback_head>,
    called: AtomicU32,
}

/// # Safety
///
/// `head` is that of a [`Drop`], which lives until a barrier has passed.
unsafe extern "C" fn called(head: *mut callback_head) {
    let drop: *const Drop = head.cast();
    // SAFETY: The caller's guarantee.
    // Pairs with the `Acquire` in `flood()`.
    unsafe { (*drop).called.fetch_add(1, Release) };
}

/// Queues many callbacks at once, now and then, and waits for all of them.
pub(super) fn flood<F: Flavour>(elements: &Elements<'_, F>, rng: &mut Rng) {
    let mut all = 0;
    while elements.run.goes_on() {
        let drops: Vec<Drop> = (0..rng.usize(1..2000))
            .map(|_| Drop {
                head: UnsafeCell::new(callback_head {
                    next: null_mut(),
                    func: None,
                }),
                called: AtomicU32::new(0),
            })
            .collect();
        for drop in &drops {
            // SAFETY: The drops live until a barrier has waited for them.
            unsafe { elements.flavour.call(drop.head.get(), Some(called)) };
        }
        elements.flavour.barrier();
        let late = drops
            .iter()
            .filter(|drop| drop.called.load(Acquire) != 1)
            .count();
        if late != 0 {
            elements.run.fail(|| {
                "the barrier is over, and callbacks queued before it were not called once".into()
            });
            elements.flavour.true_barrier();
        }
        all += drops.len() as u64;
        thread::sleep(Duration::from_millis(rng.u64(1..50)));
    }
    elements.run.count("callbacks in floods", all);
}
