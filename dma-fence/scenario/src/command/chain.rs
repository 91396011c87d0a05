// SPDX-License-Identifier: GPL-2.0-only
//! Commands about chains.

use super::{nested, top, Command};
use crate::{
    call::Call,
    fence::Fence,
    outcome::{list, quote, refuse, Answer, Outcome, Refused},
    world::fence::{FenceKind, FencePtr},
};
use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_chain};
use core::ptr::{null_mut, NonNull};
use kernel::sync::atomic::{Atomic, Relaxed};

pub(crate) const COMMANDS: &[Command] = &[
    top("chain", (4, 4), "NEW PREVIOUS-or-NULL FENCE SEQNO", chain),
    nested("chain_walk", (1, 1), "FENCE", |call| {
        let fence = call.fence(1)?;
        call.check_walk(1)?;
        // SAFETY: The fence is valid, and no lock is held that this takes. It uses up a reference.
        let prev = unsafe { c::dma_fence_chain_walk(c::dma_fence_get(fence.as_ptr())) };
        Answer::text(put_named(call, prev))
    }),
    nested("chain_for_each", (1, 1), "FENCE or NULL", |call| {
        let fence = call.fence_or_null(1)?;
        call.check_walk(1)?;
        let mut names = Vec::new();
        // SAFETY: The fence is null or valid, and no lock is held that this takes.
        unsafe {
            c::dma_fence_chain_for_each(fence.map_or(null_mut(), Fence::as_ptr), |fence| {
                names.push(call.name_at(fence));
                false
            })
        };
        Answer::text(list(&names))
    }),
    nested("chain_find_seqno", (2, 2), "FENCE SEQNO", |call| {
        let fence = call.fence(1)?;
        let seqno = call.unsigned(2)?;
        call.check_walk(1)?;
        // SAFETY: The fence is valid, and no lock is held that this takes. The reference is moved.
        let (error, found) = unsafe {
            let mut found = c::dma_fence_get(fence.as_ptr());
            (c::dma_fence_chain_find_seqno(&mut found, seqno), found)
        };
        let found = put_named(call, found);
        match error {
            0 => Answer::text(format!("0 {found}")),
            error => Answer::number(error),
        }
    }),
    nested("chain_contained", (1, 1), "FENCE or NULL", |call| {
        let fence = call.fence_or_null(1)?.map_or(null_mut(), Fence::as_ptr);
        // SAFETY: The fence is null or valid.
        Answer::text(call.name_at(unsafe { c::dma_fence_chain_contained(fence) }))
    }),
    nested("chain_prev", (1, 1), "FENCE", |call| {
        let node = node(call)?;
        // SAFETY: The node is valid, and its link is changed atomically.
        let prev = unsafe { Atomic::from_ptr((&raw mut (*node).prev).cast()) }.load(Relaxed);
        Answer::text(call.name_at(prev))
    }),
    nested("chain_prev_seqno", (1, 1), "FENCE", |call| {
        let node = node(call)?;
        // SAFETY: The node is valid, and its numbers never change.
        Answer::text(unsafe { (*node).prev_seqno }.to_string())
    }),
];

/// The name of the fence that a call has returned with a reference, which is dropped.
fn put_named(call: &Call<'_>, fence: *mut dma_fence) -> String {
    let name = call.name_at(fence);
    // SAFETY: Null, or the reference is that of the call, and no lock is held.
    unsafe { c::dma_fence_put(fence) };
    name
}

/// The node that word number 1 names.
fn node(call: &Call<'_>) -> Result<*mut dma_fence_chain, Refused> {
    let fence = call.fence(1)?;
    // SAFETY: The fence is valid.
    let node = unsafe { c::to_dma_fence_chain(fence.as_ptr()) };
    if node.is_null() {
        refuse!(
            1,
            "{} is not a chain; expected a fence made by chain",
            quote(call.word(1))
        );
    }
    Ok(node)
}

fn chain(call: &Call<'_>) -> Outcome {
    let name = call.new_fence_name(1)?;
    let prev = call.fence_or_null(2)?;
    let fence = call.fence(3)?;
    let seqno = call.unsigned(4)?;
    let weight = match prev {
        Some(prev) => call.weight(&[prev, fence], 3)?,
        None => call.weight(&[fence], 3)?,
    };
    // SAFETY: At top sleeping is allowed.
    let node = unsafe { c::dma_fence_chain_alloc() };
    let Some(ptr) = NonNull::new(node.cast()).map(FencePtr) else {
        refuse!(0, "no memory for a fence: expected the host to have some");
    };
    call.add_fence(name, ptr, FenceKind::Container(weight));
    // SAFETY: The memory is new, and the fences are null or valid; the node takes over references.
    unsafe {
        let prev = c::dma_fence_get(prev.map_or(null_mut(), Fence::as_ptr));
        let fence = c::dma_fence_get(fence.as_ptr());
        c::dma_fence_chain_init(node, prev, fence, seqno);
    }
    Answer::ok()
}
