// SPDX-License-Identifier: GPL-2.0-only
//! Commands about reservation objects.

use super::{
    threaded, top,
    waiting::{jiffies, longest, may_sleep, waited},
    Command,
};
use crate::{
    call::Call,
    name::Kind,
    outcome::{limit, list, quote, refuse, refused, Answer, Outcome, Refused},
    world::{
        fence::FenceKind,
        resv::{Resv, ResvObject, MAX_RESVS},
    },
};
use ::dma_fence::bindings::{self as c, dma_resv_iter, dma_resv_usage};
use core::ptr::null_mut;
use kernel::bindings::kfree;
use std::sync::Arc;

pub(crate) const COMMANDS: &[Command] = &[
    top("resv", (1, 1), "NEW", resv),
    top("resv_fini", (1, 1), "RESV", fini),
    top("resv_lock", (1, 1), "RESV", lock),
    top("resv_unlock", (1, 1), "RESV", unlock),
    top("resv_reserve_fences", (2, 2), "RESV N", reserve),
    top("resv_add_fence", (3, 3), "RESV FENCE USAGE", add),
    top(
        "resv_replace_fences",
        (4, 4),
        "RESV CONTEXT FENCE USAGE",
        |call| {
            let (resv, _) = locked(call, 1)?;
            let context = call.named(Kind::Context, 2)?;
            let (fence, usage) = (call.fence(3)?, usage(call, 4)?);
            let context = call.world().contexts[context];
            // SAFETY: The object is valid, this task has its lock, and the fence is valid.
            unsafe {
                c::dma_resv_replace_fences(resv.as_ptr(), context, fence.as_ptr(), usage);
            }
            Answer::ok()
        },
    ),
    top("resv_test_signaled", (2, 2), "RESV USAGE", |call| {
        let (resv, usage) = (there(call, 1)?.0, usage(call, 2)?);
        // SAFETY: The object is valid.
        Answer::bool(unsafe { c::dma_resv_test_signaled(resv.as_ptr(), usage) })
    }),
    top("resv_for_each_fence", (2, 2), "RESV USAGE", |call| {
        let (resv, _) = locked(call, 1)?;
        // SAFETY: The object is valid, and this task has its lock.
        unsafe {
            each(
                call,
                &resv,
                c::dma_resv_iter_first,
                c::dma_resv_iter_next,
                false,
            )
        }
    }),
    top(
        "resv_for_each_fence_unlocked",
        (2, 2),
        "RESV USAGE",
        |call| {
            let (resv, _) = there(call, 1)?;
            let (first, next) = (
                c::dma_resv_iter_first_unlocked,
                c::dma_resv_iter_next_unlocked,
            );
            // SAFETY: The object is valid.
            unsafe { each(call, &resv, first, next, true) }
        },
    ),
    top("resv_get_fences", (2, 2), "RESV USAGE", get_fences),
    top("resv_get_singleton", (3, 3), "NEW RESV USAGE", |call| {
        let name = call.new_fence_name(1)?;
        let (resv, usage) = (there(call, 2)?.0, usage(call, 3)?);
        let mut fence = null_mut();
        // SAFETY: The object is valid. At top sleeping is allowed.
        match unsafe { c::dma_resv_get_singleton(resv.as_ptr(), usage, &mut fence) } {
            0 => call.adopt(name, fence, FenceKind::PrivateStub),
            error => Answer::number(error),
        }
    }),
    threaded(
        "resv_wait_timeout",
        (3, 4),
        "RESV USAGE JIFFIES [intr]",
        wait_timeout,
    ),
    top(
        "resv_set_deadline",
        (3, 3),
        "RESV USAGE NANOSECONDS",
        |call| {
            let (resv, usage) = (there(call, 1)?.0, usage(call, 2)?);
            let deadline = call.time(3)?;
            // SAFETY: The object is valid.
            unsafe { c::dma_resv_set_deadline(resv.as_ptr(), usage, deadline) };
            Answer::ok()
        },
    ),
    top("resv_copy_fences", (2, 2), "RESV RESV", |call| {
        let ((to, _), (from, _)) = (locked(call, 1)?, there(call, 2)?);
        // SAFETY: Both are valid, and this task has the lock of the first.
        Answer::number(unsafe { c::dma_resv_copy_fences(to.as_ptr(), from.as_ptr()) })
    }),
];

