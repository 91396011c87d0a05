// SPDX-License-Identifier: GPL-2.0-only
//! The events of fences: one function for each, which the C mirror calls.

use super::{
    super::bindings::{dma_fence, dma_fence_cb, dma_fence_ops, Live},
    call::Call,
    callback, freed, life, named, names, ops, pending, progress, reach, record, refs,
    rules::SIGNALLING_SECTION,
    state, watch,
};
use core::{ffi::CStr, panic::Location};
use kernel::{
    bindings::{
        debug_section_begins, debug_section_ends, debug_section_waits,
        debugobjects::debug_check_no_obj_dropped, lockdep_circles_break, lockdep_others_go_on,
        lockdep_taken_in_irq, spinlock_t,
    },
    ffi::{c_char, c_int},
    str::CStrExt as _,
};

/// True if this kernel checks the rules. A production kernel does not; nor do builds that look for
/// data races or weak orderings, since the lock of the records would order everything.
const CHECKS: bool = cfg!(all(feature = "debug", not(any(loom, tsan))));

/// Returns the number of fences of this machine that have a record.
pub(crate) fn known() -> usize {
    if CHECKS {
        record::known()
    } else {
        0
    }
}

/// False, and reported, if there is no fence to which `call` could do something.
#[inline]
#[track_caller]
pub(crate) fn exists(fence: *const Live, call: &'static str) -> bool {
    !CHECKS || refs::exists(fence, call)
}

/// As [`exists`], and also if it has no reference left.
#[inline]
#[track_caller]
pub(crate) fn is_counted(fence: *mut Live, call: &'static str) -> bool {
    !CHECKS || refs::is_counted(fence, call)
}

/// Returns from a function that was called with what is no fence: a debug kernel does not touch it.
macro_rules! needs_fence {
    ($fence:expr, $call:literal $(, $else:expr)?) => {
        if !$crate::contract::exists($fence.cast(), $call) {
            return $($else)?;
        }
    };
}

/// As [`needs_fence`], also if the fence has no reference left.
macro_rules! needs_reference {
    ($fence:expr, $call:literal $(, $else:expr)?) => {
        if !$crate::contract::is_counted($fence.cast(), $call) {
            return $($else)?;
        }
    };
}

/// False, and reported, if a fence is added to a reservation object in which no slot is `free`.
#[inline]
#[track_caller]
pub(crate) fn has_slot(fence: *const Live, free: bool) -> bool {
    !CHECKS || state::resv_reserve_first(fence, free)
}

/// Returns from a function that was to add a fence without a slot, with the reference that it has taken
/// dropped: a debug kernel does not end there.
macro_rules! needs_slot {
    ($fence:expr, $free:expr) => {
        if !$crate::contract::has_slot($fence.cast(), $free) {
            $crate::bindings::dma_fence_put($fence);
            return;
        }
    };
}

pub(crate) use {needs_fence, needs_reference, needs_slot};

/// The driver is about to signal the fence, without an error; `f` returns how far its hardware is,
/// the number that this has to get to, and how many bits both have.
#[inline]
#[track_caller]
pub(crate) fn done(fence: *const Live, f: impl FnOnce() -> Option<(u64, u64, u32)>) {
    if CHECKS {
        progress::signals(fence, f());
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) = $told:expr;)*) => {
        $($(#[$doc])*
        #[inline]
        #[track_caller]
        pub(crate) fn $name($($arg: $type),*) {
            if CHECKS {
                $told;
            }
        })*
    };
}

