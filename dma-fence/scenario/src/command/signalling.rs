// SPDX-License-Identifier: GPL-2.0-only
//! Commands that signal, and callbacks.

use super::{nested, setup::declare_callback, Command};
use crate::{
    call::Call,
    callback,
    fence::Fence,
    name::Kind,
    outcome::{quote, Answer, Outcome, Refused},
};
use ::dma_fence::bindings as c;
use kernel::bindings::{spin_lock_irqsave, spin_unlock_irqrestore};

pub(super) const COMMANDS: &[Command] = &[
    nested("enable_signaling", (1, 1), "FENCE", enable_signaling),
    nested("signal", (1, 1), "FENCE or NULL", signal),
    nested("signal_locked", (1, 1), "FENCE", signal_locked),
    nested(
        "signal_timestamp",
        (2, 2),
        "FENCE or NULL, NANOSECONDS",
        signal_timestamp,
    ),
    nested(
        "signal_timestamp_locked",
        (2, 2),
        "FENCE NANOSECONDS",
        signal_timestamp_locked,
    ),
    nested("check_and_signal", (1, 1), "FENCE", check_and_signal),
    nested(
        "check_and_signal_locked",
        (1, 1),
        "FENCE",
        check_and_signal_locked,
    ),
    nested("is_signaled_locked", (1, 1), "FENCE", is_signaled_locked),
    nested("get_status_locked", (1, 1), "FENCE", get_status_locked),
    nested(
        "add_callback",
        (2, 2),
        "FENCE or NULL, CALLBACK",
        add_callback,
    ),
    nested("remove_callback", (2, 2), "FENCE CALLBACK", remove_callback),
];

fn enable_signaling(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    call.lockable(fence, 1)?;
    // SAFETY: The fence is alive and its lock is free.
    unsafe { c::dma_fence_enable_signaling(fence.as_ptr()) };
    Answer::ok()
}

/// A fence or null for a call that takes the lock.
fn unlocked_or_null(call: &Call<'_>) -> Result<*mut c::dma_fence, Refused> {
    let fence = call.fence_or_null(1)?;
    if let Some(fence) = fence {
        call.lockable(fence, 1)?;
    }
    Ok(fence.map_or(core::ptr::null_mut(), Fence::as_ptr))
}

fn signal(call: &Call<'_>) -> Outcome {
    let fence = unlocked_or_null(call)?;
    // SAFETY: The fence is null, or alive and its lock is free.
    unsafe { c::dma_fence_signal(fence) };
    Answer::ok()
}

fn signal_timestamp(call: &Call<'_>) -> Outcome {
    // CAST: A time is signed; the kernel converts it in the same way.
    let time = call.unsigned(2)? as i64;
    let fence = unlocked_or_null(call)?;
    // SAFETY: The fence is null, or alive and its lock is free.
    unsafe { c::dma_fence_signal_timestamp(fence, time) };
    Answer::ok()
}

fn check_and_signal(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    call.lockable(fence, 1)?;
    // SAFETY: The fence is alive and its lock is free.
    Answer::bool(unsafe { c::dma_fence_check_and_signal(fence.as_ptr()) })
}

/// Makes a `_locked` call: takes the lock around it, except where the lock is
/// held already because the command runs in a callback.
fn locked<R>(call: &Call<'_>, body: impl FnOnce(*mut c::dma_fence) -> R) -> Result<R, Refused> {
    let fence = call.fence(1)?;
    if fence.is_locked(call.session) {
        return Ok(body(fence.as_ptr()));
    }
    // SAFETY: The fence is alive.
    let lock = unsafe { c::dma_fence_spinlock(fence.as_ptr()) };
    // SAFETY: A fence's lock lives as long as the fence. It is free.
    let flags = unsafe { spin_lock_irqsave(lock) };
    let result = body(fence.as_ptr());
    // SAFETY: It was taken above.
    unsafe { spin_unlock_irqrestore(lock, flags) };
    Ok(result)
}

fn signal_locked(call: &Call<'_>) -> Outcome {
    // SAFETY: The fence is alive and its lock is held.
    locked(call, |fence| unsafe { c::dma_fence_signal_locked(fence) })?;
    Answer::ok()
}

fn signal_timestamp_locked(call: &Call<'_>) -> Outcome {
    // CAST: A time is signed; the kernel converts it in the same way.
    let time = call.unsigned(2)? as i64;
    locked(call, |fence| {
        // SAFETY: The fence is alive and its lock is held.
        unsafe { c::dma_fence_signal_timestamp_locked(fence, time) }
    })?;
    Answer::ok()
}

fn check_and_signal_locked(call: &Call<'_>) -> Outcome {
    Answer::bool(locked(call, |fence| {
        // SAFETY: The fence is alive and its lock is held.
        unsafe { c::dma_fence_check_and_signal_locked(fence) }
    })?)
}

fn is_signaled_locked(call: &Call<'_>) -> Outcome {
    Answer::bool(locked(call, |fence| {
        // SAFETY: The fence is alive and its lock is held.
        unsafe { c::dma_fence_is_signaled_locked(fence) }
    })?)
}

fn get_status_locked(call: &Call<'_>) -> Outcome {
    Answer::number(locked(call, |fence| {
        // SAFETY: The fence is alive and its lock is held.
        unsafe { c::dma_fence_get_status_locked(fence) }
    })?)
}

fn add_callback(call: &Call<'_>) -> Outcome {
    let fence = call.fence_or_null(1)?;
    if let Some(fence) = fence {
        call.lockable_unless_signaled(fence, 1)?;
    }
    let number = declare_callback(call, 2)?;
    let node = {
        let mut state = call.session.state();
        let Some(callback) = state.callbacks.get_mut(number) else {
            return Err(Refused::new(
                2,
                "no such callback: expected one declared above",
            ));
        };
        if callback.pending {
            return Err(Refused::new(
                2,
                format!(
                    "callback {} is pending; expected one that has run or was removed",
                    callback.name
                ),
            ));
        }
        // Before the call, which itself may run the callback.
        callback.target = fence.map(|fence| fence.index);
        callback.pending = true;
        callback.node.as_ptr()
    };
    let fence = fence.map_or(core::ptr::null_mut(), Fence::as_ptr);
    // SAFETY: The fence is null or alive, and its lock is free or it is
    // signalled. The node is on no list, and lives until the replay has ended.
    let result = unsafe { c::dma_fence_add_callback(fence, node, Some(callback::run)) };
    if result != 0 {
        if let Some(callback) = call.session.state().callbacks.get_mut(number) {
            callback.pending = false;
        }
    }
    Answer::number(result)
}

fn remove_callback(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let number = call.named(Kind::Callback, 2)?;
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    let node = {
        let state = call.session.state();
        let callback = state.callbacks.get(number);
        match callback.filter(|callback| callback.target == Some(fence.index)) {
            Some(callback) => callback.node.as_ptr(),
            None => {
                return Err(Refused::new(
                    2,
                    format!(
                        "callback {} was not added to {}; expected one that was, and to no other \
                         fence since",
                        quote(call.word(2)),
                        quote(call.word(1))
                    ),
                ))
            }
        }
    };
    call.lockable(fence, 1)?;
    // SAFETY: The fence is alive and its lock is free. The node was given to
    // this fence last, so it is on its list or on none.
    let removed = unsafe { c::dma_fence_remove_callback(fence.as_ptr(), node) };
    if removed {
        if let Some(callback) = call.session.state().callbacks.get_mut(number) {
            callback.pending = false;
        }
    }
    Answer::bool(removed)
}
