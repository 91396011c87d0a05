// SPDX-License-Identifier: GPL-2.0-only
//! To what runs on it, a task of a machine is a thread of the host: it has thread-locals, a name and a
//! stack of its own, whatever ran before it, and whoever switches between tasks.
#![cfg(not(miri))]
#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    sync::{Arc, Completion},
    testing::{spawn, test_alone, vcpu, Explorer},
    time::{delay::fsleep, Delta},
    workqueue,
};
use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::{mpsc, Mutex},
    thread,
};

fn completion() -> Arc<Completion> {
    Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap()
}

/// Runs `body` in two tasks of each of 20 schedules, and in the first task.
fn in_tasks(body: impl Fn(u32) + Clone + Send + Sync + 'static) {
    let schedule = move || {
        let tasks = [1, 2].map(|n| {
            let (body, done) = (body.clone(), completion());
            let told = done.clone();
            spawn(move || {
                body(n);
                told.complete_all();
            });
            done
        });
        body(3);
        tasks.iter().for_each(|done| done.wait_for_completion());
    };
    Explorer::new().schedules(20).run(schedule).unwrap();
}

std::thread_local! {
    static OWN: Cell<u32> = const { Cell::new(0) };
}

#[test]
fn a_thread_local_is_a_tasks_own() {
    in_tasks(|n| {
        assert_eq!(OWN.replace(n), 0, "another task has left it");
        for _ in 0..5 {
            fsleep(Delta::from_micros(1));
        }
        assert_eq!(OWN.get(), n, "another task has changed it");
    });
}

/// Says when its thread ends.
struct AtExit(mpsc::Sender<u32>, u32);

impl Drop for AtExit {
    fn drop(&mut self) {
        self.0.send(self.1).unwrap();
    }
}

std::thread_local! {
    static AT_EXIT: Cell<Option<AtExit>> = const { Cell::new(None) };
}

#[test]
fn what_a_task_leaves_to_its_thread_is_dropped_with_it() {
    let (sender, ends) = mpsc::channel();
    in_tasks(move |n| assert!(AT_EXIT.replace(Some(AtExit(sender.clone(), n))).is_none()));
    let sum: u32 = ends.iter().take(60).sum();
    assert_eq!(sum, 20 * (1 + 2 + 3));
}

#[test]
fn a_thread_has_the_name_of_its_task() {
    let test = thread::current().name().unwrap().to_string();
    let schedule = move || {
        let name = || thread::current().name().unwrap().to_string();
        assert_eq!(name(), test);
        let done = [completion(), completion()];
        let (one, two) = (done[0].clone(), done[1].clone());
        let work = move || {
            assert_eq!(name(), "kworker");
            one.complete_all();
        };
        let queued = workqueue::system().try_spawn(GFP_KERNEL, work);
        assert!(queued.is_ok());
        let test = test.clone();
        spawn(move || {
            assert!(name() != "kworker" && name() != test);
            two.complete_all();
        });
        done.iter().for_each(|done| done.wait_for_completion());
    };
    Explorer::new().schedules(20).run(schedule).unwrap();
}

/// Or a schedule would cost as much as its threads do.
#[test]
#[cfg(all(target_arch = "x86_64", not(tsan)))]
fn a_thread_serves_one_task_after_the_other() {
    let ids = std::sync::Arc::new(Mutex::new(BTreeSet::new()));
    let seen = ids.clone();
    in_tasks(move |_| {
        let id = std::format!("{:?}", thread::current().id());
        seen.lock().unwrap().insert(id);
    });
    assert_eq!(ids.lock().unwrap().len(), 3);
}

#[test]
fn a_task_runs_a_machine() {
    let end = vcpu::fifo(|| {
        let done = completion();
        let told = done.clone();
        spawn(move || {
            in_tasks(|_| ());
            told.complete_all();
        });
        done.wait_for_completion();
    });
    assert_eq!(end, Ok(()));
}

#[test]
#[ignore = "prints: run by the_schedule_is_the_same_whoever_switches()"]
fn prints_schedules() {
    for seed in 1..=50 {
        let log = std::sync::Arc::new(Mutex::new(std::string::String::new()));
        let order = log.clone();
        let schedule = move || {
            let tasks = [1, 2, 3].map(|n| {
                let (order, done) = (order.clone(), completion());
                let told = done.clone();
                spawn(move || {
                    for _ in 0..4 {
                        completion().complete_all();
                        *order.lock().unwrap() += &std::format!(" {n}");
                    }
                    told.complete_all();
                });
                done
            });
            tasks.iter().for_each(|done| done.wait_for_completion());
        };
        Explorer::new()
            .seed(seed)
            .schedules(1)
            .run(schedule)
            .unwrap();
        std::println!("order {seed}:{}", log.lock().unwrap());
    }
}

#[test]
fn the_schedule_is_the_same_whoever_switches() {
    let [here, host] = ["", "host"].map(|by| {
        let (passed, printed) = test_alone("prints_schedules", &[("FENCE_SWITCH", by)]);
        assert!(passed, "{printed}");
        let orders = printed.lines().filter(|line| line.starts_with("order "));
        orders
            .map(std::string::String::from)
            .collect::<std::vec::Vec<_>>()
    });
    assert!(here.len() == 50 && here[0] != here[1]);
    assert_eq!(here, host);
}

fn deeper(depth: u64) -> u64 {
    let here = core::hint::black_box([depth; 64]);
    if depth == u64::MAX {
        return 0;
    }
    deeper(depth + 1) + here[1]
}

#[test]
#[ignore = "ends its process: run by a_stack_that_is_too_small_ends_the_process()"]
fn overflows_a_stack() {
    in_tasks(|n| _ = (n == 1).then(|| deeper(0)));
}

#[test]
fn a_stack_that_is_too_small_ends_the_process() {
    for by in ["", "host"] {
        let (passed, printed) = test_alone("overflows_a_stack", &[("FENCE_SWITCH", by)]);
        assert!(
            !passed && printed.contains("has overflowed its stack"),
            "{printed}"
        );
    }
}
