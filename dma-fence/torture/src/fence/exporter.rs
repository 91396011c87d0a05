// SPDX-License-Identifier: GPL-2.0-only
//! Exporters, and the names that they own.

use super::{Shared, Slot};
use crate::run::delay;
use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_ops};
use fastrand::Rng;
use kernel::{
    bindings::{kmalloc_obj, kref_read, GFP_KERNEL},
    ffi::c_char,
    str::CStrExt as _,
    sync::rcu::synchronize_rcu,
};
use std::{
    ptr::null_mut,
    sync::atomic::{
        self, AtomicU8,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    thread,
    time::Duration,
};

/// The bytes of a timeline's name while it may be read.
pub(super) const ALIVE: u8 = b'a';
/// And once it is freed. The memory stays, so that a reader that comes too late reads this.
pub(super) const FREED: u8 = b'f';

/// The name of a timeline.
pub(super) struct Name([AtomicU8; 16]);

impl Name {
    /// So many that one is seldom used again soon.
    pub(super) fn some() -> Vec<Self> {
        let name = || {
            Self(std::array::from_fn(|n| {
                AtomicU8::new(if n < 15 { FREED } else { 0 })
            }))
        };
        (0..64).map(|_| name()).collect()
    }

    fn fill(&self, byte: u8) {
        self.0[..15].iter().for_each(|at| at.store(byte, Relaxed));
    }
}

/// A fence that knows its name.
#[repr(C)]
pub(super) struct NamedFence {
    fence: dma_fence,
    name: *const Name,
}

/// # Safety
///
/// It has no preconditions.
unsafe extern "C" fn driver_name(_fence: *mut dma_fence) -> *const c_char {
    c"torture".as_char_ptr()
}

/// # Safety
///
/// `fence` is that of a [`NamedFence`].
unsafe extern "C" fn timeline_name(fence: *mut dma_fence) -> *const c_char {
    // SAFETY: The caller's guarantee.
    unsafe { (*fence.cast::<NamedFence>()).name.cast() }
}

static OPS: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(driver_name),
    get_timeline_name: Some(timeline_name),
    enable_signaling: None,
    signaled: None,
    wait: None,
    release: None,
    set_deadline: None,
};

/// Makes, publishes, signals and retires fences until the end.
pub(super) fn export(shared: &Shared<'_>, slot: usize, names: &[Name], rng: &mut Rng) {
    let (run, slot) = (shared.run, &shared.slots[slot]);
    // SAFETY: The function has no preconditions.
    let context = unsafe { c::dma_fence_context_alloc(1) };
    let mut fences = 0;
    while run.goes_on() {
        let name = &names[fences % names.len()];
        name.fill(ALIVE);
        fences += 1;
        let fence = new(name, context, fences as u64);
        slot.firsts.store(0, Relaxed);
        // SAFETY: The slot has one reference, this function another.
        retire(slot, unsafe { c::dma_fence_get(fence) });
        thread::sleep(Duration::from_micros(rng.u64(0..300)));
        signal(shared, slot, fence);
        delay(rng, true);
        // What consumers do who have found it meanwhile is theirs; no more find it.
        retire(slot, null_mut());
        if !run.busted("grace-period") {
            synchronize_rcu();
        }
        name.fill(FREED);
        // A signaller that has found the fence may not have told yet: it does before it drops its
        // reference.
        while !alone(fence) && !run.stopped() {
            thread::yield_now();
        }
        match slot.firsts.load(Acquire) {
            1 => (),
            _ if run.stopped() => (),
            n => run.fail(|| format!("{n} signals of one fence were the first")),
        }
        // SAFETY: The reference from `new()`.
        unsafe { c::dma_fence_put(fence) };
    }
    run.count("fences", fences as u64);
}

/// True if no other reference is left.
fn alone(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference.
    let count = unsafe { kref_read(c::dma_fence_kref(fence)) };
    // Pairs with the release in the puts of the others.
    atomic::fence(Acquire);
    count == 1
}

fn new(name: &Name, context: u64, seqno: u64) -> *mut dma_fence {
    // SAFETY: Plain memory, which is initialised before it is known; a fence without a release op
    // is freed as it was allocated. The name and the ops live until a grace period has passed.
    unsafe {
        let fence = kmalloc_obj::<NamedFence>(GFP_KERNEL);
        assert!(!fence.is_null(), "there is memory");
        (&raw mut (*fence).name).write(name);
        let fence = fence.cast();
        c::dma_fence_init(fence, &OPS, null_mut(), context, seqno);
        fence
    }
}

/// Puts a fence, or none, into the slot, and drops the reference of the one that was there.
pub(super) fn retire(slot: &Slot, fence: *mut dma_fence) {
    let old = slot.fence.swap(fence, AcqRel);
    // SAFETY: The slot's reference. Consumers take theirs inside a section, and only if it is not 0.
    unsafe { c::dma_fence_put(old) };
}

/// Signals, and counts who was the first.
pub(super) fn signal(shared: &Shared<'_>, slot: &Slot, fence: *mut dma_fence) {
    // SAFETY: The caller has a reference.
    let first = unsafe {
        if shared.run.busted("signal") {
            let first = !c::dma_fence_test_signaled_flag(fence);
            thread::yield_now();
            c::dma_fence_signal(fence);
            first
        } else {
            !c::dma_fence_check_and_signal(fence)
        }
    };
    if first {
        slot.firsts.fetch_add(1, Relaxed);
    }
}
