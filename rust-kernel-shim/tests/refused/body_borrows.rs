// SPDX-License-Identifier: GPL-2.0-only

//! A body of a test borrows nothing of its caller: a machine that is stuck returns, while its
//! threads, and those that the body has started by itself, stay forever.

use kernel::{
    prelude::*,
    sync::Completion,
    testing::{everywhere, expect_report, explore, report::reports_of, spawn, vcpu, Explorer},
};

fn stuck_while_another_thread_looks(n: &u32) {
    let never = KBox::pin_init(Completion::new(), GFP_KERNEL).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| loop {
            assert_eq!(*n, 7);
        });
        never.wait_for_completion();
    });
}

fn main() {
    let n = 7;
    let _ = vcpu::fifo(|| stuck_while_another_thread_looks(&n));
    let _ = vcpu::fifo_with_stack(1 << 20, || assert_eq!(n, 7));
    explore(|| assert_eq!(n, 7));
    let _ = Explorer::new().run(|| assert_eq!(n, 7));
    everywhere(|| assert_eq!(n, 7));
    expect_report("rcu-no-sleep", || assert_eq!(n, 7));
    let _ = reports_of(|| assert_eq!(n, 7));
    spawn(|| assert_eq!(n, 7));
}
