// SPDX-License-Identifier: GPL-2.0-only
//! Timers and work items that are active, armed or queued, when their memory is freed.
//!
//! C file mirrored: [`lib/debugobjects.c`](srctree/lib/debugobjects.c)
//!
//! Only those in memory of the kernel's allocators are known, since only that is seen to go. As in
//! Linux what was found is fixed up: the timer is cancelled, the work taken off its queue.

use super::debugobjects::{debug_obj, debug_obj_descr, debug_object_in_block, Freeing, SideTable};
use crate::{
    rcu_order,
    rule::{site, this_machine, Place, Rule, Site},
    time::queue,
};
use core::{panic::Location, ptr};
use machine::failed;

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

/// What a timer is in, as reports call it.
pub(super) static DELAYED_WORK: debug_obj_descr = debug_obj_descr {
    name: "delayed work",
    freed: timer_freed,
};

/// Where something is started or queued, and for whom.
#[derive(Clone, Copy)]
pub(crate) struct Since {
    pub(super) at: Site,
    pub(super) descr: &'static debug_obj_descr,
    pub(super) machine: u64,
    /// The test that has done it.
    pub(super) test: u64,
    /// A stamp of RCU's.
    pub(super) stamp: u64,
}

/// Where each was started or queued last, by its address: maybe it is over.
pub(super) static SINCE: SideTable<usize, Since> = SideTable::new();

/// Where the timer or work at this address was started or queued last, if it is known.
pub(crate) fn site_of(addr: usize) -> Option<Site> {
    SINCE.with(addr, |since| since.at)
}

/// Here a timer is started, or work queued; `None` in a production kernel.
#[track_caller]
pub(crate) fn since(descr: &'static debug_obj_descr) -> Option<Since> {
    cfg!(feature = "debug").then(|| Since {
        at: site(Location::caller()),
        descr,
        machine: this_machine(),
        test: failed::this_test(),
        stamp: rcu_order(),
    })
}

/// The object at this address is active from now on.
pub(crate) fn activated(addr: usize, since: Option<Since>) {
    let Some(since) = since else { return };
    SINCE.insert(addr, since);
    debug_object_in_block(addr, since.descr);
}

/// The timer at this address is that of a delayed work.
pub(crate) fn is_delayed(addr: usize) {
    if cfg!(feature = "debug") {
        SINCE.with(addr, |since| since.descr = &DELAYED_WORK);
    }
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

fn active_object_freed(
    obj: &debug_obj,
    freeing: &Freeing,
    active: bool,
    how: &'static str,
    state: &str,
) {
    let checking = ACTIVE_OBJECT_FREED.look();
    let since = SINCE.remove(obj.addr);
    let (Some(since), true) = (since, active && checking) else {
        return;
    };
    let name = obj.descr.name;
    ACTIVE_OBJECT_FREED.report(
        format_args!("debugobjects: {name} freed while it is {state}"),
        &[
            (how, Place::Site(since.at)),
            ("freed", Place::Here(freeing.at)),
        ],
    );
}