events! {
    /// `dma_fence_context_alloc()`: the first that a driver calls.
    context_alloc() = record::know_own_files();

    /// `dma_fence_init()` has initialised a fence, with a lock of its own if `lock` is null.
    init(fence: &Live, ops: &dma_fence_ops, lock: *mut spinlock_t) = {
        if life::begins(fence, ops, lock) {
            watch::begins();
        }
        // SAFETY: The fence was just initialised, and its lock is with it.
        unsafe { lockdep_taken_in_irq(fence.spinlock(), &"the signal of any fence") };
    };

    /// The ops of the fence reach the context at this address, its two names, and data that is in the
    /// fence's own memory.
    declare(fence: *const Live, context: usize, names: [&CStr; 2]) = {
        reach::declares(fence, context, names.map(|name| name.as_char_ptr().addr()));
        if let Some(record) = record::of(fence) {
            for (which, name) in names.into_iter().enumerate() {
                named::learns(record.context, which, name.as_char_ptr().addr(), || name);
            }
        }
    };

    /// The fence is made of others: what its memory points to lives until its last reference goes.
    contains(fence: &Live) = {
        reach::contains(fence);
        // It has another class now.
        // SAFETY: The fence was just initialised, and its lock is with it.
        unsafe { lockdep_taken_in_irq(fence.spinlock(), &"the signal of any fence") };
    };

    /// A container has a fence in it; `nested` if that is one that it cannot contain.
    member(container: &Live, fence: &Live, nested: bool) =
        state::no_nested_containers(container, fence, nested);

    /// The fences of this one's context signal in order.
    in_order(fence: *const Live) = progress::in_order(fence);

    /// The fence can be found by others than its issuer.
    publish(fence: *const Live) = {
        if record::find(fence).is_some_and(|known| !known.is_published()) {
            pending::begins(fence);
            reach::touched(fence);
        }
    };

    /// The issuer's side goes without a signal.
    forget(fence: *const Live) = pending::forgotten(fence);

    /// Lockdep learns what fences are waited for under.
    prime_signalling() = lockdep_circles_break(c"dma_fence_map", &SIGNALLING_SECTION);

    /// `dma_fence_begin_signalling()`.
    begin_signalling() = debug_section_begins(&SIGNALLING_SECTION, "a signalling section");

    /// `dma_fence_end_signalling()`.
    end_signalling() = debug_section_ends();

    /// `__dma_fence_might_wait()`.
    might_wait() = debug_section_waits("fence waited for");

    /// `dma_fence_set_error()` is about to set an error.
    set_error(fence: &Live, error: c_int) = state::error_before_signal(fence, error);

    /// The task is about to wait for the fence, if that has not signalled.
    wait_begin(fence: *const Live) = pending::wait_begins(fence);

    /// The task is about to wait for one of several fences.
    wait_any_begin(fences: &[*mut dma_fence]) = pending::wait_begins(fences[0].cast());

    /// It does not wait for them any more.
    wait_any_end(fences: &[*mut dma_fence]) = pending::wait_ends(fences[0].cast());

    /// It does not wait for it any more.
    wait_end(fence: *const Live) = pending::wait_ends(fence);

    /// `dma_fence_signal_timestamp_locked()` is about to set the bit. A grace period counts from here
    /// on: a task that sees the bit may ask for one at once.
    signal(fence: &Live) = {
        if let Some(known) = record::find(fence) {
            known.signals(Location::caller());
        }
    };

    /// It has set the bit; the ops are still attached.
    signaled(fence: &Live) = {
        life::signalled(fence);
        lockdep_others_go_on();
    };

    /// `dma_fence_put()` is about to drop a reference, maybe the last.
    put(fence: &Live) = {
        watch::something_happens();
        refs::dropped(fence);
    };

    /// `dma_fence_get()` and its like have taken a reference.
    get(fence: *const Live) = {
        publish(fence);
        refs::taken(fence);
    };

    /// There is a fence that was not made by `dma_fence_init()`.
    foreign(fence: *const Live) = {
        record::untracked(fence.addr());
        refs::begins(fence);
    };

    /// `dma_fence_release()`: the last reference is gone, maybe while callbacks are pending.
    release(fence: &Live, pending: bool) = {
        ops::last_put(fence);
        pending::released(fence, pending);
    };

    /// It will not take the lock of the fence any more.
    destroy(fence: &Live) = record::releases(fence);

    /// The lock of the fence is about to be taken.
    lock(fence: &Live) = ops::lock_taken(fence);

    /// `dma_fence_add_callback()` is about to add a callback; or, if it is not `pending`, it was too
    /// late, and it is as if it had been called.
    add_callback(fence: &Live, cb: *mut dma_fence_cb, pending: bool) =
        {
            callback::added(fence, cb, pending);
            reach::touched(fence);
        };

    /// The callback that was just added, if it was, is wanted by code that is there.
    add_callback_at(cb: *mut dma_fence_cb, at: &'static Location<'static>) =
        callback::added_at(cb, at);

    /// `dma_fence_remove_callback()` takes back a callback, if that is `pending`.
    remove_callback(fence: &Live, cb: *mut dma_fence_cb, pending: bool) =
        callback::removed(fence, cb, pending);

    /// A callback is about to be called.
    callback_begin(fence: &Live, cb: *mut dma_fence_cb) = ops::callback_begins(fence, cb);

    /// An op is about to be called.
    call_begin(fence: &Live, call: Call) = ops::call_begins(fence, call, None);

    /// The op or callback has returned.
    call_end() = ops::call_ends();

    /// The op `signaled` has answered `dma_fence_is_signaled()`; its call is not over yet.
    is_signaled(fence: &Live, answer: bool) = state::signaled_monotonic(fence, answer);

    /// `dma_fence_is_later()`: two fences are about to be compared.
    is_later(f1: &Live, f2: &Live) = state::compare_same_context(f1, f2);

    /// `dma_fence_driver_name()` or `dma_fence_timeline_name()` is called.
    name(fence: &Live) = names::names_in_one_rcu_section(fence);

    /// An op has returned a name, which may be used until the section ends: the driver's is number
    /// 0, the timeline's number 1. It is this `string`, unless it is null.
    name_returned(fence: &Live, which: usize, name: *const c_char, string: impl Fn() -> &'static CStr) = {
        let known = record::find(fence);
        let is_known = known.is_some_and(|known| !reach::name_returned(known, which, name));
        if !is_known && !name.is_null() {
            named::learns(fence.context, which, name.addr(), string);
        }
        if let Some(known) = known {
            names::escapes((known.subject(), known.created()), name);
        }
    };

    /// The table of ops is used itself, where the core would have looked at the bit.
    ops_ptr(fence: &Live) = ops::table_used(fence);

    /// The contents of this memory are about to be dropped, without the memory being freed.
    drop_in_place(addr: usize, size: usize) = debug_check_no_obj_dropped(addr, size);

    /// As [`drop_in_place`], for the data of a fence that has [declared](declare) what its ops reach.
    drop_data(fence: *const Live, addr: usize, size: usize) = {
        freed::data_goes(fence, addr, size);
        debug_check_no_obj_dropped(addr, size);
    };
}
