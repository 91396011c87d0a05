// SPDX-License-Identifier: GPL-2.0-only
//! The ops of the fences that the command `fence` makes.
//!
//! Each op can be there or not, which is what the core looks at: so there is a table for each
//! combination. An op writes its note before it does anything.
//!
//! # Safety
//!
//! The ops, and what they call here, take a valid fence that was made by [`init`].

// What the ops need is said above, once.
#![allow(clippy::missing_safety_doc)]

use crate::{
    fence::is_locked,
    name::MAX_LENGTH,
    session::current,
    world::fence::{FenceKind, FencePtr, Script},
};
use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_ops};
use core::ptr::NonNull;
use kernel::{
    bindings::{ktime_t, kzalloc_obj, spinlock_t, GFP_KERNEL, MAX_SCHEDULE_TIMEOUT},
    ffi::{c_char, c_long},
};

/// The bits that choose a table.
pub(crate) const ENABLE_SIGNALING: usize = 1;
pub(crate) const SIGNALED: usize = 2;
pub(crate) const WAIT: usize = 4;
pub(crate) const RELEASE: usize = 8;
pub(crate) const SET_DEADLINE: usize = 16;

static TABLES: [dma_fence_ops; 32] = tables();

const fn tables() -> [dma_fence_ops; 32] {
    let mut tables = [const { table(0) }; 32];
    let mut bits = 1;
    while bits < tables.len() {
        tables[bits] = table(bits);
        bits += 1;
    }
    tables
}

const fn table(bits: usize) -> dma_fence_ops {
    const fn when<T: Copy>(there: bool, op: T) -> Option<T> {
        if there {
            Some(op)
        } else {
            None
        }
    }
    dma_fence_ops {
        get_driver_name: Some(get_driver_name),
        get_timeline_name: Some(get_timeline_name),
        enable_signaling: when(bits & ENABLE_SIGNALING != 0, enable_signaling),
        signaled: when(bits & SIGNALED != 0, signaled),
        wait: when(bits & WAIT != 0, wait),
        release: when(bits & RELEASE != 0, release),
        set_deadline: when(bits & SET_DEADLINE != 0, set_deadline),
    }
}

/// A name as a C string.
type Name = [u8; MAX_LENGTH + 1];

/// The memory of a fence made by the command `fence`.
///
/// `dma_fence_free()` frees it without running a destructor, so it owns nothing; what its ops do is
/// kept in the table of fences.
#[repr(C)]
struct ScriptedFence {
    // First, so that freeing the fence frees all of it.
    base: dma_fence,
    /// Its place in the table of fences.
    place: usize,
    driver: Name,
    timeline: Name,
}

/// The words of the command `fence` that the fence itself is made of.
pub(crate) struct Recipe<'a> {
    pub(crate) driver: &'a str,
    pub(crate) timeline: &'a str,
    pub(crate) seqno64: bool,
    /// The lock to use, or null for the fence's own.
    pub(crate) lock: *mut spinlock_t,
    pub(crate) context: u64,
    pub(crate) seqno: u64,
    /// Which ops it has.
    pub(crate) ops: usize,
}

fn name(text: &str) -> Name {
    let mut name = [0; MAX_LENGTH + 1];
    for (to, from) in name.iter_mut().zip(text.bytes().take(MAX_LENGTH)) {
        *to = from;
    }
    name
}

/// Memory for a fence, not initialised yet. The fence's release frees it, so [`init`] must follow.
pub(crate) fn alloc() -> Option<FencePtr> {
    // SAFETY: Sleeping is allowed at top.
    let memory = unsafe { kzalloc_obj::<ScriptedFence>(GFP_KERNEL) };
    NonNull::new(memory.cast()).map(FencePtr)
}

/// Makes a fence of memory from [`alloc`].
///
/// # Safety
///
/// `fence` comes from [`alloc`] and is not initialised; the lock of the recipe outlives the fence.
pub(crate) unsafe fn init(fence: FencePtr, place: usize, recipe: &Recipe<'_>) {
    let fence: *mut ScriptedFence = fence.0.as_ptr().cast();
    let init = if recipe.seqno64 {
        c::dma_fence_init64
    } else {
        c::dma_fence_init
    };
    // SAFETY: The memory is that of a new fence, the table is static, and the lock is null or
    // outlives the fence.
    unsafe {
        (*fence).place = place;
        (*fence).driver = name(recipe.driver);
        (*fence).timeline = name(recipe.timeline);
        let ops = &TABLES[recipe.ops];
        init(fence.cast(), ops, recipe.lock, recipe.context, recipe.seqno);
    }
}

