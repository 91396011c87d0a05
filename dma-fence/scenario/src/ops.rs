// SPDX-License-Identifier: GPL-2.0-only
//! The ops of the fences that the command `fence` makes.
//!
//! Each op can be there or not, which is what the core looks at: so there is a
//! table for each combination. An op writes its note before it does anything.

use crate::{
    fence::{is_locked, FenceKind, FencePtr, Script},
    name::MAX_LENGTH,
    session::{current, State},
};
use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_ops};
use core::{mem::size_of, ptr::NonNull};
use kernel::{
    bindings::{
        krealloc_node_align, ktime_t, spinlock_t, __GFP_ZERO, GFP_KERNEL, MAX_SCHEDULE_TIMEOUT,
        NUMA_NO_NODE,
    },
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
    dma_fence_ops {
        get_driver_name: Some(get_driver_name),
        get_timeline_name: Some(get_timeline_name),
        enable_signaling: if bits & ENABLE_SIGNALING != 0 {
            Some(enable_signaling)
        } else {
            None
        },
        signaled: if bits & SIGNALED != 0 {
            Some(signaled)
        } else {
            None
        },
        wait: if bits & WAIT != 0 { Some(wait) } else { None },
        release: if bits & RELEASE != 0 {
            Some(release)
        } else {
            None
        },
        set_deadline: if bits & SET_DEADLINE != 0 {
            Some(set_deadline)
        } else {
            None
        },
    }
}

/// A name as a C string.
type Name = [u8; MAX_LENGTH + 1];

