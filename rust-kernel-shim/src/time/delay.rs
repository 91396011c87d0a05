// SPDX-License-Identifier: GPL-2.0-only

//! Waiting for time to pass.
//!
//! C header: [`include/linux/delay.h`](srctree/include/linux/delay.h).

use super::Delta;
use crate::{bindings, ffi::c_ulong};

/// Sleeps for at least `delta`; may sleep, as the name says.
///
/// A negative `delta`, or a longer one, counts as `i32::MAX` microseconds.
#[doc(alias = "usleep_range")]
#[track_caller]
pub fn fsleep(delta: Delta) {
    // CAST: Widens.
    const MAX: Delta = Delta::from_micros(i32::MAX as i64);

    let delta = if (Delta::ZERO..=MAX).contains(&delta) {
        delta
    } else {
        MAX
    };
    // SAFETY: `fsleep()` has no preconditions; C checks the context.
    // CAST: In range by the above.
    unsafe { bindings::fsleep(delta.as_micros_ceil() as c_ulong) };
    bindings::debug_fail_point();
}
