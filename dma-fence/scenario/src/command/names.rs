// SPDX-License-Identifier: GPL-2.0-only
//! Commands about names, order and deadlines.

use super::{nested, Command};
use crate::{
    call::Call,
    fence::Fence,
    outcome::{Answer, Outcome, Refused},
};
use ::dma_fence::bindings::{self as c, dma_fence};
use core::{ffi::CStr, mem::MaybeUninit};
use kernel::{
    bindings::{rcu_read_lock, rcu_read_unlock, seq_file},
    ffi::c_char,
    str::CStrExt as _,
};

pub(super) const COMMANDS: &[Command] = &[
    nested("driver_name", (1, 1), "FENCE", driver_name),
    nested("timeline_name", (1, 1), "FENCE", timeline_name),
    nested("describe", (1, 1), "FENCE", describe),
    nested("is_later", (2, 2), "FENCE FENCE", is_later),
    nested("is_later_or_same", (2, 2), "FENCE FENCE", is_later_or_same),
    nested("later", (2, 2), "FENCE FENCE", later),
    nested("set_deadline", (2, 2), "FENCE NANOSECONDS", set_deadline),
];

/// A name of the fence, asked for and copied in one read-side section.
fn name(call: &Call<'_>, ask: unsafe fn(*mut dma_fence) -> *const c_char) -> Outcome {
    let fence = call.fence(1)?;
    // SAFETY: Ended below.
    unsafe { rcu_read_lock() };
    // SAFETY: The fence is alive.
    let name = unsafe { ask(fence.as_ptr()) };
    // SAFETY: The name is a C string until the end of the read-side section.
    let text = unsafe { CStr::from_char_ptr(name) }
        .to_string_lossy()
        .into_owned();
    // SAFETY: Begun above.
    unsafe { rcu_read_unlock() };
    Answer::text(text)
}

fn driver_name(call: &Call<'_>) -> Outcome {
    name(call, c::dma_fence_driver_name)
}

fn timeline_name(call: &Call<'_>) -> Outcome {
    name(call, c::dma_fence_timeline_name)
}

fn describe(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    call.lockable_unless_signaled(fence, 1)?;
    // Enough for two names and two numbers.
    let mut buffer = [0u8; 256];
    // SAFETY: A seq_file without a file behind it is all zeroes.
    let mut seq: seq_file = unsafe { MaybeUninit::zeroed().assume_init() };
    seq.buf = buffer.as_mut_ptr().cast();
    seq.size = buffer.len();
    // SAFETY: The fence is alive, its lock is free or it is signalled; the
    // buffer outlives the call.
    unsafe { c::dma_fence_describe(fence.as_ptr(), &mut seq) };
    let text = buffer.get(..seq.count).unwrap_or(&buffer);
    let text = String::from_utf8_lossy(text);
    match text.trim_end().split_once(':') {
        // The number before the first colon is that of the context.
        Some((_, rest)) => Answer::context(fence.context(), format!(":{rest}")),
        None => Answer::text(text.trim_end()),
    }
}

/// The two fences of a comparison.
fn pair<'c>(call: &'c Call<'_>) -> Result<(Fence<'c>, Fence<'c>), Refused> {
    Ok((call.fence(1)?, call.fence(2)?))
}

fn is_later(call: &Call<'_>) -> Outcome {
    let (a, b) = pair(call)?;
    // SAFETY: Both are alive.
    Answer::bool(unsafe { c::dma_fence_is_later(a.as_ptr(), b.as_ptr()) })
}

fn is_later_or_same(call: &Call<'_>) -> Outcome {
    let (a, b) = pair(call)?;
    // SAFETY: Both are alive.
    Answer::bool(unsafe { c::dma_fence_is_later_or_same(a.as_ptr(), b.as_ptr()) })
}

fn later(call: &Call<'_>) -> Outcome {
    let (a, b) = pair(call)?;
    call.lockable_unless_signaled(a, 1)?;
    call.lockable_unless_signaled(b, 2)?;
    // SAFETY: Both are alive, their locks are free or they are signalled.
    let later = unsafe { c::dma_fence_later(a.as_ptr(), b.as_ptr()) };
    let state = call.session.state();
    Answer::text(state.fence_name(later))
}

fn set_deadline(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    // CAST: A time is signed; the kernel converts it in the same way.
    let deadline = call.unsigned(2)? as i64;
    call.lockable_unless_signaled(fence, 1)?;
    // SAFETY: The fence is alive, its lock is free or it is signalled.
    unsafe { c::dma_fence_set_deadline(fence.as_ptr(), deadline) };
    Answer::ok()
}
