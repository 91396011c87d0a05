// SPDX-License-Identifier: GPL-2.0-only
//! A callback is on one fence at a time, and only what was added is removed.

use super::{
    super::bindings::{dma_fence, dma_fence_cb},
    record::{self, report, At},
    rules::CALLBACK_ONCE,
};
use core::panic::Location;
use kernel::bindings::{
    rcu_stamp,
    debugobjects::{debug_obj, debug_obj_descr, debug_object_activate, Freeing, Shadow},
    report::{checking, this_machine, Place},
};
use kernel::ffi::c_int;

/// A callback that was added to a fence.
#[derive(Clone, Copy)]
pub(super) struct Callback {
    pub(super) fence: usize,
    pub(super) whom: (u64, u64),
    pub(super) created: At,
    pub(super) machine: u64,
    /// A stamp of RCU's from when it was added.
    pub(super) made: u64,
    pub(super) task: c_int,
    pub(super) added: At,
    pub(super) pending: bool,
}

/// By their addresses.
pub(super) static CALLBACKS: Shadow<usize, Callback> = Shadow::new();

static CALLBACK: debug_obj_descr = debug_obj_descr {
    name: "callback",
    freed,
};

/// A callback is about to be added; or, if it is not `pending`, it was too late for its fence, and
/// it is as if it had been called.
#[track_caller]
pub(crate) fn callback_added(fence: *mut dma_fence, cb: *mut dma_fence_cb, pending: bool) {
    let Some(record) = record::of(fence) else {
        CALLBACKS.remove(cb.addr());
        return;
    };
    let checking = CALLBACK_ONCE.look();
    let added = Location::caller();
    let whom = (record.context, record.seqno);
    let before = CALLBACKS.insert(
        cb.addr(),
        Callback {
            fence: fence.addr(),
            whom,
            created: record.created,
            machine: this_machine(),
            made: rcu_stamp(),
            task: record::this_task(),
            added,
            pending,
        },
    );
    debug_object_activate(debug_obj {
        addr: cb.addr(),
        descr: &CALLBACK,
        owner: 0,
        note: 0,
    });
    if let Some(before) = before.filter(|before| before.pending && checking) {
        let (context, seqno) = before.whom;
        report(
            &CALLBACK_ONCE,
            format_args!("callback added that is pending on fence {context}:{seqno}"),
            whom,
            &[
                record.created(),
                ("callback added", Place::At(before.added)),
                ("callback added again", Place::Here(added)),
            ],
        );
    }
}

/// The callback that was just added, if it was, is wanted by code that stands there.
pub(crate) fn callback_added_at(cb: *mut dma_fence_cb, at: At) {
    CALLBACKS.with(cb.addr(), |callback| callback.added = at);
}

/// A callback was taken back.
pub(crate) fn callback_done(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    CALLBACKS.with(cb.addr(), |callback| callback.pending = false);
}

/// A callback is about to be taken back.
#[track_caller]
pub(crate) fn callback_once(fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    let Some(record) = record::of(fence) else {
        return;
    };
    let checking = CALLBACK_ONCE.look();
    let here = ("callback removed", Place::Here(Location::caller()));
    let whom = (record.context, record.seqno);
    match CALLBACKS.with(cb.addr(), |callback| *callback) {
        _ if !checking => {}
        None => report(
            &CALLBACK_ONCE,
            format_args!("callback removed that was never added"),
            whom,
            &[record.created(), here],
        ),
        Some(callback) if callback.pending && callback.fence != fence.addr() => {
            let (context, seqno) = callback.whom;
            report(
                &CALLBACK_ONCE,
                format_args!("callback removed here, but pending on fence {context}:{seqno}"),
                whom,
                &[
                    record.created(),
                    ("callback added", Place::At(callback.added)),
                    here,
                ],
            );
        }
        Some(_) => {}
    }
}

/// The memory of a callback is about to be freed.
fn freed(obj: &debug_obj, freeing: &Freeing) {
    let Some(callback) = CALLBACKS.remove(obj.addr) else {
        return;
    };
    if callback.pending && checking() && !freeing.said.replace(true) {
        report(
            &CALLBACK_ONCE,
            format_args!("callback freed while it is pending"),
            callback.whom,
            &[
                ("fence created", Place::At(callback.created)),
                ("callback added", Place::At(callback.added)),
                ("freed", Place::Here(freeing.at)),
            ],
        );
    }
}
