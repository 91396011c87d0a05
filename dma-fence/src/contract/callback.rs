// SPDX-License-Identifier: GPL-2.0-only
//! A callback is on one fence at a time, and only what was added is removed.

use super::{
    super::bindings::{dma_fence_cb, Live},
    named::Fence,
    record::{self, At, Record, Subject},
    rules::CALLBACK_ONCE,
    seen,
};
use core::{panic::Location, ptr};
use kernel::{
    bindings::{
        debugobjects::{debug_obj, debug_obj_descr, debug_object_activate, Freeing, HashTable},
        list_del_init, local_irq_restore, local_irq_save, rcu_order_last,
        rule::{checking, this_machine, Place},
        spin_trylock, spin_unlock,
    },
    ffi::c_int,
};

/// A callback that was added to a fence.
#[derive(Clone, Copy)]
pub(super) struct Callback {
    /// The address of the fence.
    pub(super) fence: usize,
    /// Its numbers.
    pub(super) subject: Subject,
    /// The place at which the fence was created.
    pub(super) created: At,
    pub(super) machine: u64,
    /// The last stamp of RCU's that was taken before it was added.
    pub(super) made: u64,
    /// The task that added it, and where.
    pub(super) task: c_int,
    pub(super) added: At,
    /// It is on the fence's list.
    pub(super) pending: bool,
}

/// By their addresses.
pub(super) static CALLBACKS: HashTable<usize, Callback> = HashTable::new();

static CALLBACK: debug_obj_descr = debug_obj_descr {
    name: "callback",
    freed,
};

/// A callback is about to be added; or, if it is not `pending`, it was too late for its fence.
#[track_caller]
pub(super) fn added(fence: *const Live, cb: *mut dma_fence_cb, pending: bool) {
    let Some(seen) = seen::of(fence) else {
        CALLBACKS.remove(cb.addr());
        return;
    };
    let checking = CALLBACK_ONCE.look();
    let added = Location::caller();
    let callback = Callback {
        fence: fence.expose_provenance(),
        subject: seen.subject,
        created: seen.created,
        machine: this_machine(),
        made: rcu_order_last(),
        task: record::this_task(),
        added,
        pending,
    };
    let before = CALLBACKS.insert(cb.expose_provenance(), callback);
    if before.is_none() {
        debug_object_activate(debug_obj {
            addr: cb.addr(),
            descr: &CALLBACK,
            owner: 0,
            note: 0,
        });
    }
    if let Some(before) = before.filter(|before| before.pending && checking) {
        CALLBACK_ONCE.report_on(
            seen.subject,
            Place::At(seen.created),
            format_args!(
                "callback added that is pending on {}",
                Fence(before.subject)
            ),
            [
                ("callback added", Place::At(before.added)),
                ("callback added again", Place::Here(added)),
            ],
        );
    }
}

/// Reports on the callback that was just added, if it was, name `at` as the place: the caller of
/// the safe API.
pub(super) fn added_at(cb: *mut dma_fence_cb, at: At) {
    CALLBACKS.with(cb.addr(), |callback| callback.added = at);
}

/// A callback is about to be taken back, if it is `pending`.
#[track_caller]
pub(super) fn removed(fence: *const Live, cb: *mut dma_fence_cb, pending: bool) {
    let callback = CALLBACKS.with(cb.addr(), |callback| {
        let before = *callback;
        callback.pending &= !pending;
        before
    });
    if let Some(seen) = seen::of(fence) {
        let checking = CALLBACK_ONCE.look();
        let here = ("callback removed", Place::Here(Location::caller()));
        let (subject, created) = (seen.subject, Place::At(seen.created));
        match callback {
            _ if !checking => {}
            None => CALLBACK_ONCE.report_on(
                subject,
                created,
                format_args!("callback removed that was never added"),
                [here],
            ),
            Some(callback) if callback.pending && callback.fence != fence.addr() => {
                CALLBACK_ONCE.report_on(
                    subject,
                    created,
                    format_args!(
                        "callback removed here, but pending on {}",
                        Fence(callback.subject)
                    ),
                    [("callback added", Place::At(callback.added)), here],
                );
            }
            Some(_) => {}
        }
    }
}

/// The memory of a callback is about to be freed.
fn freed(obj: &debug_obj, freeing: &Freeing) {
    let Some(callback) = CALLBACKS.remove(obj.addr) else {
        return;
    };
    if callback.pending {
        unlink(&callback, obj.addr);
    }
    if callback.pending && checking() && !freeing.said.replace(true) {
        CALLBACK_ONCE.report_on(
            callback.subject,
            Place::At(callback.created),
            format_args!("callback freed while it is pending"),
            [
                ("callback added", Place::At(callback.added)),
                ("freed", Place::Here(freeing.at)),
            ],
        );
    }
}

/// Takes a callback that goes off the list of its fence, where it would be found when that signals;
/// as debugobjects do in Linux with what they find. Not if the lock is held.
fn unlink(callback: &Callback, cb: usize) {
    let fence: *const Live = ptr::with_exposed_provenance(callback.fence);
    let listed = |record: &Record| {
        record.subject() == callback.subject && record.signalled().is_none() && !record.released
    };
    if !record::of(fence).is_some_and(|record| listed(&record)) {
        return;
    }
    // SAFETY: The fence was not freed, and has a list since it has not signalled. The callback, whose
    // first member is its link, is on that while it is pending, which changes under the lock.
    unsafe {
        let lock = (*fence).spinlock();
        let irqs = local_irq_save();
        if spin_trylock(lock) != 0 {
            list_del_init(ptr::with_exposed_provenance_mut(cb));
            spin_unlock(lock);
        }
        local_irq_restore(irqs);
    }
}
