// SPDX-License-Identifier: GPL-2.0-only
//! Timers and work items that are active, armed or queued, when their memory is freed.
//!
//! C file mirrored: [`lib/debugobjects.c`](srctree/lib/debugobjects.c)
//!
//! Only those in memory of the kernel's allocators are known, since only that is seen to go. As in
//! Linux what was found is fixed up: the timer is cancelled, the work taken off its queue.

use super::debugobjects::{
    debug_block_of, debug_obj, debug_obj_descr, debug_object_activate, Freeing, SideTable,
};
use crate::{
    rule::{Place, Rule},
    time::queue,
};
use core::{fmt::Write as _, panic::Location, ptr};
use machine::{location::Origin, report_log::Text};

/// Memory that has an armed timer or a queued work item is not freed, nor a module's text that has a
/// queued callback of RCU.
///
/// Rule [active-object-freed](../../book/rules/active-object-freed.html).
pub static ACTIVE_OBJECT_FREED: Rule = Rule::new("active-object-freed");

/// A timer.
pub(crate) static TIMER: debug_obj_descr = debug_obj_descr {
    name: "timer",
    freed: timer_freed,
};

/// A work item.
pub(crate) static WORK: debug_obj_descr = debug_obj_descr {
    name: "work item",
    freed: work_freed,
};

/// Where each was started or queued last, by its address.
static SINCE: SideTable<usize, Origin> = SideTable::new();

/// A timer is about to be started, or work queued.
#[track_caller]
pub(crate) fn activated(addr: usize, descr: &'static debug_obj_descr) {
    if cfg!(not(feature = "debug")) || debug_block_of(addr).is_none() {
        return;
    }
    SINCE.insert(addr, Origin::new(Location::caller()));
    debug_object_activate(debug_obj {
        addr,
        descr,
        owner: 0,
        note: 0,
    });
}

/// True for objects that the drop of what they are in may still cancel.
pub(super) fn ends_itself(descr: &'static debug_obj_descr) -> bool {
    ptr::eq(descr, &TIMER) || ptr::eq(descr, &WORK)
}

fn timer_freed(obj: &debug_obj, freeing: &Freeing) {
    let armed = queue::timer_freed(ptr::with_exposed_provenance_mut(obj.addr));
    active_object_freed(obj, freeing, armed, "started", "armed");
}

fn work_freed(obj: &debug_obj, freeing: &Freeing) {
    let queued = crate::workqueue::work_freed(ptr::with_exposed_provenance_mut(obj.addr));
    active_object_freed(obj, freeing, queued, "queued", "queued");
}

fn active_object_freed(obj: &debug_obj, freeing: &Freeing, active: bool, how: &str, state: &str) {
    let checking = ACTIVE_OBJECT_FREED.look();
    let since = SINCE.remove(obj.addr);
    let (Some(since), true) = (since, active && checking) else {
        return;
    };
    let (name, mut step) = (obj.descr.name, Text::new());
    // Writing to a string does not fail.
    let _ = write!(step, "{how} at {since}");
    ACTIVE_OBJECT_FREED.report(
        format_args!("debugobjects: {name} freed while it is {state}"),
        &[(&step, Place::Unknown), ("freed", Place::Here(freeing.at))],
    );
}
