// SPDX-License-Identifier: GPL-2.0-only
//! The state of a fence: signalled or not, with which error, when.

use super::{
    super::contract::{self, Call},
    dma_fence, dma_fence_lock_irqsave, dma_fence_signal, dma_fence_signal_locked,
    dma_fence_spinlock, dma_fence_unlock_irqrestore,
    fence::{live, INITIALIZED, SIGNALED, TIMESTAMP},
};
use kernel::{
    bindings::{
        cpu_relax, ktime_get, ktime_t, rcu_read_lock, rcu_read_unlock, spin_is_free, EINVAL,
    },
    ffi::c_int,
    WARN_ON,
};

const MAX_ERRNO: c_int = 4095;

/// True if the fence was ever initialised; for memory that starts as zeroes. From any context.
///
/// # Safety
///
/// `fence` is null or points to memory that is zeroed or a fence.
pub unsafe fn dma_fence_was_initialized(fence: *mut dma_fence) -> bool {
    // SAFETY: It is zeroed or a fence. Zeroes are valid for all fields.
    !fence.is_null() && unsafe { live(fence) }.test(INITIALIZED)
}

/// True if the fence is known to have signalled; asks no op. From any context.
///
/// Callbacks may still be running.
#[inline]
pub unsafe fn dma_fence_test_signaled_flag(fence: *mut dma_fence) -> bool {
    contract::needs_fence!(fence, "dma_fence_test_signaled_flag", true);
    // SAFETY: The caller has a reference to the fence.
    unsafe { live(fence) }.test(SIGNALED)
}

/// True if the fence is known to have signalled, and what was done about it under its lock, the callbacks
/// among it, is over; then the caller sees that, as if it had taken the lock. It has no more to say if it is
/// false, as it always is in a debug kernel, where locks are watched. From any context.
///
/// The bit is set under the lock. So a caller that sees it, and then looks at the lock, sees it no earlier
/// than when it was taken for that. If it is free now it was released by the task that has signalled,
/// or by another that has taken it since; and that was ordered after the first.
#[inline]
pub unsafe fn dma_fence_is_over(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference to the fence, whose lock it is.
    cfg!(not(feature = "debug"))
        && unsafe { live(fence).test(SIGNALED) && spin_is_free(dma_fence_spinlock(fence)) }
}

/// True if the fence has signalled, or its `signaled` op says so, in which case it is signalled.
///
/// # Safety
///
/// The caller holds the lock if it is `locked`.
#[inline(always)]
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn is_signaled(fence: *mut dma_fence, locked: bool) -> bool {
    // SAFETY: The caller has a reference. Inside the section the ops live, even if the fence is
    // signalled meanwhile.
    unsafe {
        if live(fence).test(SIGNALED) {
            return true;
        }
        rcu_read_lock();
        let answer = says_so(fence);
        rcu_read_unlock();
        if !answer {
            return false;
        }
        if locked {
            dma_fence_signal_locked(fence);
        } else {
            dma_fence_signal(fence);
        }
        true
    }
}

/// True if the `signaled` op says so; does nothing about it.
///
/// # Safety
///
/// The caller is in a read-side section, has a reference, and holds the lock if the op may rely on it.
#[inline(always)]
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn says_so(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference. Inside the section the ops live, even if the fence is
    // signalled meanwhile.
    unsafe {
        let f = live(fence);
        let Some(signaled) = f.ops().and_then(|ops| ops.as_ref().signaled) else {
            return false;
        };
        contract::call_begin(f, Call::Signaled);
        let answer = signaled(fence);
        contract::is_signaled(f, answer);
        contract::call_end();
        answer
    }
}

/// As [`dma_fence_is_signaled`], in a read-side section that the caller has begun.
///
/// # Safety
///
/// The caller has.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub(super) unsafe fn is_signaled_in_section(fence: *mut dma_fence) -> bool {
    contract::needs_fence!(fence, "dma_fence_is_signaled", true);
    // SAFETY: The caller has a reference, and is in a section.
    unsafe {
        if live(fence).test(SIGNALED) {
            return true;
        }
        let answer = says_so(fence);
        if answer {
            dma_fence_signal(fence);
        }
        answer
    }
}