/// The names of usages, in their order.
const USAGES: [&str; 4] = ["kernel", "write", "read", "bookkeep"];

fn usage(call: &Call<'_>, index: usize) -> Result<dma_resv_usage, Refused> {
    let word = call.word(index);
    let place = USAGES.iter().position(|name| name.as_bytes() == word);
    place.map(|place| place as dma_resv_usage).ok_or_else(|| {
        refused!(
            index,
            "not a usage: {}; expected one of {}{}",
            quote(word),
            USAGES.join(" "),
            call.world().suggestion(word, USAGES.into_iter())
        )
    })
}

/// A reservation object that is not ended, and its place.
fn there(call: &Call<'_>, index: usize) -> Result<(Arc<Resv>, usize), Refused> {
    let place = call.named(Kind::Resv, index)?;
    let object = &call.world().resvs[place];
    if object.gone {
        refuse!(
            index,
            "reservation object {} is gone: expected one that is not ended",
            object.name
        );
    }
    Ok((object.resv.clone(), place))
}

/// As [`there`], whose lock the scenario holds.
fn locked(call: &Call<'_>, index: usize) -> Result<(Arc<Resv>, usize), Refused> {
    let (resv, place) = there(call, index)?;
    let object = &call.world().resvs[place];
    if !object.held {
        refuse!(
            index,
            "reservation object {} is not locked: expected resv_lock before",
            object.name
        );
    }
    Ok((resv, place))
}

/// As [`there`], whose lock the scenario does not hold.
fn unlocked(call: &Call<'_>, index: usize) -> Result<(Arc<Resv>, usize), Refused> {
    let (resv, place) = there(call, index)?;
    let object = &call.world().resvs[place];
    if object.held {
        refuse!(
            index,
            "reservation object {} is locked: expected resv_unlock before",
            object.name
        );
    }
    Ok((resv, place))
}

fn resv(call: &Call<'_>) -> Outcome {
    let name = call.new_name(Kind::Resv, 1)?;
    let place = call.world().resvs.len();
    limit(1, "reservation objects", place, MAX_RESVS)?;
    let resv = Resv::new();
    let mut world = call.world();
    world.resvs.push(ResvObject {
        name: name.to_owned(),
        resv,
        held: false,
        gone: false,
        slots: 0,
    });
    world.names.add(Kind::Resv, name, place);
    Answer::ok()
}

fn fini(call: &Call<'_>) -> Outcome {
    let (resv, place) = unlocked(call, 1)?;
    // One here, and one in the table.
    if Arc::strong_count(&resv) > 2 {
        refuse!(
            1,
            "a thread waits for {}: expected it to have finished",
            quote(call.word(1))
        );
    }
    call.world().resvs[place].gone = true;
    // SAFETY: The object is valid, and no other task uses it.
    unsafe { c::dma_resv_fini(resv.as_ptr()) };
    Answer::ok()
}

fn lock(call: &Call<'_>) -> Outcome {
    let (resv, place) = unlocked(call, 1)?;
    // SAFETY: The object is valid. Only this task takes locks, and this one it does not hold.
    let result = unsafe { c::dma_resv_lock(resv.as_ptr(), null_mut()) };
    let object = &mut call.world().resvs[place];
    (object.held, object.slots) = (true, 0);
    Answer::number(result)
}

fn unlock(call: &Call<'_>) -> Outcome {
    let (resv, place) = locked(call, 1)?;
    call.world().resvs[place].held = false;
    // SAFETY: The object is valid, and this task has its lock.
    unsafe { c::dma_resv_unlock(resv.as_ptr()) };
    Answer::ok()
}

