// SPDX-License-Identifier: GPL-2.0-only
//! A callback is on one fence at a time, and only what was added is removed.

use super::{
    super::bindings::{dma_fence_cb, Live},
    named::Fence,
    record::{self, At, Record, Subject, RELEASED},
    rules::CALLBACK_ONCE,
};
use core::{panic::Location, ptr};
use kernel::{
    bindings::{
        debugobjects::{
            self, debug_obj, debug_obj_descr, debug_object_activate, in_key_order, Freeing, Guard,
            Places, Recent, Vec,
        },
        list_del_init, local_irq_restore, local_irq_save, per_thread, rcu_order_last,
        rule::{checking, this_machine, Place, Rule},
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
static CALLBACKS: Places<(), Option<Callback>> = Places::new();

per_thread! {
    /// Those that this thread has looked at last.
    static RECENT: Recent<(), Option<Callback>, 16> = Recent::new();
}

/// What is known of the callback at an address, which changes for nobody else meanwhile.
#[inline]
fn known(addr: usize) -> Option<Guard<'static, Option<Callback>>> {
    RECENT
        .with(|recent| recent.at(&CALLBACKS, addr))?
        .lock_at(addr)
}

/// Copies of all.
pub(super) fn all() -> impl Iterator<Item = Callback> {
    let look = |place: &'static debugobjects::Place<(), Option<Callback>>| {
        Some((place.addr(), (*place.lock())?))
    };
    let found: Vec<_> = CALLBACKS.all().filter_map(look).collect();
    in_key_order(found)
}

/// A callback is about to be called. Returns where it was added.
pub(super) fn called(cb: *mut dma_fence_cb) -> Option<At> {
    let mut known = known(cb.addr())?;
    let callback = known.as_mut()?;
    callback.pending = false;
    Some(callback.added)
}

static CALLBACK: debug_obj_descr = debug_obj_descr {
    name: "callback",
    freed,
};

/// A callback is about to be added; or, if it is not `pending`, it was too late for its fence.
#[track_caller]
pub(super) fn added(fence: *const Live, cb: *mut dma_fence_cb, pending: bool) {
    let its = record::find(fence).and_then(|known| Some((known.subject(), known.created()?)));
    let Some((subject, created)) = its else {
        if let Some(mut known) = known(cb.addr()) {
            *known = None;
        }
        return;
    };
    Rule::count([&CALLBACK_ONCE]);
    let added = Location::caller();
    let callback = Callback {
        fence: fence.expose_provenance(),
        subject,
        created,
        machine: this_machine(),
        made: rcu_order_last(),
        task: record::this_task(),
        added,
        pending,
    };
    let addr = cb.expose_provenance();
    let (_, mut known) = RECENT.with(|recent| recent.enter(&CALLBACKS, addr));
    // A machine that came to no end calls nothing any more.
    let its = |before: &Callback| before.pending && before.machine == callback.machine;
    let (is_new, before) = (known.is_none(), known.filter(its));
    *known = Some(callback);
    drop(known);
    if is_new {
        debug_object_activate(debug_obj {
            addr,
            descr: &CALLBACK,
            owner: 0,
            note: 0,
        });
    }
    if let Some(before) = before.filter(|_| checking()) {
        CALLBACK_ONCE.report_on(
            subject,
            Place::At(created),
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
    if let Some(callback) = known(cb.addr()).as_deref_mut().and_then(Option::as_mut) {
        callback.added = at;
    }
}

/// A callback is about to be taken back, if it is `pending`.
#[track_caller]
pub(super) fn removed(fence: *const Live, cb: *mut dma_fence_cb, pending: bool) {
    let mut callback = None;
    if let Some(known) = known(cb.addr()).as_deref_mut().and_then(Option::as_mut) {
        callback = Some(*known);
        known.pending &= !pending;
    }
    if let Some(known) = record::find(fence) {
        Rule::count([&CALLBACK_ONCE]);
        if callback.is_some_and(|known| !known.pending || known.fence == fence.addr())
            || !checking()
        {
            return;
        }
        let here = ("callback removed", Place::Here(Location::caller()));
        let created = known.created().map_or(Place::Unknown, Place::At);
        let subject = known.subject();
        match callback {
            None => CALLBACK_ONCE.report_on(
                subject,
                created,
                format_args!("callback removed that was never added"),
                [here],
            ),
            Some(callback) => {
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
        }
    }
}

/// The memory of a callback is about to be freed.
fn freed(obj: &debug_obj, freeing: &Freeing) {
    let Some(place) = CALLBACKS.at(obj.addr) else {
        return;
    };
    let Some(mut known) = place.lock_at(obj.addr) else {
        return;
    };
    CALLBACKS.leave(place, obj.addr);
    let callback = known.take();
    drop(known);
    CALLBACKS.free(place, obj.addr);
    // Nothing is known of one that was added to another fence since, which is not tracked.
    let Some(callback) = callback else {
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
        record.subject() == callback.subject
            && record.signalled().is_none()
            && !record.has(RELEASED)
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

#[cfg(all(test, feature = "debug"))]
mod tests {
    use super::*;
    use crate::testing::{context, issue, Plain};
    use core::ptr::{from_ref, null};
    use kernel::bindings::{kfree, kzalloc_obj, GFP_KERNEL};

    /// Also if nothing is known of a callback any more when its memory goes.
    #[test]
    fn places_are_used_again() {
        let context = context(Plain).unwrap();
        let (issued, fence) = issue(&context).unwrap();
        let fence: *const Live = from_ref(&*fence).cast();
        let mut used = Vec::new();
        for _ in 0..100 {
            // SAFETY: The block is a new one.
            unsafe {
                let cb: *mut dma_fence_cb = kzalloc_obj(GFP_KERNEL);
                added(fence, cb, false);
                added(null(), cb, false);
                let place = CALLBACKS.at(cb.addr()).unwrap();
                if !used.contains(&place) {
                    used.push(place);
                }
                kfree(cb.cast());
            }
        }
        assert!(used.len() < 50, "{}", used.len());
        issued.signal(Ok(()));
    }
}
