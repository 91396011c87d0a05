// SPDX-License-Identifier: GPL-2.0-only
//! Commands about names, order and deadlines.

use super::{nested, Command};
use crate::{
    call::Call,
    outcome::{Answer, Outcome},
};
use ::dma_fence::bindings::{self as c, dma_fence, seq_file};
use core::ffi::CStr;
use kernel::{
    bindings::{rcu_read_lock, rcu_read_unlock},
    ffi::c_char,
    str::CStrExt as _,
};

pub(crate) const COMMANDS: &[Command] = &[
    nested("driver_name", (1, 1), "FENCE", |call| {
        // SAFETY: The fence is valid, and this is a read-side section.
        name(call, |fence| unsafe { c::dma_fence_driver_name(fence) })
    }),
    nested("timeline_name", (1, 1), "FENCE", |call| {
        // SAFETY: The fence is valid, and this is a read-side section.
        name(call, |fence| unsafe { c::dma_fence_timeline_name(fence) })
    }),
    nested("describe", (1, 1), "FENCE", describe),
    nested("is_later", (2, 2), "FENCE FENCE", |call| {
        let (a, b) = (call.fence(1)?, call.fence(2)?);
        // SAFETY: Both fences are valid.
        Answer::bool(unsafe { c::dma_fence_is_later(a.as_ptr(), b.as_ptr()) })
    }),
    nested("is_later_or_same", (2, 2), "FENCE FENCE", |call| {
        let (a, b) = (call.fence(1)?, call.fence(2)?);
        // SAFETY: Both fences are valid.
        Answer::bool(unsafe { c::dma_fence_is_later_or_same(a.as_ptr(), b.as_ptr()) })
    }),
    nested("later", (2, 2), "FENCE FENCE", |call| {
        let a = call.lockable_unless_signaled(1)?;
        let b = call.lockable_unless_signaled(2)?;
        // SAFETY: Both fences are valid, and their locks are free or they are signalled.
        let later = unsafe { c::dma_fence_later(a.as_ptr(), b.as_ptr()) };
        Answer::text(call.name_at(later))
    }),
    nested("set_deadline", (2, 2), "FENCE NANOSECONDS", |call| {
        let fence = call.lockable_unless_signaled(1)?;
        let deadline = call.time(2)?;
        // SAFETY: The fence is valid, and its lock is free or it is signalled.
        unsafe { c::dma_fence_set_deadline(fence.as_ptr(), deadline) };
        Answer::ok()
    }),
];

/// A name of the fence, asked for and copied in one read-side section.
fn name(call: &Call<'_>, ask: impl FnOnce(*mut dma_fence) -> *const c_char) -> Outcome {
    let fence = call.fence(1)?;
    // SAFETY: The section ends below, in the same task, and nothing in it sleeps.
    unsafe { rcu_read_lock() };
    // SAFETY: The name is a C string until the end of the read-side section.
    let text = unsafe { CStr::from_char_ptr(ask(fence.as_ptr())) };
    let text = text.to_string_lossy().into_owned();
    // SAFETY: This task began the section above; `text` is a copy that borrows nothing of it.
    unsafe { rcu_read_unlock() };
    Answer::text(text)
}

fn describe(call: &Call<'_>) -> Outcome {
    let fence = call.lockable_unless_signaled(1)?;
    // Enough for two names and two numbers.
    let mut buffer = [0; 256];
    let mut seq = seq_file {
        buf: buffer.as_mut_ptr(),
        size: buffer.len(),
        count: 0,
        private: core::ptr::null_mut(),
    };
    // SAFETY: The fence is valid, and its lock is free or it is signalled; the buffer outlives the
    // call.
    unsafe { c::dma_fence_describe(fence.as_ptr(), &mut seq) };
    let text = String::from_utf8_lossy(&buffer[..seq.count.min(buffer.len())]);
    match text.trim_end().split_once(':') {
        // The number before the first colon is that of the context.
        Some((_, rest)) => Answer::context(fence.context(), format!(":{rest}")),
        None => Answer::text(text.trim_end()),
    }
}
