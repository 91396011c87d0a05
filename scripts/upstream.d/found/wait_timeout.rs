// SPDX-License-Identifier: GPL-2.0-only

//! When does a wait of 1000 ms end, if what is waited for never comes, and something else wakes the
//! waiter up? Put beside Tyr's `wait.rs`: Documentation/found-upstream/wait-timeout.rst.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
    time::{delay::fsleep, Delta, Instant, Monotonic},
    workqueue,
};

mod wait;
use wait::{Wait, WaitResult};

module! {
    type: WaitTimeout,
    name: "wait_timeout",
    authors: ["dma-fence"],
    description: "Prints when a wait of 1000 ms ends",
    license: "GPL",
}

/// Waits for 1000 ms, and is woken up `times` times, each after `ms`; returns how long it took, in ms.
fn took(times: u32, ms: i64) -> Result<i64> {
    let wait = Wait::<()>::new()?;
    let done = Arc::new(Atomic::new(false), GFP_KERNEL)?;
    let (theirs, told) = (wait.clone(), done.clone());
    workqueue::system().try_spawn(GFP_KERNEL, move || {
        for _ in 0..times {
            fsleep(Delta::from_millis(ms));
            theirs.notify_all();
        }
        told.store(true, Relaxed);
    })?;
    let start = Instant::<Monotonic>::now();
    let result = wait.wait_interruptible_timeout(1000, |_| Ok(WaitResult::Retry));
    let took = start.elapsed().as_millis();
    pr_info!("woken up {times} times, each after {ms} ms: {result:?} after {took} ms\n");
    while !done.load(Relaxed) {
        fsleep(Delta::from_millis(1));
    }
    Ok(took)
}

struct WaitTimeout;

impl kernel::Module for WaitTimeout {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        for (times, ms) in [(0, 0), (20, 10), (5, 100), (1, 800)] {
            took(times, ms)?;
        }
        Ok(Self)
    }
}

/// Each wake-up may cost a jiffy. Too late is not always a mistake: a schedule can keep a task away.
#[kernel::macros::kunit_tests(wait_timeout)]
mod tests {
    use super::took;
    use kernel::prelude::*;

    #[test]
    fn undisturbed() -> Result {
        assert!(took(0, 0)? > 900);
        Ok(())
    }

    #[test]
    fn woken_up() -> Result {
        assert!(took(20, 10)? > 900);
        Ok(())
    }
}
