// SPDX-License-Identifier: GPL-2.0-only
//! Spinlocks of a thread that runs freely, which takes them as it has taken them before: lockdep knows
//! of each.
#![cfg(all(feature = "debug", not(any(loom, tsan))))]

use core::ptr::addr_of_mut;
use kernel::{
    bindings::{
        lockdep_depth, spin_lock_init, spin_lock_irqsave, spin_unlock_irqrestore, spinlock_t,
    },
    prelude::*,
    testing::test_alone,
};
use std::env;

/// Takes the lock, here, calls `inside`, and releases it.
fn locked(lock: *mut spinlock_t, inside: impl FnOnce()) {
    let before = lockdep_depth();
    // SAFETY: The lock is initialised.
    let flags = unsafe { spin_lock_irqsave(lock) };
    assert_eq!(lockdep_depth(), before + 1);
    inside();
    // SAFETY: It was taken above.
    unsafe { spin_unlock_irqrestore(lock, flags) };
    assert_eq!(lockdep_depth(), before);
}

#[test]
#[ignore = "fails if it is wrong: run by what_is_taken_often_is_known()"]
fn takes_them_often() {
    let [mut a, mut b] = [spinlock_t::new(), spinlock_t::new()];
    let [a, b] = [addr_of_mut!(a), addr_of_mut!(b)];
    // SAFETY: They may be written, and the names are literals.
    unsafe {
        spin_lock_init!(a, c"a".as_char_ptr());
        spin_lock_init!(b, c"b".as_char_ptr());
    }
    for _ in 0..4 {
        locked(a, || locked(b, || {}));
        locked(b, || {});
    }
    if env::var_os("WRONG").is_some() {
        locked(b, || locked(a, || {}));
    }
}

#[test]
fn what_is_taken_often_is_known() {
    let (passed, said) = test_alone("takes_them_often", &[]);
    assert!(passed, "{said}");
    let (passed, said) = test_alone("takes_them_often", &[("WRONG", "1")]);
    assert!(!passed, "{said}");
    assert_eq!(said.matches("  rule lock-order").count(), 1, "{said}");
}
