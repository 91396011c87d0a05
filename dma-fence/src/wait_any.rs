// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for the first of several fences.

use super::{
    bindings,
    fence::{
        to_timeout,
        Fence, //
    },
};
use kernel::{
    prelude::*,
    time::Jiffies, //
};

/// Waits until one of `fences` has signalled, but no longer than `timeout` jiffies. May sleep, and
/// nothing interrupts it.
///
/// Returns the lowest index of one that has signalled, and the jiffies that are left; `None` if
/// none has. A timeout of 0 asks each driver once, and does not sleep.
///
/// # Errors
///
/// EINVAL without fences; ENOMEM.
///
/// # Examples
///
/// ```
/// use dma_fence::{wait_any, Fence};
///
/// let stub = Fence::stub();
/// assert_eq!(wait_any(&[&stub], 10)?, Some((0, 10)));
/// # Ok::<(), kernel::error::Error>(())
/// ```
#[doc(alias = "dma_fence_wait_any_timeout")]
#[track_caller]
pub fn wait_any(fences: &[&Fence], timeout: Jiffies) -> Result<Option<(usize, Jiffies)>> {
    wait_any_raw(fences, false, timeout)
}

/// As [`wait_any`], but signals interrupt it.
///
/// # Errors
///
/// ERESTARTSYS if a signal came first; EINVAL without fences; ENOMEM.
#[doc(alias = "dma_fence_wait_any_timeout")]
#[track_caller]
pub fn wait_any_interruptible(
    fences: &[&Fence],
    timeout: Jiffies,
) -> Result<Option<(usize, Jiffies)>> {
    wait_any_raw(fences, true, timeout)
}

#[track_caller]
fn wait_any_raw(
    fences: &[&Fence],
    intr: bool,
    timeout: Jiffies,
) -> Result<Option<(usize, Jiffies)>> {
    let count = u32::try_from(fences.len())?;
    if count == 0 {
        return Err(EINVAL);
    }
    let mut idx = 0;
    // SAFETY: A `&Fence` is a pointer to a C fence with a reference that lasts for the call, and
    // the C side only reads the array.
    let left = unsafe {
        bindings::dma_fence_wait_any_timeout(
            fences.as_ptr().cast_mut().cast(),
            count,
            intr,
            to_timeout(timeout),
            &mut idx,
        )
    };
    bindings::__dma_fence_debug_point();
    match left {
        0 => {
            // C says so of a signal in the last jiffy as well.
            let signalled = fences.iter().position(|fence| fence.test_signaled_flag());
            Ok(signalled.map(|index| (index, 1)))
        }
        left if left > 0 => Ok(Some((idx as usize, left as Jiffies))),
        error => Err(Error::from_errno(error as c_int)),
    }
}
