// SPDX-License-Identifier: GPL-2.0-only
//! A search tries all schedules, and each once.
#![cfg(feature = "debug")]

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        rcu, Arc, Completion,
    },
    testing::{spawn, test_alone, Explorer, Outcome},
};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    vec::Vec,
};

/// Counts to two on two tasks, in two steps each.
fn counts() -> i32 {
    let count = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
    let (other, ends) = (count.clone(), done.clone());
    spawn(move || {
        let seen = other.load(Relaxed);
        other.store(seen + 1, Relaxed);
        ends.complete_all();
    });
    let seen = count.load(Relaxed);
    count.store(seen + 1, Relaxed);
    done.wait_for_completion();
    count.load(Relaxed)
}

/// The search of a body that is wrong; a process of its own gets a path to replay.
#[test]
fn a_lost_update_takes_one_preemption() {
    let search = |preemptions| {
        Explorer::new()
            .schedules(100_000)
            .search(preemptions, || assert_eq!(counts(), 2))
    };
    if std::env::var_os("FENCE_PATH").is_some() {
        let failure = search(1).expect_err("the path leads to it");
        println!("replayed in schedule {}", failure.schedule);
        return;
    }
    let search_0 = search(0).expect("a task that runs through loses nothing");
    assert!(search_0.complete, "{search_0:?}");
    let failure = search(1).expect_err("one preemption between the steps");
    assert!(matches!(failure.outcome, Outcome::Panic(_)), "{failure}");
    let path = failure.path.expect("a search has one");

    let test = "a_lost_update_takes_one_preemption";
    let (_, said) = test_alone(test, &[("FENCE_PATH", &path)]);
    assert!(said.contains("replayed in schedule 1\n"), "{said}");
}

#[test]
fn all_orders_are_tried() {
    static SEEN: Mutex<BTreeSet<Vec<u8>>> = Mutex::new(BTreeSet::new());
    let search = Explorer::new().schedules(100_000).search(0, || {
        let order = Arc::pin_init(new_mutex!(Vec::new()), GFP_KERNEL).unwrap();
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
        for task in 0..3 {
            let (order, done) = (order.clone(), done.clone());
            spawn(move || {
                let mut order = order.lock();
                order.push(task);
                if order.len() == 3 {
                    done.complete_all();
                }
            });
        }
        done.wait_for_completion();
        let order = std::mem::take(&mut *order.lock());
        SEEN.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(order);
    });
    assert!(
        search.as_ref().is_ok_and(|search| search.complete),
        "{search:?}"
    );
    assert_eq!(SEEN.lock().unwrap_or_else(PoisonError::into_inner).len(), 6);
}

/// A grace period that ends while the task which must not rely on it is stopped.
#[test]
fn a_grace_period_may_end_at_any_point() {
    let search = |section: bool| {
        // One for the other task to ask for it, one for its end.
        Explorer::new().schedules(100_000).search(2, move || {
            let freed = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
            let other = freed.clone();
            spawn(move || {
                rcu::synchronize_rcu();
                other.store(1, Relaxed);
            });
            // Without a section it has no say in how long what it has found stays.
            let _guard = section.then(rcu::read_lock);
            let found = freed.load(Relaxed);
            let still = freed.load(Relaxed);
            assert_eq!(found, still);
        })
    };
    let failure = search(false).expect_err("a grace period ends between the loads");
    assert!(matches!(failure.outcome, Outcome::Panic(_)), "{failure}");
    assert!(search(true).expect("the section is one").complete);
}

#[test]
fn a_body_that_does_not_repeat_itself_is_told_of() {
    static RUNS: Mutex<usize> = Mutex::new(0);
    let failure = Explorer::new()
        .schedules(1000)
        .search(0, || {
            let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
            *runs += 1;
            for _ in 0..1 + *runs % 2 {
                spawn(|| ());
            }
        })
        .expect_err("the number of tasks is another each time");
    assert!(matches!(failure.outcome, Outcome::Strayed(_)), "{failure}");
}

#[test]
fn shards_share_the_schedules() {
    static SEEDS: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    for shard in 0..3 {
        let run = Explorer::new()
            .schedules(20)
            .seed(5)
            .shard(shard, 3)
            .run(|| {
                let count = SEEDS.lock().unwrap_or_else(PoisonError::into_inner).len();
                SEEDS
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(count as u64);
            });
        assert_eq!(run, Ok(()));
    }
    assert_eq!(
        SEEDS.lock().unwrap_or_else(PoisonError::into_inner).len(),
        20
    );
}

/// The test that is run again explores for the report.
#[test]
fn an_exploration_is_reported() {
    if std::env::var_os("FENCE_REPORT").is_some() {
        let explorer = Explorer::new().schedules(10).from_environment();
        assert_eq!(explorer.run(|| ()), Ok(()));
        assert!(explorer.search(0, || panic!()).is_err());
        return;
    }
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("explored.json");
    let _ = std::fs::remove_file(&file);
    let path = file.to_str().expect("it is UTF-8");
    let variables = [("FENCE_REPORT", path), ("FENCE_SHARD", "2/4")];
    let (passed, said) = test_alone("an_exploration_is_reported", &variables);
    assert!(passed, "{said}");
    let lines = std::fs::read_to_string(file).expect("there is a report");
    let lines: std::vec::Vec<_> = lines.lines().collect();
    let [run, search] = lines[..] else {
        panic!("{lines:?}");
    };
    let begin = r#"{"test":"an_exploration_is_reported","at":"rust-kernel-shim/tests/search.rs:"#;
    assert!(run.starts_with(begin), "{run}");
    // Those of the numbers 1, 5 and 9.
    assert!(
        run.ends_with(r#","shard":"2/4","schedules":3,"failed":null}"#),
        "{run}"
    );
    assert!(
        search.ends_with(r#","shard":"1/1","schedules":1,"failed":"0:0"}"#),
        "{search}"
    );
}