/// Writes the note of an op that is called, with what `body` makes of the fence's script behind it;
/// returns the script.
unsafe fn note(
    fence: *mut dma_fence,
    op: &str,
    body: impl FnOnce(&mut Script) -> String,
) -> Option<Script> {
    // SAFETY: `init` made the fence, and it is valid. Its place never changes.
    let place = unsafe { (*fence.cast::<ScriptedFence>()).place };
    // SAFETY: The fence is valid, and its lock outlives it.
    let locked = if unsafe { is_locked(fence) } {
        " locked"
    } else {
        ""
    };
    let noted = current(|session, _| {
        let world = &mut *session.world();
        let object = &mut world.fences[place];
        let FenceKind::Scripted(script) = &mut object.kind else {
            return None;
        };
        let (name, more) = (&object.name, body(script));
        world
            .recorder
            .note(&format!("! op {op} {name}{locked}{more}"));
        Some(*script)
    });
    noted.flatten()
}

/// The name of the driver.
unsafe extern "C" fn get_driver_name(fence: *mut dma_fence) -> *const c_char {
    let fence: *mut ScriptedFence = fence.cast();
    // SAFETY: The fence is valid; the name is written before it is initialised.
    unsafe { (&raw const (*fence).driver).cast() }
}

/// The name of the timeline.
unsafe extern "C" fn get_timeline_name(fence: *mut dma_fence) -> *const c_char {
    let fence: *mut ScriptedFence = fence.cast();
    // SAFETY: The fence is valid; the name is written before it is initialised.
    unsafe { (&raw const (*fence).timeline).cast() }
}

/// Agrees or refuses, and sets its error, as the script says.
/// Called with the lock held.
unsafe extern "C" fn enable_signaling(fence: *mut dma_fence) -> bool {
    // SAFETY: `init` made the fence, and it is valid.
    let script = unsafe {
        note(fence, "enable_signaling", |script| {
            format!(" = {}", !script.refuses)
        })
    };
    let script = script.unwrap_or_default();
    if let Some(error) = script.enable_error {
        // SAFETY: The fence is valid and its lock is held.
        unsafe { c::dma_fence_set_error(fence, error) };
    }
    !script.refuses
}

/// Answers a poll as the script says.
unsafe extern "C" fn signaled(fence: *mut dma_fence) -> bool {
    let mut done = false;
    // SAFETY: `init` made the fence, and it is valid.
    let script = unsafe {
        note(fence, "signaled", |script| {
            done = script.complete && script.polls_left == 0;
            script.polls_left = script.polls_left.saturating_sub(script.complete.into());
            format!(" = {done}")
        })
    };
    if let Some(error) = script.and_then(|script| script.signaled_error.filter(|_| done)) {
        // SAFETY: The fence is valid.
        unsafe { c::dma_fence_set_error(fence, error) };
    }
    done
}

/// Waits, or returns what the script says.
unsafe extern "C" fn wait(fence: *mut dma_fence, intr: bool, timeout: c_long) -> c_long {
    // SAFETY: `init` made the fence, and it is valid.
    let script = unsafe {
        note(fence, "wait", |_| {
            let intr = if intr { " intr" } else { "" };
            match timeout {
                MAX_SCHEDULE_TIMEOUT => format!(" max{intr}"),
                _ => format!(" {timeout}{intr}"),
            }
        })
    };
    let fixed = script.and_then(|script| script.wait);
    match fixed.map(c_long::try_from) {
        Some(Ok(value)) => value,
        // SAFETY: The caller holds a reference, as it must for the wait op.
        _ => unsafe { c::dma_fence_default_wait(fence, intr, timeout) },
    }
}

/// Frees the fence.
/// Called when the last reference was dropped.
unsafe extern "C" fn release(fence: *mut dma_fence) {
    // SAFETY: `init` made the fence, and it is freed below.
    unsafe { note(fence, "release", |_| String::new()) };
    // SAFETY: The last reference was dropped, and the memory is from alloc().
    unsafe { c::dma_fence_free(fence) };
}

/// Takes note of a deadline.
unsafe extern "C" fn set_deadline(fence: *mut dma_fence, deadline: ktime_t) {
    // SAFETY: `init` made the fence, and it is valid.
    unsafe { note(fence, "set_deadline", |_| format!(" {deadline}")) };
}