/// The memory of a fence made by the command `fence`.
///
/// `dma_fence_free()` frees it without running a destructor, so it owns nothing;
/// what its ops do is kept in the table of fences.
#[repr(C)]
struct ScriptedFence {
    // First, so that freeing the fence frees all of it.
    base: dma_fence,
    /// Its place in the table of fences.
    index: usize,
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

/// Memory for a fence, not initialised yet. It ends up with the fence's release,
/// so [`init`] must follow.
pub(crate) fn alloc() -> Option<FencePtr> {
    // SAFETY: A null pointer asks for new memory.
    let memory = unsafe {
        krealloc_node_align(
            core::ptr::null(),
            size_of::<ScriptedFence>(),
            align_of::<ScriptedFence>(),
            GFP_KERNEL | __GFP_ZERO,
            NUMA_NO_NODE,
        )
    };
    NonNull::new(memory.cast()).map(FencePtr)
}

/// Makes a fence of memory from [`alloc`].
///
/// # Safety
///
/// `fence` comes from [`alloc`] and is not initialised; the lock of the recipe
/// outlives the fence.
pub(crate) unsafe fn init(fence: FencePtr, index: usize, recipe: &Recipe<'_>) {
    let fence: *mut ScriptedFence = fence.0.as_ptr().cast();
    // SAFETY: By the safety requirements there is room for all of it.
    unsafe { (&raw mut (*fence).index).write(index) };
    // SAFETY: As above.
    unsafe { (&raw mut (*fence).driver).write(name(recipe.driver)) };
    // SAFETY: As above.
    unsafe { (&raw mut (*fence).timeline).write(name(recipe.timeline)) };
    let ops: *const dma_fence_ops = &TABLES[recipe.ops % TABLES.len()];
    let init = if recipe.seqno64 {
        c::dma_fence_init64
    } else {
        c::dma_fence_init
    };
    // SAFETY: The memory is that of a new fence, the table is static, and the
    // lock is null or outlives the fence by the safety requirements.
    unsafe { init(fence.cast(), ops, recipe.lock, recipe.context, recipe.seqno) };
}

/// Calls `body` with the script of the fence whose op is called.
///
/// # Safety
///
/// `fence` is a living fence made by [`init`].
unsafe fn script<R>(
    fence: *mut dma_fence,
    body: impl FnOnce(&mut State, &str, &mut Script) -> R,
) -> Option<R> {
    let fence: *mut ScriptedFence = fence.cast();
    // SAFETY: By the safety requirements; the index never changes.
    let index = unsafe { (*fence).index };
    // SAFETY: A living fence, its lock outlives it.
    let locked = if unsafe { is_locked(fence.cast()) } {
        " locked"
    } else {
        ""
    };
    current(|session, _| {
        let mut state = session.state();
        let object = state.fences.get(index)?;
        let FenceKind::Scripted(mut script) = object.kind else {
            return None;
        };
        let subject = format!("{}{locked}", object.name);
        let result = body(&mut state, &subject, &mut script);
        if let Some(object) = state.fences.get_mut(index) {
            object.kind = FenceKind::Scripted(script);
        }
        Some(result)
    })
    .flatten()
}

/// The name of the driver.
///
/// # Safety
///
/// `fence` is a living fence made by [`init`].
unsafe extern "C" fn get_driver_name(fence: *mut dma_fence) -> *const c_char {
    let fence: *mut ScriptedFence = fence.cast();
    // SAFETY: The fence is alive; the name is written before it is initialised.
    unsafe { (&raw const (*fence).driver).cast() }
}

/// The name of the timeline.
///
/// # Safety
///
/// `fence` is a living fence made by [`init`].
unsafe extern "C" fn get_timeline_name(fence: *mut dma_fence) -> *const c_char {
    let fence: *mut ScriptedFence = fence.cast();
    // SAFETY: The fence is alive; the name is written before it is initialised.
    unsafe { (&raw const (*fence).timeline).cast() }
}

/// Agrees or refuses, and sets its error, as the script says.
///
/// # Safety
///
/// `fence` is a living fence made by [`init`].
unsafe extern "C" fn enable_signaling(fence: *mut dma_fence) -> bool {
    // SAFETY: The core calls this op with a living fence of ours.
    let script = unsafe {
        script(fence, |state, subject, script| {
            let enabled = !script.refuses;
            state
                .recorder
                .note(&format!("! op enable_signaling {subject} = {enabled}"));
            *script
        })
    };
    let Some(script) = script else {
        return true;
    };
    if let Some(error) = script.enable_error {
        // SAFETY: The fence is alive and its lock is held.
        unsafe { c::dma_fence_set_error(fence, error) };
    }
    !script.refuses
}

/// Answers a poll as the script says.
///
/// # Safety
///
/// `fence` is a living fence made by [`init`].
unsafe extern "C" fn signaled(fence: *mut dma_fence) -> bool {
    // SAFETY: The core calls this op with a living fence of ours.
    let polled = unsafe {
        script(fence, |state, subject, script| {
            let done = script.complete && script.polls_left == 0;
            script.polls_left = script.polls_left.saturating_sub(script.complete.into());
            state
                .recorder
                .note(&format!("! op signaled {subject} = {done}"));
            (done, script.signaled_error.filter(|_| done))
        })
    };
    let (done, error) = polled.unwrap_or_default();
    if let Some(error) = error {
        // SAFETY: The fence is alive.
        unsafe { c::dma_fence_set_error(fence, error) };
    }
    done
}

/// Waits, or returns what the script says.
///
/// # Safety
///
/// `fence` is a living fence made by [`init`].
unsafe extern "C" fn wait(fence: *mut dma_fence, intr: bool, timeout: c_long) -> c_long {
    // SAFETY: The core calls this op with a living fence of ours.
    let fixed = unsafe {
        script(fence, |state, subject, script| {
            let timeout = if timeout == MAX_SCHEDULE_TIMEOUT {
                "max".to_owned()
            } else {
                timeout.to_string()
            };
            let intr = if intr { " intr" } else { "" };
            state
                .recorder
                .note(&format!("! op wait {subject} {timeout}{intr}"));
            script.wait
        })
    };
    match fixed.flatten().map(c_long::try_from) {
        Some(Ok(value)) => value,
        // SAFETY: The caller holds a reference, as it must for the wait op.
        _ => unsafe { c::dma_fence_default_wait(fence, intr, timeout) },
    }
}

/// Frees the fence.
///
/// # Safety
///
/// `fence` is a fence made by [`init`] whose last reference is gone.
unsafe extern "C" fn release(fence: *mut dma_fence) {
    // The destroy event came before, so the fence counts as gone already.
    // SAFETY: The core calls this op with a fence of ours that is not freed.
    unsafe {
        script(fence, |state, subject, _| {
            state.recorder.note(&format!("! op release {subject}"));
        })
    };
    // SAFETY: The last reference was dropped, and the memory is from alloc().
    unsafe { c::dma_fence_free(fence) };
}

/// Takes note of a deadline.
///
/// # Safety
///
/// `fence` is a living fence made by [`init`].
unsafe extern "C" fn set_deadline(fence: *mut dma_fence, deadline: ktime_t) {
    // SAFETY: The core calls this op with a living fence of ours.
    unsafe {
        script(fence, |state, subject, _| {
            state
                .recorder
                .note(&format!("! op set_deadline {subject} {deadline}"));
        })
    };
}
