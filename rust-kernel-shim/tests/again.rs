// SPDX-License-Identifier: GPL-2.0-only
//! A mistake is told once, for however many objects it is made with.
#![cfg(feature = "debug")]

use kernel::{
    sync::rcu,
    testing::{test_alone, vcpu::fifo},
    time::{delay::fsleep, Delta},
};

fn mistake(guard: rcu::Guard) {
    fsleep(Delta::from_millis(1));
    drop(guard);
}

#[test]
#[ignore = "fails: run by a_mistake_is_told_once()"]
fn makes_a_mistake_often() {
    let _ = fifo(|| {
        for _ in 0..8 {
            mistake(rcu::read_lock());
        }
        // Of another line, so it is another one.
        mistake(rcu::read_lock());
    });
}

#[test]
fn a_mistake_is_told_once() {
    let (passed, said) = test_alone("makes_a_mistake_often", &[]);
    assert!(!passed, "{said}");
    assert_eq!(said.matches("  rule rcu-no-sleep").count(), 2, "{said}");
    assert_eq!(
        said.matches("\n7 more of the same lines: BUG: ").count(),
        1,
        "{said}"
    );
    assert_eq!(
        said.matches(" more of the same lines: ").count(),
        1,
        "{said}"
    );
}