/// True if the fence has signalled, or its `signaled` op says so, in which case this signals
/// it, under the lock. From any context.
#[inline(always)]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_is_signaled(fence: *mut dma_fence) -> bool {
    contract::needs_fence!(fence, "dma_fence_is_signaled", true);
    // SAFETY: The caller has a reference.
    unsafe { is_signaled(fence, false) }
}

/// As [`dma_fence_is_signaled`], under the lock that the caller holds.
///
/// # Safety
///
/// The caller holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_is_signaled_locked(fence: *mut dma_fence) -> bool {
    contract::needs_fence!(fence, "dma_fence_is_signaled_locked", true);
    // SAFETY: The caller has a reference, and holds the lock.
    unsafe { is_signaled(fence, true) }
}

/// 0 while pending; 1 if signalled; the error, below 0, if signalled with one. Polls as
/// [`dma_fence_is_signaled_locked`] does.
///
/// # Safety
///
/// The caller holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_get_status_locked(fence: *mut dma_fence) -> c_int {
    contract::needs_fence!(fence, "dma_fence_get_status_locked", -(EINVAL as c_int));
    // SAFETY: The caller has a reference, and holds the lock.
    unsafe { polled_status(fence) }
}

/// As [`dma_fence_get_status_locked`], where the caller knows that there is a fence.
///
/// # Safety
///
/// The caller holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn polled_status(fence: *mut dma_fence) -> c_int {
    // SAFETY: The caller has a reference, and holds the lock.
    unsafe {
        if !is_signaled(fence, true) {
            return 0;
        }
        status(fence)
    }
}

/// The status of a fence that has signalled.
unsafe fn status(fence: *mut dma_fence) -> c_int {
    // SAFETY: The caller has a reference.
    match unsafe { live(fence) }.error() {
        0 => 1,
        error => error,
    }
}

/// As [`dma_fence_get_status_locked`]; takes the lock. From any context.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_get_status(fence: *mut dma_fence) -> c_int {
    contract::needs_fence!(fence, "dma_fence_get_status", -(EINVAL as c_int));
    // SAFETY: The caller has a reference and does not hold the lock.
    unsafe {
        if dma_fence_is_over(fence) {
            return status(fence);
        }
        let flags = dma_fence_lock_irqsave(fence);
        let status = polled_status(fence);
        dma_fence_unlock_irqrestore(fence, flags);
        status
    }
}

/// Sets the error that the fence will signal with. From any context.
///
/// Warns if it has signalled already, and if `error` is no errno, -4095..-1; sets it all the
/// same. Rule [error-before-signal](../../../book/rules/error-before-signal.html).
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_set_error(fence: *mut dma_fence, error: c_int) {
    contract::needs_fence!(fence, "dma_fence_set_error");
    // SAFETY: The caller has a reference to the fence.
    let f = unsafe { live(fence) };
    contract::set_error(f, error);
    WARN_ON!(f.test(SIGNALED));
    WARN_ON!(!(-MAX_ERRNO..0).contains(&error));
    f.set_error(error);
}

/// Returns the time of the signal (ns, `CLOCK_MONOTONIC`); waits for that of a driver that sets the bit of the
/// signal first. Warns, and returns the time, if it has not signalled. From any context.
pub unsafe fn dma_fence_timestamp(fence: *mut dma_fence) -> ktime_t {
    contract::needs_fence!(fence, "dma_fence_timestamp", 0);
    // SAFETY: The caller has a reference to the fence.
    let f = unsafe { live(fence) };
    if WARN_ON!(!f.test(SIGNALED)) {
        // SAFETY: Reading the clock has no preconditions.
        return unsafe { ktime_get() };
    }
    while !f.test(TIMESTAMP) {
        // SAFETY: A pause has no preconditions.
        unsafe { cpu_relax() };
    }
    // SAFETY: The bit is set.
    unsafe { f.timestamp() }
}
