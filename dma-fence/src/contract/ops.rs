// SPDX-License-Identifier: GPL-2.0-only
//! The kernel calls into a driver: when it may, and what that may not do meanwhile.

use super::{
    super::bindings::{dma_fence_cb, Live},
    call::Call,
    callback::CALLBACKS,
    named::Fence,
    record::{self, At, Subject},
    rules::{CALLBACK_ATOMIC, NO_DRIVER_DATA_AFTER_SIGNAL, UNLOAD_AFTER_DETACH},
    seen,
};
use core::{panic::Location, ptr};
use kernel::bindings::{
    debug_call, debug_call_begins, debug_call_ends, debug_in_call, debug_report_once,
    debugobjects::ModuleText,
    rcu_section,
    rule::{checking, this_machine, Place, Rule},
    DriverCall, BUG, NOTHING_AFTER_REMOVE,
};
use kernel::ffi::c_int;

/// A callback is about to be called.
#[track_caller]
pub(super) fn callback_begins(fence: *const Live, cb: *mut dma_fence_cb) {
    let added = CALLBACKS.with(cb.addr(), |callback| {
        callback.pending = false;
        callback.added
    });
    call_begins(fence, Call::Callback, added);
}

/// An op or a callback is about to be called; a callback was added there.
#[inline(always)]
#[track_caller]
pub(super) fn call_begins(fence: *const Live, call: Call, added: Option<At>) {
    let at = Location::caller();
    Rule::count([&CALLBACK_ATOMIC]);
    if call == Call::EnableSignaling {
        record::amend(fence, |known| known.record.enabled = true);
    }
    let Some(seen) = seen::of(fence) else {
        return untracked(call);
    };
    debug_call_begins(DriverCall {
        kind: call.kind(),
        subject: seen.subject,
        said_true: seen.said_true,
        lock: if call.locked() { seen.lock } else { 0 },
        created: Some(seen.created),
        step: added,
        signalled: seen.signalled.filter(|_| call == Call::Callback),
        reported: false,
    });
    if call != Call::Callback {
        let signalled = seen.signalled.map(|_| seen.bit_set);
        no_driver_data_after_signal(fence, signalled, call, at);
        unload_after_detach(fence, seen.module_gone, call, at);
    }
}

/// As [`call_begins`], for a fence that is not tracked: nothing is reported of it.
#[cold]
#[inline(never)]
fn untracked(call: Call) {
    debug_call_begins(DriverCall {
        kind: call.kind(),
        subject: (0, 0),
        said_true: false,
        lock: 0,
        created: None,
        step: None,
        signalled: None,
        reported: true,
    });
}

/// It has returned.
pub(super) fn call_ends() {
    debug_call_ends();
}

/// An op is called in a section that began after the fence was `signalled`: nothing keeps what it reaches.
#[inline(always)]
fn no_driver_data_after_signal(fence: *const Live, signalled: Option<u64>, call: Call, at: At) {
    Rule::count([&NO_DRIVER_DATA_AFTER_SIGNAL]);
    let Some(bit_set) = signalled else {
        return;
    };
    let late = || rcu_section().is_none_or(|section| bit_set < section.stamp);
    if call != Call::Release && late() && checking() {
        touched(fence, call.kind().what, at);
    }
}

#[cold]
#[inline(never)]
fn touched(fence: *const Live, what: &str, at: At) {
    let Some(record) = record::of(fence) else {
        return;
    };
    record.report(
        &NO_DRIVER_DATA_AFTER_SIGNAL,
        format_args!("{what} is used after the signal"),
        [record.signal_step(), ("used", Place::Here(at))],
    );
}

/// The table of ops is used itself, where the core would have looked at the bit. Once the core has
/// told of the signal, it does not need the ops any more.
#[track_caller]
pub(super) fn table_used(fence: &Live) {
    let signalled = || seen::of(fence).is_some_and(|seen| seen.bit_set != 0);
    if NO_DRIVER_DATA_AFTER_SIGNAL.look() && signalled() {
        touched(fence, "the table of ops", Location::caller());
    }
}

/// The lock of a fence is about to be taken: not by what is called under it.
#[track_caller]
pub(super) fn lock_taken(fence: *const Live) {
    if !debug_in_call() {
        return;
    }
    let Some(seen) = seen::of(fence) else {
        return;
    };
    let Some(call) = debug_call(|call| call.lock == seen.lock) else {
        return nested(seen.subject);
    };
    if checking() && !call.reported {
        call.report(
            format_args!("{} takes the lock that it is called under", call.kind.what),
            ("lock taken", Place::Here(Location::caller())),
        );
    }
    // Among threads that run freely no scheduler finds that this one spins forever. It ends here,
    // and unwinds nothing: what the caller was about to take off a list would stay there.
    if call.kind.surely_locked && this_machine() == 0 {
        BUG!(
            "{} waits for a lock that it is called under",
            call.kind.what
        );
    }
}

