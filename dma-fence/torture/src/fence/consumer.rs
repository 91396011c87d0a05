// SPDX-License-Identifier: GPL-2.0-only
//! Consumers: they wait, add callbacks and take them back, read names, ask, and signal.

use super::{
    exporter::{signal, FREED},
    Shared, SLOTS,
};
use crate::run::delay;
use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_cb};
use fastrand::Rng;
use kernel::{bindings::HZ, ffi::c_char, sync::rcu};
use std::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    thread,
};

/// Does one thing after the other with the fences that are published, until the end.
pub(super) fn consume(shared: &Shared<'_>, rng: &mut Rng) {
    let mut counts = [0; 5];
    while shared.run.goes_on() {
        let slot = &shared.slots[rng.usize(0..SLOTS)];
        let fence = {
            let _guard = rcu::read_lock();
            // SAFETY: Fences are put after they are taken out of the slot, and freed RCU-safe.
            unsafe { c::dma_fence_get_rcu_safe(slot.fence.as_ptr()) }
        };
        if fence.is_null() {
            thread::yield_now();
            continue;
        }
        delay(rng, true);
        let what = rng.usize(0..counts.len());
        match what {
            0 => wait(shared, fence, rng),
            1 => callback(shared, fence, rng),
            2 => names(shared, fence, rng),
            3 => state(shared, fence, rng),
            _ => signal(shared, slot, fence),
        }
        counts[what] += 1;
        // SAFETY: The reference from above.
        unsafe { c::dma_fence_put(fence) };
        shared.run.round();
    }
    let names = [
        "waits",
        "callbacks",
        "names read",
        "states asked",
        "signals",
    ];
    for (name, count) in names.into_iter().zip(counts) {
        shared.run.count(name, count);
    }
}

fn signaled(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference.
    unsafe { c::dma_fence_test_signaled_flag(fence) }
}

fn wait(shared: &Shared<'_>, fence: *mut dma_fence, rng: &mut Rng) {
    let timeout = rng.isize(0..HZ as isize);
    let left = match shared.run.busted("wait") {
        true => 1,
        // SAFETY: The caller has a reference, and may sleep.
        false => unsafe { c::dma_fence_wait_timeout(fence, rng.bool(), timeout) },
    };
    if left > 0 && !signaled(fence) {
        shared
            .run
            .fail(|| "a wait has ended, and the fence has not signalled".into());
    }
    if left < 0 {
        shared.run.fail(|| format!("a wait returned {left}"));
    }
}

/// A callback that counts its calls.
#[repr(C)]
struct Callback {
    cb: UnsafeCell<MaybeUninit<dma_fence_cb>>,
    calls: AtomicU32,
}

/// # Safety
///
/// `cb` is that of a [`Callback`].
unsafe extern "C" fn called(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    let callback: *const Callback = cb.cast();
    // SAFETY: Added by `callback()`, which takes it back before it returns.
    // Pairs with the loads there.
    unsafe { (*callback).calls.fetch_add(1, Release) };
}

fn callback(shared: &Shared<'_>, fence: *mut dma_fence, rng: &mut Rng) {
    let callback = Callback {
        cb: UnsafeCell::new(MaybeUninit::uninit()),
        calls: AtomicU32::new(0),
    };
    let cb = callback.cb.get().cast();
    let fail = |what: &str| shared.run.fail(|| what.into());
    // SAFETY: The callback lives until it has been taken back below.
    if unsafe { c::dma_fence_add_callback(fence, cb, Some(called)) } != 0 {
        if !signaled(fence) {
            fail("a callback was refused by a fence that has not signalled");
        }
        if callback.calls.load(Acquire) != 0 {
            fail("a callback that was refused was called");
        }
        return;
    }
    delay(rng, true);
    let early = shared.run.busted("remove");
    // SAFETY: Added above.
    let removed = early || unsafe { c::dma_fence_remove_callback(fence, cb) };
    let calls = callback.calls.load(Acquire);
    delay(rng, true);
    if calls != callback.calls.load(Acquire) {
        fail("a callback was called after it was taken back");
    }
    match calls {
        0 if removed => (),
        1 if !removed => (),
        0 => fail("a callback could not be taken back, and was never called"),
        _ => fail("a callback was called too often"),
    }
    if !removed && !signaled(fence) {
        fail("a callback was called, and the fence has not signalled");
    }
    if early {
        // SAFETY: Added above. The memory is given back, whatever the variant says.
        unsafe { c::dma_fence_remove_callback(fence, cb) };
    }
}

fn names(shared: &Shared<'_>, fence: *mut dma_fence, rng: &mut Rng) {
    let mut guard = Some(rcu::read_lock());
    // SAFETY: Inside a read-side section.
    let (driver, timeline) = unsafe {
        (
            c::dma_fence_driver_name(fence),
            c::dma_fence_timeline_name(fence),
        )
    };
    let was_signaled = signaled(fence);
    if shared.run.busted("names") {
        guard = None;
        thread::yield_now();
    }
    delay(rng, guard.is_none());
    let (driver, timeline) = (copy(driver), copy(timeline));
    drop(guard);
    let fail = |what: &str| shared.run.fail(|| what.into());
    if timeline.contains(&FREED) && timeline.len() == 15 {
        fail("the name of a timeline was freed under its reader");
    }
    let detached = driver == b"detached-driver";
    if !detached && driver != b"torture" {
        fail("the name of a driver is none");
    }
    // Each is asked for by itself: between them the fence may signal.
    if detached && timeline != b"signaled-timeline" {
        fail("a fence is detached from its driver, but not from its timeline");
    }
    if detached && !was_signaled {
        fail("a fence is detached, and has not signalled");
    }
}

/// Reads a string; of a name that an exporter owns every byte atomically.
fn copy(name: *const c_char) -> Vec<u8> {
    // SAFETY: A string constant, or a name, whose memory stays; both end with a 0.
    let at = |n| unsafe { (*name.cast::<std::sync::atomic::AtomicU8>().add(n)).load(Relaxed) };
    (0..).map(at).take_while(|&byte| byte != 0).collect()
}

fn state(shared: &Shared<'_>, fence: *mut dma_fence, rng: &mut Rng) {
    // SAFETY: The caller has a reference.
    let look = || unsafe {
        let signaled = c::dma_fence_is_signaled(fence);
        let timestamp = if signaled {
            c::dma_fence_timestamp(fence)
        } else {
            0
        };
        (signaled, timestamp, c::dma_fence_get_status(fence))
    };
    let first = look();
    delay(rng, true);
    let second = look();
    if first.0 && first != second {
        shared
            .run
            .fail(|| format!("a signalled fence said {first:?} and then {second:?}"));
    }
    if second.0 && (second.1 == 0 || second.2 != 1) {
        shared
            .run
            .fail(|| format!("a signalled fence says {second:?}"));
    }
}
