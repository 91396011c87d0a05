// SPDX-License-Identifier: GPL-2.0-only
//! A child of fork() does not wait for what only its parent has.
#![cfg(not(miri))]

use kernel::{
    alloc::flags::GFP_KERNEL,
    bindings::{call_rcu, callback_head},
    init::InPlaceInit as _,
    sync::{rcu, Arc, Completion},
    workqueue,
};
use std::ffi::c_int;

extern "C" {
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn alarm(seconds: u32) -> u32;
    fn _exit(status: c_int) -> !;
}

const SIGABRT: c_int = 6;

/// The signal that ends a child that calls `body`, which would never return.
fn child(body: fn()) -> c_int {
    // SAFETY: Other threads of this process hold no lock now: they wait for work, or for the test.
    match unsafe { fork() } {
        0 => {
            // SAFETY: The child has nothing but this to do. What hangs is ended by the alarm.
            unsafe {
                alarm(20);
                body();
                _exit(0)
            }
        }
        pid => {
            let mut status = 0;
            // SAFETY: There is such a child, and a place for its status.
            assert_eq!(unsafe { waitpid(pid, &raw mut status, 0) }, pid);
            status & 0x7f
        }
    }
}

/// Queues an RCU callback and waits until it has been called.
fn barrier() {
    extern "C" fn called(_head: *mut callback_head) {}
    let head = callback_head {
        next: std::ptr::null_mut(),
        func: None,
    };
    let head = Box::leak(Box::new(head));
    // SAFETY: It is leaked, and queued once; any thread may call a function that does nothing.
    unsafe { call_rcu(head, Some(called)) };
    rcu::rcu_barrier();
}

fn work() {
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
    let other = done.clone();
    let queued = workqueue::system().try_spawn(GFP_KERNEL, move || other.complete_all());
    queued.unwrap();
    done.wait_for_completion();
}

/// Alone in its program, so that no other test forks, or holds a lock while this one does.
#[test]
fn a_child_that_would_wait_for_its_parents_threads_is_ended() {
    for body in [barrier as fn(), work] {
        // This starts the threads that serve it.
        body();
        assert_eq!(child(body), SIGABRT);
    }
}
