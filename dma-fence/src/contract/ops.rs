// SPDX-License-Identifier: GPL-2.0-only
//! The kernel calls into a driver: when it may, and what that may not do meanwhile.

use super::{
    super::bindings::{dma_fence_cb, Live, TIMESTAMP},
    call::Call,
    callback::CALLBACKS,
    named::Fence,
    record::{self, At, Subject},
    rules::{CALLBACK_ATOMIC, NO_DRIVER_DATA_AFTER_SIGNAL, UNLOAD_AFTER_DETACH},
    seen::{self, Seen},
};
use core::panic::Location;
use kernel::bindings::{
    debug_call, debug_call_begins, debug_call_ends, debug_in_call, debug_report_once,
    debugobjects::ModuleText,
    rcu_section,
    rule::{checking, this_machine, Place},
    DriverCall, BUG, NOTHING_AFTER_REMOVE,
};
use kernel::ffi::c_int;

/// A callback is about to be called.
#[track_caller]
pub(super) fn callback_begins(fence: *const Live, cb: *mut dma_fence_cb) {
    let added = CALLBACKS.with(cb.addr(), |callback| {
        callback.pending = false;
        ("callback added", callback.added)
    });
    call_begins(fence, Call::Callback, added);
}

/// An op or a callback is about to be called, to which this step has led.
#[track_caller]
pub(super) fn call_begins(fence: *const Live, call: Call, step: Option<(&'static str, At)>) {
    let at = Location::caller();
    CALLBACK_ATOMIC.look();
    if call == Call::EnableSignaling {
        record::with(fence, |record| record.enabled = true);
    }
    let seen = seen::of(fence);
    debug_call_begins(DriverCall {
        what: call.what(),
        subject: seen.map_or((0, 0), |seen| seen.subject),
        said_true: seen.is_some_and(|seen| seen.said_true),
        lock: seen.map_or(0, |seen| if call.locked() { seen.lock } else { 0 }),
        rule: &CALLBACK_ATOMIC,
        created: seen.map(|seen| seen.created),
        step,
        signalled: seen.and_then(|seen| match call {
            Call::Callback => seen.signalled,
            _ => None,
        }),
        // Nothing is reported of a fence that is not tracked.
        reported: seen.is_none(),
        surely_locked: call.surely_locked(),
    });
    if let (Some(seen), false) = (seen, call == Call::Callback) {
        no_driver_data_after_signal(fence, &seen, call, at);
        unload_after_detach(fence, &seen, call, at);
    }
}

/// It has returned.
pub(super) fn call_ends() {
    debug_call_ends();
}

/// An op is called in a section that began after the signal: nothing keeps what it reaches.
fn no_driver_data_after_signal(fence: *const Live, seen: &Seen, call: Call, at: At) {
    let checking = NO_DRIVER_DATA_AFTER_SIGNAL.look();
    if seen.signalled.is_none() {
        return;
    }
    let late = rcu_section().is_none_or(|section| seen.bit_set < section.stamp);
    if checking && late && call != Call::Release {
        touched(fence, call.what(), at);
    }
}

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

/// The table of ops is used itself, where the core would have looked at the bit. Once the
/// timestamp is there, the core does not need the ops any more.
#[track_caller]
pub(super) fn table_used(fence: &Live) {
    let checking = NO_DRIVER_DATA_AFTER_SIGNAL.look();
    if checking && fence.test(TIMESTAMP) {
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
            format_args!("{} takes the lock that it is called under", call.what),
            ("lock taken", Place::Here(Location::caller())),
        );
    }
    // Among threads that run freely no scheduler finds that this one spins forever. It ends here,
    // and unwinds nothing: what the caller was about to take off a list would stay there.
    if call.surely_locked && this_machine() == 0 {
        BUG!("{} waits for a lock that it is called under", call.what);
    }
}

/// The lock of a fence is about to be taken by a callback of another, which may be done the other way
/// round elsewhere. An op of a container takes those of its members: the order is for lockdep.
#[track_caller]
fn nested((context, seqno): Subject) {
    let callback = |call: &DriverCall| call.what == Call::Callback.what() && !call.reported;
    let Some(call) = debug_call(callback) else {
        return;
    };
    if checking() && debug_report_once() {
        call.report(
            format_args!("{} takes the lock of fence {context}:{seqno}", call.what),
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
    let same = |call: &DriverCall| call.surely_locked && call.lock == seen.lock && !call.reported;
    if let (Some(call), true, Some(record)) = (debug_call(same), checking(), record::of(fence)) {
        let (what, its) = (call.what, Fence(call.subject));
        record.report(
            &CALLBACK_ATOMIC,
            format_args!("{what} of {its} drops the last reference to one of its lock"),
            [record.put("reference dropped")],
        );
    }
}

/// An op of a module that is gone is called.
fn unload_after_detach(fence: *const Live, seen: &Seen, call: Call, at: At) {
    if !UNLOAD_AFTER_DETACH.look() || !seen.module_gone {
        return;
    }
    if let Some(record) = record::of(fence) {
        record.report(
            &UNLOAD_AFTER_DETACH,
            format_args!("{} of a module that was unloaded is called", call.what()),
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
