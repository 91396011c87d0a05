// SPDX-License-Identifier: GPL-2.0-only
//! Commands about references and the state of a fence.

use super::{nested, Command};
use crate::{
    call::Call,
    fence::{Fence, FenceKind, FLAG_NAMES},
    outcome::{Answer, Outcome, Refused},
};
use ::dma_fence::bindings as c;
use kernel::bindings::{rcu_read_lock, rcu_read_unlock, NSEC_PER_SEC};

pub(super) const COMMANDS: &[Command] = &[
    nested("get", (1, 1), "FENCE or NULL", get),
    nested("put", (1, 1), "FENCE or NULL", put),
    nested("refs", (1, 1), "FENCE", refs),
    nested("flags", (1, 1), "FENCE", flags),
    nested("ops", (1, 1), "FENCE", ops),
    nested("error", (1, 1), "FENCE", error),
    nested("seqno", (1, 1), "FENCE", seqno),
    nested("context_of", (1, 1), "FENCE", context_of),
    nested("lock_held", (1, 1), "FENCE", lock_held),
    nested("test_signaled_flag", (1, 1), "FENCE", test_signaled_flag),
    nested("is_signaled", (1, 1), "FENCE", is_signaled),
    nested("get_status", (1, 1), "FENCE", get_status),
    nested("set_error", (2, 2), "FENCE ERROR", set_error),
    nested("timestamp", (1, 1), "FENCE", timestamp),
    nested("emit", (1, 1), "FENCE", emit),
];

/// The shared stub belongs to the whole machine.
fn not_shared(call: &Call<'_>, fence: Fence<'_>) -> Result<(), Refused> {
    if fence.kind(call.session) == FenceKind::SharedStub {
        return Err(Refused::new(
            1,
            "the shared stub belongs to everyone; expected a fence of the scenario's own",
        ));
    }
    Ok(())
}

fn get(call: &Call<'_>) -> Outcome {
    let Some(fence) = call.fence_or_null(1)? else {
        // SAFETY: Null is allowed.
        let got = unsafe { c::dma_fence_get(core::ptr::null_mut()) };
        return Answer::text(call.session.state().fence_name(got));
    };
    // SAFETY: The scenario holds a reference.
    unsafe { c::dma_fence_get(fence.as_ptr()) };
    if let Some(object) = call.session.state().fences.get_mut(fence.index) {
        object.held += 1;
    }
    Answer::ok()
}

fn put(call: &Call<'_>) -> Outcome {
    let Some(fence) = call.fence_or_null(1)? else {
        // SAFETY: Null is allowed.
        unsafe { c::dma_fence_put(core::ptr::null_mut()) };
        return Answer::ok();
    };
    if let Some(object) = call.session.state().fences.get(fence.index) {
        if object.held == 1 && object.busy > 1 {
            return Err(Refused::new(
                1,
                format!(
                    "fence {} is in use by another command; expected that to be over first",
                    object.name
                ),
            ));
        }
    }
    if fence.refs() == 1 {
        call.lockable(fence, 1)?;
    }
    if let Some(object) = call.session.state().fences.get_mut(fence.index) {
        object.held -= 1;
    }
    // SAFETY: The reference is the scenario's, which has just given it up; no
    // other command under way needs it.
    unsafe { c::dma_fence_put(fence.as_ptr()) };
    Answer::ok()
}

fn refs(call: &Call<'_>) -> Outcome {
    let fence = call.peek(1)?;
    not_shared(call, fence)?;
    Answer::number(fence.refs())
}

fn flags(call: &Call<'_>) -> Outcome {
    let flags = call.peek(1)?.flags();
    let names: Vec<&str> = FLAG_NAMES
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| flags & (1 << bit) != 0)
        .map(|(_, name)| name)
        .collect();
    Answer::list(&names)
}

fn ops(call: &Call<'_>) -> Outcome {
    Answer::text(if call.peek(1)?.has_ops() {
        "attached"
    } else {
        "detached"
    })
}

fn error(call: &Call<'_>) -> Outcome {
    Answer::number(call.peek(1)?.error())
}

fn seqno(call: &Call<'_>) -> Outcome {
    Answer::text(call.peek(1)?.seqno().to_string())
}

fn context_of(call: &Call<'_>) -> Outcome {
    Answer::context(call.peek(1)?.context(), "")
}

fn lock_held(call: &Call<'_>) -> Outcome {
    Answer::bool(call.peek(1)?.is_locked(call.session))
}

fn test_signaled_flag(call: &Call<'_>) -> Outcome {
    Answer::bool(call.peek(1)?.is_flagged())
}

fn is_signaled(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    call.lockable_unless_signaled(fence, 1)?;
    // SAFETY: The fence is alive, and its lock is free or it is signalled.
    Answer::bool(unsafe { c::dma_fence_is_signaled(fence.as_ptr()) })
}

fn get_status(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    call.lockable(fence, 1)?;
    // SAFETY: The fence is alive and its lock is free.
    Answer::number(unsafe { c::dma_fence_get_status(fence.as_ptr()) })
}

fn set_error(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    // CAST: C takes an int.
    let error = call.signed(2)? as i32;
    not_shared(call, fence)?;
    // SAFETY: The fence is alive.
    unsafe { c::dma_fence_set_error(fence.as_ptr(), error) };
    Answer::ok()
}

fn timestamp(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    // SAFETY: The fence is alive.
    let time = unsafe { c::dma_fence_timestamp(fence.as_ptr()) };
    let shared = fence.kind(call.session) == FenceKind::SharedStub;
    // A scenario's own timestamps are below one second, the clock is above.
    if shared || i128::from(time) >= NSEC_PER_SEC as i128 {
        return Answer::text("clock");
    }
    Answer::text(time.to_string())
}

fn emit(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    // SAFETY: Ended below.
    unsafe { rcu_read_lock() };
    // SAFETY: The fence is alive, and the event reads its names in a read-side
    // section.
    unsafe { c::trace_dma_fence_emit(fence.as_ptr()) };
    // SAFETY: Begun above.
    unsafe { rcu_read_unlock() };
    Answer::ok()
}
