// SPDX-License-Identifier: GPL-2.0-only
//! Starting the machine, where it is to be known early whether it can be.

use crate::{
    bindings,
    error::{code::EAGAIN, Result},
};

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