/// The lock of a fence is about to be taken by a callback of another, which may be done the other way
/// round elsewhere. An op of a container takes those of its members: the order is for lockdep.
#[track_caller]
fn nested((context, seqno): Subject) {
    let is_callback = |kind| ptr::eq(kind, Call::Callback.kind());
    let callback = |call: &DriverCall| is_callback(call.kind) && !call.reported;
    let Some(call) = debug_call(callback) else {
        return;
    };
    if checking() && debug_report_once() {
        call.report(
            format_args!(
                "{} takes the lock of fence {context}:{seqno}",
                call.kind.what
            ),
            ("lock taken", Place::Here(Location::caller())),
        );
    }
}

/// The last reference to a fence is gone: not in what is called under its lock.
pub(super) fn last_put(fence: *const Live) {
    if !debug_in_call() {
        return;
    }
    let Some(seen) = seen::of(fence) else {
        return;
    };
    let same =
        |call: &DriverCall| call.kind.surely_locked && call.lock == seen.lock && !call.reported;
    if let (Some(call), true, Some(record)) = (debug_call(same), checking(), record::of(fence)) {
        let (what, its) = (call.kind.what, Fence(call.subject));
        record.report(
            &CALLBACK_ATOMIC,
            format_args!("{what} of {its} drops the last reference to one of its lock"),
            [record.put("reference dropped")],
        );
    }
}

/// An op of a module that is gone is called.
#[inline(always)]
fn unload_after_detach(fence: *const Live, module_gone: bool, call: Call, at: At) {
    Rule::count([&UNLOAD_AFTER_DETACH]);
    if module_gone && checking() {
        unloaded(fence, call, at);
    }
}

#[cold]
#[inline(never)]
fn unloaded(fence: *const Live, call: Call, at: At) {
    if let Some(record) = record::of(fence) {
        record.report(
            &UNLOAD_AFTER_DETACH,
            format_args!(
                "{} of a module that was unloaded is called",
                call.kind().what
            ),
            [record.signal_step(), ("called", Place::Here(at))],
        );
    }
}

/// A module goes, a grace period after its exit: no callback that its code has added may be pending
/// any more, and no fence that it has made may call into it. Or its device has gone, and its callbacks
/// with it.
///
/// Among threads that run freely those of other tests use the same code, whether it is loaded or
/// not; so there it goes for what this task has made, and in a machine with a virtual CPU for all.
#[track_caller]
pub(super) fn module_gone(module: &ModuleText) {
    let (this, task) = (this_machine(), record::this_task());
    let is_its = |machine: u64, maker: c_int, made: u64, at: At| {
        machine == this
            && (machine != 0 || maker == task)
            && made >= module.loaded
            && module.has(at.file())
    };
    let fences = record::filter_map(|number, record| {
        let left = !module.stays
            && !record.container
            && record.published.is_some()
            && !record.released
            && (record.signalled().is_none() || record.keeps_ops)
            && is_its(record.machine, record.task, number, record.created);
        record.module_gone |= left;
        left.then_some(*record)
    });
    let callbacks = CALLBACKS.filter_map(|_, callback| {
        let left = callback.pending
            && is_its(
                callback.machine,
                callback.task,
                callback.made,
                callback.added,
            );
        left.then_some(*callback)
    });
    let (fence, callback) = (fences.into_iter().next(), callbacks.into_iter().next());
    let name = module.name.to_str().unwrap_or("?");
    if module.stays {
        if let (true, Some(callback)) = (checking(), callback) {
            let fence = Fence(callback.subject);
            NOTHING_AFTER_REMOVE.report(
                format_args!(
                    "dma-fence: the device of {name} is gone while its callback is pending, {fence}"
                ),
                &[
                    ("fence created", Place::At(callback.created)),
                    ("callback added", Place::At(callback.added)),
                    ("device gone", Place::Here(Location::caller())),
                ],
            );
        }
        return;
    }
    if !UNLOAD_AFTER_DETACH.look() {
        return;
    }
    let unloaded = ("module unloaded", Place::Here(Location::caller()));
    if let Some(callback) = callback {
        UNLOAD_AFTER_DETACH.report_on(
            callback.subject,
            Place::At(callback.created),
            format_args!("the module {name} is unloaded while its callback is pending"),
            [("callback added", Place::At(callback.added)), unloaded],
        );
    }
    if let Some(fence) = fence {
        fence.report(
            &UNLOAD_AFTER_DETACH,
            format_args!("the module {name} is unloaded while a fence can call into it"),
            [fence.signal_step(), unloaded],
        );
    }
}