fn reserve(call: &Call<'_>) -> Outcome {
    const MOST: u32 = 1 << 16;
    let (resv, place) = locked(call, 1)?;
    // CAST: C takes an unsigned int.
    let count = call.unsigned(2)? as u32;
    if count > MOST {
        refuse!(2, "too many slots: expected at most {MOST}");
    }
    // SAFETY: The object is valid, and this task has its lock.
    let result = unsafe { c::dma_resv_reserve_fences(resv.as_ptr(), count) };
    if result == 0 {
        call.world().resvs[place].slots = count;
    }
    Answer::number(result)
}

fn add(call: &Call<'_>) -> Outcome {
    let (resv, place) = locked(call, 1)?;
    let (fence, usage) = (call.fence(2)?, usage(call, 3)?);
    let slots = call.world().resvs[place].slots;
    let Some(left) = slots.checked_sub(1) else {
        refuse!(
            1,
            "no slot is reserved in {}: expected resv_reserve_fences before",
            quote(call.word(1))
        );
    };
    call.world().resvs[place].slots = left;
    // SAFETY: The object is valid, this task has its lock and a slot, and the fence is valid.
    unsafe { c::dma_resv_add_fence(resv.as_ptr(), fence.as_ptr(), usage) };
    Answer::ok()
}

/// The next fence of a cursor.
type Step = unsafe fn(*mut dma_resv_iter) -> *mut c::dma_fence;

/// Lists the fences of a usage, each with its own.
///
/// # Safety
///
/// The two functions may be called with a cursor that is at the beginning of the object.
unsafe fn each(call: &Call<'_>, resv: &Resv, first: Step, next: Step, ends: bool) -> Outcome {
    let usage = usage(call, 2)?;
    let mut names = Vec::new();
    let mut cursor = dma_resv_iter::new();
    // SAFETY: The object is valid, and the rest is the caller's guarantee.
    unsafe {
        c::dma_resv_iter_begin(&mut cursor, resv.as_ptr(), usage);
        let mut fence = first(&mut cursor);
        while !fence.is_null() {
            let usage = USAGES[c::dma_resv_iter_usage(&mut cursor) as usize];
            names.push(format!("{}:{usage}", call.name_at(fence)));
            fence = next(&mut cursor);
        }
        if ends {
            c::dma_resv_iter_end(&mut cursor);
        }
    }
    Answer::text(list(&names))
}

fn get_fences(call: &Call<'_>) -> Outcome {
    let (resv, usage) = (there(call, 1)?.0, usage(call, 2)?);
    let (mut count, mut fences) = (0, null_mut());
    // SAFETY: The object is valid. At top sleeping is allowed.
    let error = unsafe { c::dma_resv_get_fences(resv.as_ptr(), usage, &mut count, &mut fences) };
    if error != 0 {
        return Answer::number(error);
    }
    let mut names = Vec::new();
    for n in 0..count as usize {
        // SAFETY: There are as many, and their references are ours.
        unsafe {
            let fence = *fences.add(n);
            names.push(call.name_at(fence));
            c::dma_fence_put(fence);
        }
    }
    // SAFETY: The memory is ours.
    unsafe { kfree(fences.cast()) };
    Answer::text(list(&names))
}

fn wait_timeout(call: &Call<'_>) -> Outcome {
    let (resv, usage) = (there(call, 1)?.0, usage(call, 2)?);
    let timeout = jiffies(call, 3)?;
    let intr = call.flag(4, "intr")?;
    may_sleep(call, 3, longest(call, timeout), false)?;
    let timeout = timeout.cast_unsigned();
    // SAFETY: The object is valid until this command is over, and no locks of fences are held.
    let result = unsafe { c::dma_resv_wait_timeout(resv.as_ptr(), usage, intr, timeout) };
    Answer::text(waited(call, result))
}
