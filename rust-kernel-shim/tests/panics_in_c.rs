// SPDX-License-Identifier: GPL-2.0-only
//! A panic in a function that a driver gives to C leaves an `extern "C"` function, and cannot be
//! caught: the process ends, and names the line and the task.
#![cfg(all(feature = "debug", not(any(miri, tsan))))]

use kernel::{
    bindings::{
        call_rcu, callback_head, init_irq_work, init_work_with_key, irq_work, irq_work_queue,
        jiffies, mod_timer, queue_work, system_wq, timer_init_key, timer_list, work_struct,
    },
    str::CStrExt as _,
    testing::{explore, memory::rcu_barrier, test_alone, vcpu::fifo},
    time::{delay::fsleep, Delta},
};
use std::{
    boxed::Box,
    env,
    ptr::{null, null_mut},
};

/// Where the drivers of this file panic.
const LINE: u32 = line!() + 3;

extern "C" fn broken<T>(_of: *mut T) {
    [0; 0].first().expect("planted");
}

/// Memory that is never freed.
fn forever<T>() -> *mut T {
    Box::leak(Box::<T>::new_uninit()).as_mut_ptr()
}

fn irq_work_function() {
    let work = forever::<irq_work>();
    // SAFETY: The memory is never freed.
    unsafe {
        init_irq_work(work, Some(broken));
        irq_work_queue(work);
    }
}

fn timer_function() {
    let timer = forever::<timer_list>();
    // SAFETY: The memory is never freed.
    unsafe {
        timer_init_key(timer, Some(broken), 0, null(), null_mut());
        mod_timer(timer, jiffies() + 1);
    }
}

fn work_function() {
    let work = forever::<work_struct>();
    // SAFETY: The memory is never freed, and the name is a literal.
    unsafe {
        init_work_with_key(work, Some(broken), false, c"work".as_char_ptr(), null_mut());
        queue_work(system_wq, work);
    }
}

fn rcu_callback() {
    let head = forever::<callback_head>();
    // SAFETY: The memory is never freed.
    unsafe { call_rcu(head, Some(broken)) };
    rcu_barrier();
}

const WAYS: [fn(); 4] = [
    irq_work_function,
    timer_function,
    work_function,
    rcu_callback,
];

/// Run by the test below, each in a process of its own.
#[test]
#[ignore = "dies: run by the_process_ends_and_names_the_line()"]
fn dies() {
    let way = WAYS[env::var("WAY").unwrap().parse::<usize>().unwrap()];
    let body = move || {
        // A thread that runs freely is a task from its first sleep on.
        fsleep(Delta::from_micros(1));
        way();
        fsleep(Delta::from_secs(1));
    };
    match env::var("MODE").unwrap().as_str() {
        "fifo" => fifo(body).unwrap(),
        "explore" => explore(body),
        _ => body(),
    }
    println!("not reached");
}

#[test]
fn the_process_ends_and_names_the_line() {
    for way in 0..WAYS.len() {
        for mode in ["fifo", "explore", "free"] {
            let way = way.to_string();
            let (passed, printed) = test_alone("dies", &[("WAY", &way), ("MODE", mode)]);
            assert!(!passed && !printed.contains("not reached"), "{printed}");
            let at = format!("panicked at rust-kernel-shim/tests/panics_in_c.rs:{LINE}:");
            for words in [&at, "planted", "Oops: aborted\n  task "] {
                assert!(printed.contains(words), "{way} {mode} {words}: {printed}");
            }
            let seed = printed.contains("FENCE_SEED=");
            assert_eq!(seed, mode == "explore", "{printed}");
        }
    }
}
