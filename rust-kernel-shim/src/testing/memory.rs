// SPDX-License-Identifier: GPL-2.0-only
//! The machine's books: what is allocated, and what is about to be freed.

use super::vcpu;
use crate::{
    bindings,
    error::{
        code::ENOMEM,
        Result, //
    },
};

/// Returns the number of blocks that are allocated and not freed.
pub fn live_blocks() -> isize {
    bindings::slab_live()
}

/// True while an RCU callback that a task of this machine has queued has not returned.
pub fn rcu_callbacks_pending() -> bool {
    bindings::rcu_callbacks_pending()
}

/// Waits until all RCU callbacks that were queued so far have been called. Inside a read-side
/// section it would wait for itself, forever.
#[track_caller]
pub fn rcu_barrier() {
    // SAFETY: `rcu_barrier()` has no preconditions.
    unsafe { bindings::rcu_barrier() }
}

/// Sets how long a grace period may take before the kernel log says whose section it waits for
/// (ns); 21 seconds at first. Returns what it was.
pub fn set_rcu_stall_timeout(ns: u64) -> u64 {
    bindings::rcu_set_stall_timeout(ns)
}

/// Has RCU do without the host's `sys_membarrier`, so that readers pay for a full barrier; false if
/// it is too late for that, since a grace period has begun in this process.
pub fn rcu_without_membarrier() -> bool {
    machine::barrier::without_membarrier()
}

/// Returns the number of allocations that this thread has requested, failed ones included.
pub fn allocations() -> usize {
    bindings::slab_allocations()
}

/// Lets the `nth` allocation of this thread fail, counted from 1 for the next one, while it runs
/// `body`; returns what that does, and whether the allocation was reached.
///
/// As `/proc/self/fail-nth` does in a kernel with fault injection: by counting up from 1 until it
/// is not reached any more, every allocation of an operation fails once.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, testing::memory::fail_nth};
///
/// let (result, reached) = fail_nth(1, || KBox::new(1, GFP_KERNEL));
/// assert!(result.is_err() && reached);
/// let (result, reached) = fail_nth(2, || KBox::new(1, GFP_KERNEL));
/// assert!(result.is_ok() && !reached);
/// ```
///
/// What other tasks allocate for this one is not counted, see [`fail_nth_in`].
pub fn fail_nth<R>(nth: usize, body: impl FnOnce() -> R) -> (R, bool) {
    struct Restore(usize);

    impl Drop for Restore {
        fn drop(&mut self) {
            bindings::slab_fail_nth(self.0);
        }
    }

    let _restore = Restore(bindings::slab_fail_nth(nth));
    let result = body();
    let reached = nth != 0 && bindings::slab_fail_nth(0) == 0;
    (result, reached)
}

/// Runs `body` in machines of its own: with the first allocation to fail, then the second, and so on
/// until there is none more. It returns what [`fail_nth`] does, given the number.
///
/// # Panics
///
/// If a failed allocation is anything but ENOMEM, or no more than `least` are reached; what is left
/// when a machine ends is reported.
#[track_caller]
pub fn each_allocation_fails<F>(least: usize, body: impl Fn(usize) -> F)
where
    F: FnOnce() -> Result<(Result, bool)> + Send + 'static,
{
    for nth in 1.. {
        let (result, reached) = vcpu::fifo(body(nth)).unwrap().unwrap();
        assert_eq!(result, if reached { Err(ENOMEM) } else { Ok(()) }, "{nth}");
        if !reached {
            assert!(nth > least, "{nth}");
            return;
        }
    }
}

/// As [`fail_nth`], for all tasks of this machine that are called `task`, or for all that it has if
/// that is empty: the `nth` allocation that any of them requests while `body` runs fails.
///
/// A task has the name that it was started with. Work is run by tasks called `kworker`, that of a
/// queue for urgent work by `kworker/H`, of an unbound one by `kworker/u`, of a bottom half's by
/// `kworker/bh`; the functions of timers by `timers`. A machine is run in the same order again, so that
/// counting up from 1 finds every allocation here as well. What `body` only sets off, it has to wait for.
///
/// # Panics
///
/// Among threads that run freely: allocations of other tests would fail.
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     sync::{Arc, Completion},
///     testing::{memory::fail_nth_in, vcpu},
///     workqueue,
/// };
///
/// vcpu::fifo(|| {
///     let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
///     let own = done.clone();
///     let work = move || {
///         assert!(KBox::new(1, GFP_KERNEL).is_err());
///         own.complete_all();
///     };
///     let ((), reached) = fail_nth_in("kworker", 1, || {
///         workqueue::system().try_spawn(GFP_KERNEL, work).unwrap();
///         done.wait_for_completion();
///     });
///     assert!(reached);
/// })
/// .unwrap();
/// ```
#[track_caller]
pub fn fail_nth_in<R>(task: &'static str, nth: usize, body: impl FnOnce() -> R) -> (R, bool) {
    struct Restore((usize, &'static str));

    impl Drop for Restore {
        fn drop(&mut self) {
            let (nth, task) = self.0;
            bindings::slab_fail_nth_in(task, nth);
        }
    }

    assert!(
        bindings::rule::this_machine() != 0,
        "fail_nth_in() among threads that run freely"
    );
    let _restore = Restore(bindings::slab_fail_nth_in(task, nth));
    let result = body();
    let (left, _) = bindings::slab_fail_nth_in("", 0);
    (result, nth != 0 && left == 0)
}
