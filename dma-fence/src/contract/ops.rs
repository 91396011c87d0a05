// SPDX-License-Identifier: GPL-2.0-only
//! The kernel calls into a driver: when it may, and what that may not do meanwhile.

use super::{
    super::bindings::{dma_fence_cb, Live},
    call::Call,
    callback,
    named::Fence,
    record::{self, At, Subject, CONTAINER, KEEPS_OPS, MODULE_GONE, RELEASED},
    rules::{CALLBACK_ATOMIC, NO_DRIVER_DATA_AFTER_SIGNAL, UNLOAD_AFTER_DETACH},
};
use core::{panic::Location, ptr};
use kernel::bindings::{
    debug_call, debug_call_begins, debug_call_ends, debug_in_call, debug_report_once,
    debugobjects::{ModuleText, Vec},
    rcu_section,
    rule::{checking, this_machine, Place, Rule},
    DriverCall, BUG, NOTHING_AFTER_REMOVE,
};
use kernel::ffi::c_int;

/// A callback is about to be called.
#[track_caller]
pub(super) fn callback_begins(fence: &Live, cb: *mut dma_fence_cb) {
    call_begins(fence, Call::Callback, callback::called(cb));
}

/// An op or a callback is about to be called; a callback was added there.
#[inline(always)]
#[track_caller]
pub(super) fn call_begins(fence: &Live, call: Call, added: Option<At>) {
    let at = Location::caller();
    if call == Call::EnableSignaling {
        if let Some(mut known) = record::known_of(fence) {
            known.is_enabled();
        }
    }
    let Some(known) = record::find(fence) else {
        return untracked(call);
    };
    // Only with the stamp from after its bit was set.
    let bit_set = known.bit_set();
    let signalled = if call == Call::Callback && bit_set != 0 {
        known.signalled().map(|(_, at)| at)
    } else {
        None
    };
    debug_call_begins(DriverCall {
        kind: call.kind(),
        subject: known.subject(),
        said_true: !known.said_true().is_none(),
        lock: if call.locked() {
            fence.spinlock().addr()
        } else {
            0
        },
        created: known.created(),
        step: added,
        signalled,
        reported: false,
    });
    if call == Call::Callback {
        Rule::count([&CALLBACK_ATOMIC]);
        return;
    }
    Rule::count([
        &CALLBACK_ATOMIC,
        &NO_DRIVER_DATA_AFTER_SIGNAL,
        &UNLOAD_AFTER_DETACH,
    ]);
    if bit_set != 0 {
        no_driver_data_after_signal(fence, bit_set, call, at);
    }
    if known.has(MODULE_GONE) && checking() {
        unload_after_detach(fence, call, at);
    }
}

/// As [`call_begins`], for a fence that is not tracked: nothing is reported of it.
#[cold]
#[inline(never)]
fn untracked(call: Call) {
    Rule::count([&CALLBACK_ATOMIC]);
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

/// An op is called in a section that began after the bit was set: nothing keeps what it reaches.
#[inline(never)]
fn no_driver_data_after_signal(fence: *const Live, bit_set: u64, call: Call, at: At) {
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
    let signalled = || record::find(fence).is_some_and(|known| known.bit_set() != 0);
    if NO_DRIVER_DATA_AFTER_SIGNAL.look() && signalled() {
        touched(fence, "the table of ops", Location::caller());
    }
}

/// The lock of a fence is about to be taken: not by what is called under it.
#[track_caller]
#[inline]
pub(super) fn lock_taken(fence: &Live) {
    if debug_in_call() {
        taken_in_a_call(fence);
    }
}

#[inline(never)]
#[track_caller]
fn taken_in_a_call(fence: &Live) {
    let Some(known) = record::find(fence) else {
        return;
    };
    let lock = fence.spinlock().addr();
    let Some(call) = debug_call(|call| call.lock == lock) else {
        return nested(known.subject());
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
pub(super) fn last_put(fence: &Live) {
    if !debug_in_call() {
        return;
    }
    let lock = fence.spinlock().addr();
    let same = |call: &DriverCall| call.kind.surely_locked && call.lock == lock && !call.reported;
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
#[cold]
#[inline(never)]
fn unload_after_detach(fence: *const Live, call: Call, at: At) {
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
    let fences = record::own().filter(|(id, record)| {
        !module.stays
            && !record.has(CONTAINER)
            && record.published.is_some()
            && !record.has(RELEASED)
            && (record.signalled().is_none() || record.has(KEEPS_OPS))
            && is_its(record.machine, record.task, id.number(), record.created)
    });
    let fences: Vec<_> = fences.collect();
    for (id, _) in &fences {
        if let Some(mut known) = id.known() {
            known.loses_module();
        }
    }
    let mut callbacks = callback::all().filter(|callback| {
        let (machine, task) = (callback.machine, callback.task);
        callback.pending && is_its(machine, task, callback.made, callback.added)
    });
    let (fence, callback) = (fences.first(), callbacks.next());
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
    if let Some((_, fence)) = fence {
        fence.report(
            &UNLOAD_AFTER_DETACH,
            format_args!("the module {name} is unloaded while a fence can call into it"),
            [fence.signal_step(), unloaded],
        );
    }
}
