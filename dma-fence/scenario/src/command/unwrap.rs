// SPDX-License-Identifier: GPL-2.0-only
//! Commands that look into containers.

use super::{array::references, nested, top, Command, ANY};
use crate::{
    call::Call,
    fence::Fence,
    outcome::{list, Answer, Outcome},
    world::fence::{FenceKind, FencePtr},
};
use ::dma_fence::bindings::{self as c, dma_fence_unwrap};
use core::ptr::{null_mut, NonNull};
use kernel::bindings::kfree;

pub(crate) const COMMANDS: &[Command] = &[
    nested("unwrap_for_each", (1, 1), "FENCE or NULL", unwrap_for_each),
    top("unwrap_merge", (1, ANY), "NEW FENCE...", unwrap_merge),
    top("dedup_array", (0, ANY), "FENCE...", dedup_array),
];

/// The end of a walk. One that comes to an array without members keeps its reference there, in Linux as
/// here; so that it is known, and the replay leaves nothing behind.
fn ends(call: &Call<'_>, cursor: &dma_fence_unwrap) {
    if let Some(fence) = NonNull::new(cursor.chain) {
        call.world().walked_into.push(FencePtr(fence));
    }
}

fn unwrap_for_each(call: &Call<'_>) -> Outcome {
    let head = call.fence_or_null(1)?.map_or(null_mut(), Fence::as_ptr);
    call.check_walk(1)?;
    let (mut cursor, mut names) = (dma_fence_unwrap::default(), Vec::new());
    // SAFETY: The fence is null or valid, and no lock is held that the walk could come to.
    let mut fence = unsafe { c::dma_fence_unwrap_first(head, &mut cursor) };
    while !fence.is_null() {
        names.push(call.name_at(fence));
        // SAFETY: As above, and the walk is not over.
        fence = unsafe { c::dma_fence_unwrap_next(&mut cursor) };
    }
    ends(call, &cursor);
    Answer::text(list(&names))
}

fn unwrap_merge(call: &Call<'_>) -> Outcome {
    let name = call.new_fence_name(1)?;
    let fences = (2..call.len()).map(|index| call.fence_or_null(index));
    let fences = fences.collect::<Result<Vec<_>, _>>()?;
    let heads = fences
        .iter()
        .map(|fence| fence.map_or(null_mut(), Fence::as_ptr));
    let mut heads: Vec<_> = heads.collect();
    let mut cursors: Vec<_> = heads.iter().map(|_| dma_fence_unwrap::default()).collect();
    let fences = heads.as_mut_ptr();
    // SAFETY: The fences are null or valid, and there are as many cursors. At top no lock is held.
    let merged = unsafe { c::__dma_fence_unwrap_merge(heads.len(), fences, cursors.as_mut_ptr()) };
    cursors.iter().for_each(|cursor| ends(call, cursor));
    call.adopt(name, merged, FenceKind::PrivateStub)
}

fn dedup_array(call: &Call<'_>) -> Outcome {
    let fences = (1..call.len()).map(|index| call.fence(index));
    let fences = fences.collect::<Result<Vec<_>, _>>()?;
    let array = references(&fences)?;
    // SAFETY: There are as many, with a reference to each.
    let left = unsafe { c::dma_fence_dedup_array(array, fences.len()) };
    let mut names = Vec::new();
    for n in 0..left.min(fences.len()) {
        // SAFETY: Those that are left are the first, and their references are ours.
        unsafe {
            let fence = *array.add(n);
            names.push(call.name_at(fence));
            c::dma_fence_put(fence);
        }
    }
    // SAFETY: The memory is ours.
    unsafe { kfree(array.cast()) };
    Answer::text(list(&names))
}
