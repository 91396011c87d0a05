// SPDX-License-Identifier: GPL-2.0-only

//! Waiting for a register to change.
//!
//! C header: [`include/linux/iopoll.h`](srctree/include/linux/iopoll.h).
//!
//! Only by sleeping: a task that is busy until some time does not let it pass on a virtual CPU, so
//! `udelay()` and what needs it are missing.

use crate::{
    bindings,
    prelude::*,
    time::{delay::fsleep, Delta, Instant, Monotonic},
};

/// Calls `op` until `cond` holds for what it returns, and returns that; sleeps for `sleep_delta`
/// between two calls.
///
/// # Errors
///
/// Those of `op`; ETIMEDOUT if `timeout_delta` is over.
///
/// # Examples
///
/// ```
/// use kernel::{io::poll::read_poll_timeout, prelude::*, time::Delta};
///
/// let mut level = 0;
/// let op = || {
///     level += 1;
///     Ok(level)
/// };
/// let delta = Delta::from_millis(1);
/// let level = read_poll_timeout(op, |&level| level == 3, delta, Delta::from_secs(60))?;
/// assert_eq!(level, 3);
/// # Ok::<(), Error>(())
/// ```
#[track_caller]
pub fn read_poll_timeout<Op, Cond, T>(
    mut op: Op,
    mut cond: Cond,
    sleep_delta: Delta,
    timeout_delta: Delta,
) -> Result<T>
where
    Op: FnMut() -> Result<T>,
    Cond: FnMut(&T) -> bool,
{
    let start = Instant::<Monotonic>::now();
    // SAFETY: `might_sleep()` has no preconditions.
    unsafe { bindings::might_sleep() };
    loop {
        let value = op()?;
        if cond(&value) {
            return Ok(value);
        }
        if start.elapsed() > timeout_delta {
            return Err(ETIMEDOUT);
        }
        if !sleep_delta.is_zero() {
            fsleep(sleep_delta);
        }
        // SAFETY: `cpu_relax()` has no preconditions.
        unsafe { bindings::cpu_relax() };
    }
}
