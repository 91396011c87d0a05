// SPDX-License-Identifier: GPL-2.0-only
//! Commands that signal, and callbacks.

use super::{nested, Command};
use crate::{
    call::Call,
    callback,
    fence::Fence,
    name::Kind,
    outcome::{quote, refuse, Answer, Outcome, Refused},
};
use ::dma_fence::bindings as c;
use core::ptr::null_mut;

pub(crate) const COMMANDS: &[Command] = &[
    nested("enable_signaling", (1, 1), "FENCE", |call| {
        let fence = call.lockable(1)?;
        // SAFETY: The fence is valid and its lock is free.
        unsafe { c::dma_fence_enable_signaling(fence.as_ptr()) };
        Answer::ok()
    }),
    nested("signal", (1, 1), "FENCE or NULL", |call| {
        let fence = lockable_or_null(call)?;
        // SAFETY: The fence is null, or valid and its lock is free.
        unsafe { c::dma_fence_signal(fence) };
        Answer::ok()
    }),
    nested("signal_locked", (1, 1), "FENCE", |call| {
        // SAFETY: The fence is valid and its lock is held.
        locked(call, |fence| unsafe { c::dma_fence_signal_locked(fence) })?;
        Answer::ok()
    }),
    nested(
        "signal_timestamp",
        (2, 2),
        "FENCE or NULL, NANOSECONDS",
        |call| {
            let time = call.time(2)?;
            let fence = lockable_or_null(call)?;
            // SAFETY: The fence is null, or valid and its lock is free.
            unsafe { c::dma_fence_signal_timestamp(fence, time) };
            Answer::ok()
        },
    ),
    nested(
        "signal_timestamp_locked",
        (2, 2),
        "FENCE NANOSECONDS",
        |call| {
            let time = call.time(2)?;
            locked(call, |fence| {
                // SAFETY: The fence is valid and its lock is held.
                unsafe { c::dma_fence_signal_timestamp_locked(fence, time) }
            })?;
            Answer::ok()
        },
    ),
    nested("check_and_signal", (1, 1), "FENCE", |call| {
        let fence = call.lockable(1)?;
        // SAFETY: The fence is valid and its lock is free.
        Answer::bool(unsafe { c::dma_fence_check_and_signal(fence.as_ptr()) })
    }),
    nested("check_and_signal_locked", (1, 1), "FENCE", |call| {
        Answer::bool(locked(call, |fence| {
            // SAFETY: The fence is valid and its lock is held.
            unsafe { c::dma_fence_check_and_signal_locked(fence) }
        })?)
    }),
    nested("is_signaled_locked", (1, 1), "FENCE", |call| {
        check_asks(call, call.fence(1)?)?;
        Answer::bool(locked(call, |fence| {
            // SAFETY: The fence is valid and its lock is held.
            unsafe { c::dma_fence_is_signaled_locked(fence) }
        })?)
    }),
    nested("get_status_locked", (1, 1), "FENCE", |call| {
        check_asks(call, call.fence(1)?)?;
        Answer::number(locked(call, |fence| {
            // SAFETY: The fence is valid and its lock is held.
            unsafe { c::dma_fence_get_status_locked(fence) }
        })?)
    }),
    nested(
        "add_callback",
        (2, 2),
        "FENCE or NULL, CALLBACK",
        add_callback,
    ),
    nested("remove_callback", (2, 2), "FENCE CALLBACK", remove_callback),
];

/// A fence or null for a call that takes the lock.
fn lockable_or_null(call: &Call<'_>) -> Result<*mut c::dma_fence, Refused> {
    let fence = call.fence_or_null(1)?;
    if let Some(fence) = fence {
        call.check_lock(fence, 1)?;
    }
    Ok(fence.map_or(null_mut(), Fence::as_ptr))
}

/// Refuses a call that asks what the fence is made of, if one of these would say that it is done and then
/// be signalled, and so take a lock that is held.
fn check_asks(call: &Call<'_>, fence: Fence<'_>) -> Result<(), Refused> {
    for part in call.parts(fence) {
        if part.is_flagged() {
            continue;
        }
        if part.is_container() {
            check_asks(call, part)?;
        } else if part.says_done(call.session) {
            call.check_lock(part, 1)?;
        }
    }
    Ok(())
}

/// Makes a `_locked` call: takes the lock around it, except where the lock is held already because
/// the command runs in a callback.
fn locked<R>(call: &Call<'_>, body: impl FnOnce(*mut c::dma_fence) -> R) -> Result<R, Refused> {
    let fence = call.fence(1)?;
    if fence.is_locked(call.session) {
        return Ok(body(fence.as_ptr()));
    }
    // SAFETY: The fence is valid and its lock is free.
    let flags = unsafe { c::dma_fence_lock_irqsave(fence.as_ptr()) };
    let result = body(fence.as_ptr());
    // SAFETY: The lock was taken above.
    unsafe { c::dma_fence_unlock_irqrestore(fence.as_ptr(), flags) };
    Ok(result)
}

fn add_callback(call: &Call<'_>) -> Outcome {
    let fence = match call.word(1) {
        b"NULL" => None,
        _ => Some(call.lockable_unless_signaled(1)?),
    };
    let place = call.callback(2)?;
    let node = {
        let callback = &mut call.world().callbacks[place];
        if callback.pending {
            refuse!(
                2,
                "callback {} is pending; expected one that has run or was removed",
                callback.name
            );
        }
        // Before the call: once it is queued, another thread may signal.
        callback.target = fence.map(|fence| fence.place);
        callback.pending = true;
        callback.node.as_ptr()
    };
    let fence = fence.map_or(null_mut(), Fence::as_ptr);
    // SAFETY: The fence is null or valid, and its lock is free or it is signalled. The node is on
    // no list, and lives until the replay has ended.
    let result = unsafe { c::dma_fence_add_callback(fence, node, Some(callback::run)) };
    if result != 0 {
        call.world().callbacks[place].pending = false;
    }
    Answer::number(result)
}

fn remove_callback(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let place = call.named(Kind::Callback, 2)?;
    let node = {
        let callback = &call.world().callbacks[place];
        if callback.target != Some(fence.place) {
            refuse!(
                2,
                "callback {} was not added to {}; expected one that was, and to no other fence since",
                quote(call.word(2)),
                quote(call.word(1))
            );
        }
        callback.node.as_ptr()
    };
    call.check_lock(fence, 1)?;
    // SAFETY: The fence is valid and its lock is free. The node was given to this fence last, so it
    // is on its list or on none.
    let removed = unsafe { c::dma_fence_remove_callback(fence.as_ptr(), node) };
    if removed {
        call.world().callbacks[place].pending = false;
    }
    Answer::bool(removed)
}
