// SPDX-License-Identifier: GPL-2.0-only
//! Exploring with faults: each finds what it is for, and a seed replays it.
#![cfg(feature = "debug")]

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        rcu, Arc,
    },
    testing::{spawn, Explorer, Failure},
};

/// The first failure, which its seed replays.
fn found(explorer: Explorer, body: fn()) -> Result<(), Failure> {
    let outcome = explorer.run(body);
    if let Err(failure) = &outcome {
        let again = explorer.seed(failure.seed).schedules(1).run(body);
        assert_eq!(again.map_err(|f| f.outcome), Err(failure.outcome.clone()));
    }
    outcome
}

#[test]
fn an_allocation_fails_in_any_task() {
    let body = || {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL);
        let Ok(count) = count else { return };
        let other = count.clone();
        spawn(move || {
            // Nothing is done about it.
            if KBox::new(1, GFP_KERNEL).is_err() {
                other.store(1, Relaxed);
            }
        });
        kernel::time::delay::fsleep(kernel::time::Delta::from_millis(1));
        assert_eq!(count.load(Relaxed), 0, "an allocation has failed");
    };
    // What spawn() itself allocates may not fail: it panics.
    let explorer = Explorer::new().schedules(50);
    assert_eq!(found(explorer, body), Ok(()));
    let failure = found(explorer.failing_allocation(8), body).expect_err("one of them fails");
    assert!(failure.to_string().contains("panic"), "{failure}");
}

/// The steps that a writer takes while it should have seen a reader; without faults, readers are
/// seldom so slow.
#[test]
fn a_reader_that_is_slow_is_overtaken() {
    let body = || {
        let steps = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
        let other = steps.clone();
        spawn(move || {
            for _ in 0..40 {
                let step = other.load(Relaxed);
                other.store(step + 1, Relaxed);
            }
        });
        let _guard = rcu::read_lock();
        let before = steps.load(Relaxed);
        let after = (0..10).map(|_| steps.load(Relaxed)).fold(0, i32::max);
        assert!(after - before < 35, "a reader was slow");
    };
    let explorer = Explorer::new().schedules(30);
    let failing = |explorer: Explorer| {
        (1..=60)
            .filter(|&seed| explorer.seed(seed).schedules(1).run(body).is_err())
            .count()
    };
    let (usual, slow) = (failing(explorer), failing(explorer.slow_readers()));
    assert!(
        slow > 2 * usual && slow > 5,
        "{usual} of 60 schedules, and {slow} with slow readers"
    );
}
