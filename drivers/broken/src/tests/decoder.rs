// SPDX-License-Identifier: GPL-2.0-only
//! A driver of some size, and mistakes planted in it one at a time.
//!
//! A line that is to be named ends with the word BUG and the names of the mistakes.

mod client;
mod driver;

use client::Client;
use dma_fence::testing::Mistake;
use driver::Queue;
use kernel::{
    prelude::*,
    sync::{Arc, Completion},
    testing::spawn,
};

macro_rules! planted {
    (
        reported { $($bug:ident, $says:literal;)* }
        both_ways { $($lock:ident, $names:literal;)* }
        left_behind { $($left:ident;)* }
    ) => {
        /// What the driver does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(non_camel_case_types)]
        #[cfg_attr(not(feature = "debug"), allow(dead_code, reason = "nothing is told of them"))]
        pub(super) enum Bug { none, $($bug,)* $($lock,)* $($left),* }

        $(#[test]
        #[cfg(feature = "debug")]
        fn $bug() {
            let mistake = planted(stringify!($bug), Bug::$bug);
            mistake.tell(Some($says));
            mistake.fail_explored();
        })*

        $(#[test]
        #[cfg(feature = "debug")]
        fn $lock() {
            let mistake = planted(stringify!($lock), Bug::$lock);
            mistake.tell_each($names);
            mistake.fail_explored();
        })*

        $(#[test]
        #[cfg(feature = "debug")]
        fn $left() {
            planted(stringify!($left), Bug::$left).tell_left();
        })*
    };
}

planted! {
    reported {
        allocation_under_a_spinlock, "sleeping function called from invalid context";
        data_that_owns_its_timeline, "synchronize_rcu";
        flush_that_is_not_woken, "waits for";
        flush_while_signalling, "waits for";
        job_dropped, "signal-eventually";
        job_forgotten, "signal-eventually";
        last_first, "context-order";
        mutex_twice, "though it has that itself";
        mutex_under_a_spinlock, "sleeping function called from invalid context";
        reference_left, "reference-left";
        removal_that_is_not_woken, "waits for";
        signal_in_a_callback, "a callback takes the lock of fence";
        spinlock_twice, "though it has that itself";
        status_in_a_callback, "callback-atomic";
        timeline_dropped_in_the_handler, "sleeping function called from invalid context";
        wait_in_the_worker, "waits for";
        wait_under_a_mutex, "waits for";
        wait_under_a_spinlock, "sleeping function called from invalid context";
    }
    // The other of two orders, or marks, is in the report as well.
    both_ways {
        allocation_while_signalling, "signalling-section";
        poll_under_a_lock, "lock-order";
        registration_dropped_under_a_lock, "lock-order";
        spinlock_that_interrupts_take, "irq-lock-order";
        timer_cancelled_under_its_lock, "lock-order";
        two_orders_of_queue_locks, "lock-order";
        wait_while_signalling, "signalling-section";
        wait_with_a_timeout_under_a_mutex, "signalling-section";
    }
    left_behind {
        interrupt_after_the_end;
        work_after_the_end;
    }
}

/// Two clients have pictures decoded; one goes while its last is under way.
fn decode(bug: Bug) -> Result {
    let queues = [Queue::new(bug)?, Queue::new(bug)?];
    let client = Client::open(bug, &queues)?;
    let other = Client::open(bug, &queues)?;
    let gone = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let goes = gone.clone();
    spawn(move || {
        let picture = other.decode();
        other.queued();
        drop(other);
        if let Ok(picture) = picture {
            picture.wait();
        }
        goes.complete_all();
    });
    let (first, second) = (client.decode()?, client.decode()?);
    client.wait(&first)?;
    client.queued();
    client.wait(&second)?;
    queues[1].flush();
    // Of what is under way then the end is an error.
    let last = client.decode()?;
    drop(client);
    queues.iter().for_each(|queue| queue.remove());
    last.wait();
    gone.wait_for_completion();
    Ok(())
}

fn planted(
    name: &'static str,
    bug: Bug,
) -> Mistake<impl Fn(bool) -> Result + Copy + Send + Sync + 'static> {
    Mistake {
        files: &[
            ("tests/decoder/client.rs", include_str!("decoder/client.rs")),
            ("tests/decoder/driver.rs", include_str!("decoder/driver.rs")),
        ],
        name,
        driver: move |wrong| decode(if wrong { bug } else { Bug::none }),
    }
}

#[test]
fn the_driver_makes_no_mistake() {
    planted("none", Bug::none).acquit(300);
}

#[test]
#[cfg(feature = "debug")]
#[should_panic(expected = "at a line that is marked for mutex_twice")]
fn a_line_is_marked_for_some_mistakes() {
    planted("mutex_twice", Bug::last_first).tell(Some("context-order"));
}
