// SPDX-License-Identifier: GPL-2.0-only
//! Commands about references and the state of a fence.

use super::{nested, Command};
use crate::{
    call::Call,
    fence::{Fence, FLAG_NAMES},
    outcome::{list, refuse, Answer, Outcome, Refused},
    world::fence::FenceKind,
};
use ::dma_fence::bindings as c;
use core::ptr::null_mut;
use kernel::bindings::{rcu_read_lock, rcu_read_unlock, NSEC_PER_SEC};

pub(crate) const COMMANDS: &[Command] = &[
    nested("get", (1, 1), "FENCE or NULL", get),
    nested("put", (1, 1), "FENCE or NULL", put),
    nested("refs", (1, 1), "FENCE", |call| {
        let fence = call.peek(1)?;
        not_shared(call, fence)?;
        Answer::number(fence.refs())
    }),
    nested("flags", (1, 1), "FENCE", |call| {
        let flags = call.peek(1)?.flags();
        let names = FLAG_NAMES.into_iter().enumerate();
        let names = names.filter(|(bit, _)| flags & (1 << bit) != 0);
        Answer::text(list(&names.map(|(_, name)| name).collect::<Vec<_>>()))
    }),
    nested("ops", (1, 1), "FENCE", |call| {
        let attached = call.peek(1)?.has_ops();
        Answer::text(if attached { "attached" } else { "detached" })
    }),
    nested("error", (1, 1), "FENCE", |call| {
        Answer::number(call.peek(1)?.error())
    }),
    nested("seqno", (1, 1), "FENCE", |call| {
        Answer::text(call.peek(1)?.seqno().to_string())
    }),
    nested("context_of", (1, 1), "FENCE", |call| {
        Answer::context(call.peek(1)?.context(), "")
    }),
    nested("lock_held", (1, 1), "FENCE", |call| {
        Answer::bool(call.peek(1)?.is_locked(call.session))
    }),
    nested("test_signaled_flag", (1, 1), "FENCE", |call| {
        Answer::bool(call.peek(1)?.is_flagged())
    }),
    nested("is_signaled", (1, 1), "FENCE", |call| {
        let fence = call.lockable_unless_signaled(1)?;
        // SAFETY: The fence is valid, and its lock is free or it is signalled.
        Answer::bool(unsafe { c::dma_fence_is_signaled(fence.as_ptr()) })
    }),
    nested("get_status", (1, 1), "FENCE", |call| {
        let fence = call.lockable(1)?;
        // SAFETY: The fence is valid and its lock is free.
        Answer::number(unsafe { c::dma_fence_get_status(fence.as_ptr()) })
    }),
    nested("set_error", (2, 2), "FENCE ERROR", |call| {
        let fence = call.fence(1)?;
        // CAST: C takes an int.
        let error = call.signed(2)? as i32;
        not_shared(call, fence)?;
        // SAFETY: The fence is valid.
        unsafe { c::dma_fence_set_error(fence.as_ptr(), error) };
        Answer::ok()
    }),
    nested("timestamp", (1, 1), "FENCE", |call| {
        let fence = call.fence(1)?;
        // SAFETY: The fence is valid.
        let time = unsafe { c::dma_fence_timestamp(fence.as_ptr()) };
        let shared = fence.kind(call.session) == FenceKind::SharedStub;
        // A scenario's own timestamps are below one second, the clock is above.
        if shared || i128::from(time) >= NSEC_PER_SEC as i128 {
            return Answer::text("clock");
        }
        Answer::text(time.to_string())
    }),
    nested("emit", (1, 1), "FENCE", |call| {
        let fence = call.fence(1)?;
        // SAFETY: The fence is valid, and the event reads its names in the read-side section that
        // ends here.
        unsafe {
            rcu_read_lock();
            c::trace_dma_fence_emit(fence.as_ptr());
            rcu_read_unlock();
        }
        Answer::ok()
    }),
];

/// The shared stub belongs to the whole machine.
fn not_shared(call: &Call<'_>, fence: Fence<'_>) -> Result<(), Refused> {
    if fence.kind(call.session) == FenceKind::SharedStub {
        refuse!(
            1,
            "the shared stub belongs to the whole machine; expected a fence of the scenario's own"
        );
    }
    Ok(())
}

fn get(call: &Call<'_>) -> Outcome {
    let fence = call.fence_or_null(1)?;
    // SAFETY: The scenario holds a reference, unless it is null.
    let got = unsafe { c::dma_fence_get(fence.map_or(null_mut(), Fence::as_ptr)) };
    let Some(fence) = fence else {
        return Answer::text(call.name_at(got));
    };
    call.world().fences[fence.place].held += 1;
    Answer::ok()
}

fn put(call: &Call<'_>) -> Outcome {
    let fence = call.fence_or_null(1)?;
    if let Some(fence) = fence {
        let object = &call.world().fences[fence.place];
        if object.held == 1 && object.busy > 1 {
            refuse!(
                1,
                "fence {} is in use by another command; expected that to be over first",
                object.name
            );
        }
    }
    if let Some(fence) = fence {
        if fence.refs() == 1 {
            call.check_lock(fence, 1)?;
        }
        call.world().fences[fence.place].held -= 1;
    }
    // SAFETY: Null, or the reference is the scenario's, which has just given it up; no other
    // command under way needs it.
    unsafe { c::dma_fence_put(fence.map_or(null_mut(), Fence::as_ptr)) };
    Answer::ok()
}
