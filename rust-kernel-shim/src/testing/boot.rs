// SPDX-License-Identifier: GPL-2.0-only
//! Starting the machine, where it is to be known early whether it can be.

use crate::{
    bindings,
    error::{code::EAGAIN, Result},
};
use machine::task;

/// Starts the threads that the kernel itself needs. They start by themselves when they are first
/// needed; but if the host has none for them then, the kernel panics.
///
/// # Errors
///
/// EAGAIN if the host has no thread.
///
/// # Examples
///
/// ```
/// kernel::testing::boot()?;
/// # Ok::<(), kernel::error::Error>(())
/// ```
pub fn boot() -> Result {
    if bindings::rcu_start() {
        Ok(())
    } else {
        Err(EAGAIN)
    }
}

/// Calls `body` while this thread can start no task, as if `RLIMIT_NPROC` were reached.
///
/// A timer or an item of work that needs one ends the machine, with
/// [`Stuck::Bug`](super::vcpu::Stuck::Bug) on a virtual CPU and a kernel panic elsewhere.
pub fn refuse_threads<R>(body: impl FnOnce() -> R) -> R {
    struct Restore(bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            task::refuse_threads(self.0);
        }
    }

    let _restore = Restore(task::refuse_threads(true));
    body()
}
