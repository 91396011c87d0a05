// SPDX-License-Identifier: GPL-2.0-only

//! A thousand machines with work, none of which leaves memory behind; alone in
//! its process, because it counts blocks.

#![forbid(unsafe_code)]

use kernel::{
    new_condvar, new_mutex, new_work,
    prelude::*,
    sync::{Arc, CondVar, Mutex},
    testing::{memory, vcpu},
    workqueue::{self, impl_has_work, Work, WorkItem},
};

#[pin_data]
struct Counter {
    #[pin]
    count: Mutex<u32>,
    #[pin]
    changed: CondVar,
    #[pin]
    work: Work<Counter>,
}

impl_has_work! {
    impl HasWork<Self> for Counter { self.work }
}

impl WorkItem for Counter {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        *this.count.lock() += 1;
        this.changed.notify_one();
    }
}

fn count() -> Result {
    let counter = Arc::pin_init(
        pin_init!(Counter {
            count <- new_mutex!(0),
            changed <- new_condvar!(),
            work <- new_work!(),
        }),
        GFP_KERNEL,
    )?;
    for wanted in 1..=3 {
        let _ = workqueue::system().enqueue(counter.clone());
        let mut count = counter.count.lock();
        while *count < wanted {
            counter.changed.wait(&mut count);
        }
    }
    // This one is left to itself.
    let _ = workqueue::system_unbound().enqueue(counter);
    Ok(())
}

#[test]
fn machines_leave_no_memory_behind() {
    let before = memory::live_blocks();
    for _ in 0..1000 {
        assert_eq!(vcpu::fifo(count), Ok(Ok(())));
    }
    assert_eq!(memory::live_blocks(), before);
}
