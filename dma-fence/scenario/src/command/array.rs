// SPDX-License-Identifier: GPL-2.0-only
//! Commands about arrays, and what kind of fence one is.

use super::{nested, top, Command, ANY};
use crate::{
    call::Call,
    fence::Fence,
    name::Kind,
    number,
    outcome::{list, quote, refused, Answer, Outcome, Refused},
    world::fence::{FenceKind, FencePtr},
};
use ::dma_fence::bindings::{self as c, dma_fence};
use core::ptr::{null_mut, NonNull};
use kernel::bindings::{kfree, kmalloc_objs, GFP_KERNEL};

pub(crate) const COMMANDS: &[Command] = &[
    top(
        "array",
        (1, ANY),
        "NEW FENCE... [context=CONTEXT] [seqno=N]",
        array,
    ),
    nested("array_first", (1, 1), "FENCE or NULL", |call| {
        let fence = call.fence_or_null(1)?;
        let head = fence.map_or(null_mut(), Fence::as_ptr);
        // SAFETY: The fence is null or valid.
        Answer::text(call.name_at(unsafe { c::dma_fence_array_first(head) }))
    }),
    nested("array_next", (2, 2), "FENCE or NULL, INDEX", |call| {
        let fence = call.fence_or_null(1)?;
        let head = fence.map_or(null_mut(), Fence::as_ptr);
        // CAST: C takes an unsigned int.
        let index = call.unsigned(2)? as u32;
        // SAFETY: The fence is null or valid.
        Answer::text(call.name_at(unsafe { c::dma_fence_array_next(head, index) }))
    }),
    nested("array_for_each", (1, 1), "FENCE or NULL", |call| {
        let members = call.fence_or_null(1)?.map(Fence::members);
        let members = members.into_iter().flatten();
        let names: Vec<_> = members.map(|member| call.name_at(member)).collect();
        Answer::text(list(&names))
    }),
    nested("match_context", (2, 2), "FENCE CONTEXT", |call| {
        let fence = call.fence(1)?;
        let context = call.named(Kind::Context, 2)?;
        let context = call.world().contexts[context];
        // SAFETY: The fence is valid.
        Answer::bool(unsafe { c::dma_fence_match_context(fence.as_ptr(), context) })
    }),
    nested("is_array", (1, 1), "FENCE", |call| {
        let fence = call.fence(1)?;
        // SAFETY: The fence is valid.
        Answer::bool(unsafe { c::dma_fence_is_array(fence.as_ptr()) })
    }),
    nested("is_chain", (1, 1), "FENCE", |call| {
        let fence = call.fence(1)?;
        // SAFETY: The fence is valid.
        Answer::bool(unsafe { c::dma_fence_is_chain(fence.as_ptr()) })
    }),
    nested("is_container", (1, 1), "FENCE", |call| {
        Answer::bool(call.fence(1)?.is_container())
    }),
];

/// The words of the command `array` that are options.
#[derive(Default)]
struct Options {
    context: Option<u64>,
    seqno: Option<u64>,
}

impl Options {
    /// Reads word number `index`, if it is an option.
    fn read(&mut self, call: &Call<'_>, index: usize) -> Result<bool, Refused> {
        let word = call.word(index);
        if let Some(name) = word.strip_prefix(b"context=") {
            let place = call.named_word(Kind::Context, index, name)?;
            self.context = Some(call.world().contexts[place]);
        } else if let Some(number) = word.strip_prefix(b"seqno=") {
            let seqno = number::unsigned(number);
            let seqno = seqno.ok_or_else(|| {
                let number = quote(number);
                refused!(index, "not a number behind =: {number}; expected 0 or more")
            });
            self.seqno = Some(seqno?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

/// Memory for `fences`, with a reference to each, as a call wants it that takes both over.
pub(super) fn references(fences: &[Fence<'_>]) -> Result<*mut *mut dma_fence, Refused> {
    // SAFETY: At top sleeping is allowed.
    let memory: *mut *mut dma_fence = unsafe { kmalloc_objs(fences.len(), GFP_KERNEL) };
    if memory.is_null() {
        return Err(no_memory());
    }
    for (n, fence) in fences.iter().enumerate() {
        // SAFETY: The memory is new, and has room for all; the fence is valid.
        unsafe { memory.add(n).write(c::dma_fence_get(fence.as_ptr())) };
    }
    Ok(memory)
}

fn no_memory() -> Refused {
    refused!(0, "no memory for a fence: expected the host to have some")
}

fn array(call: &Call<'_>) -> Outcome {
    let name = call.new_fence_name(1)?;
    let (mut options, mut fences) = (Options::default(), Vec::new());
    for index in 2..call.len() {
        if !options.read(call, index)? {
            fences.push(call.fence(index)?);
        }
    }
    let weight = call.weight(&fences, 0)?;
    let members = references(&fences)?;
    // SAFETY: Any number of contexts may be asked for.
    let new = || unsafe { c::dma_fence_context_alloc(1) };
    let context = options.context.unwrap_or_else(new);
    // CAST: At most as many as there are words; the number is an unsigned int in C.
    let (count, seqno) = (fences.len() as i32, options.seqno.unwrap_or(1) as u32);
    // SAFETY: There are as many fences, with a reference to each, in a block of their own.
    let array = unsafe { c::dma_fence_array_create(count, members, context, seqno) };
    let Some(ptr) = NonNull::new(array.cast()).map(FencePtr) else {
        for fence in &fences {
            // SAFETY: What was not taken over is still ours.
            unsafe { c::dma_fence_put(fence.as_ptr()) };
        }
        // SAFETY: As above.
        unsafe { kfree(members.cast()) };
        return Err(no_memory());
    };
    call.add_fence(name, ptr, FenceKind::Container(weight));
    Answer::ok()
}
