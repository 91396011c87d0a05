// SPDX-License-Identifier: GPL-2.0-only
//! The records of fences.

use super::{
    super::bindings::{dma_fence_ops, Live, SEQNO64},
    known::{Other, Refs, OTHERS, REFS},
    points,
};
use core::{
    fmt,
    panic::Location,
    ptr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};
use kernel::{
    bindings::{
        debugobjects::{debug_obj_descr, debug_object_deactivate, SideTable},
        get_current, rcu_order, rcu_order_passed,
        rule::{core_files, this_machine, Evidence, Place, Rule},
    },
    ffi::c_int,
};

pub(super) type At = &'static Location<'static>;

/// The context and the number of a fence, by which reports name it.
pub(super) type Subject = (u64, u64);

/// Blocks that the ops of one fence reach and that are tracked.
const REACHED: usize = 16;

/// Records that are looked at for whether they are needed any more, whenever there is a new one.
const SWEPT: usize = 4;

/// The record of a fence.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) addr: usize,
    pub(super) context: u64,
    pub(super) seqno: u64,
    /// The machine in which it was created.
    pub(super) machine: u64,
    /// The task that created it.
    pub(super) task: c_int,
    pub(super) created: At,
    /// The time of its creation (ns).
    pub(super) created_ns: i64,
    /// Its ops have `wait` or `release`, so they stay attached.
    pub(super) keeps_ops: bool,
    /// Its number has 32 bits, and wraps around.
    pub(super) wraps: bool,
    /// Its driver has declared what its ops reach.
    pub(super) declared: bool,
    /// It is made of others, and its ops are of no module.
    pub(super) container: bool,
    /// Its signal was asked for.
    pub(super) enabled: bool,
    /// The addresses that they reach, and the kind of each.
    pub(super) reached: [Option<(usize, &'static debug_obj_descr)>; REACHED],
    /// The address of its lock.
    pub(super) lock: usize,
    /// The place at which a task other than its issuer first got it.
    pub(super) published: Option<At>,
    /// A stamp of RCU's from when it was signalled, and where that was.
    pub(super) signalled: Option<(u64, At)>,
    /// The same of the last call that may have signalled it.
    pub(super) signals: Option<(u64, At)>,
    /// Something that was freed while only the issuer knew of the fence: by which word of the
    /// fence's memory it was pointed to, its address and size, and where it was freed.
    pub(super) dangling: Option<(usize, usize, usize, At)>,
    /// A stamp from after its bit was set.
    pub(super) bit_set: u64,
    /// A stamp from when it was created.
    pub(super) made: u64,
    /// The place at which a reference was dropped last.
    pub(super) put: Option<At>,
    /// The last reference was dropped.
    pub(super) released: bool,
    /// The place at which its `signaled` op first returned true.
    pub(super) said_true: Option<At>,
    /// Its last names, each with a stamp of RCU's from when it was returned.
    pub(super) names: [(usize, u64); 2],
    /// The module whose code created it was unloaded.
    pub(super) module_gone: bool,
    /// It was reported to be pending for too long.
    pub(super) overdue: bool,
}

/// By numbers that are never used again.
pub(super) static RECORDS: SideTable<u64, Record> = SideTable::new();

/// Those whose last reference is gone, and that may have signalled less than a grace period ago; by
/// their machines and numbers.
pub(super) static SETTLING: SideTable<(u64, u64), ()> = SideTable::new();

/// The numbers of fences whose memory is theirs, by their addresses.
pub(super) static LIVE: SideTable<usize, u64> = SideTable::new();

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Record {
    pub(super) fn new(fence: &Live, ops: &dma_fence_ops, created_ns: i64, created: At) -> Self {
        Self {
            addr: ptr::from_ref(fence).addr(),
            context: fence.context,
            seqno: fence.seqno,
            machine: this_machine(),
            task: this_task(),
            created,
            created_ns,
            keeps_ops: ops.wait.is_some() || ops.release.is_some(),
            wraps: !fence.test(SEQNO64),
            declared: false,
            container: false,
            enabled: false,
            reached: [None; REACHED],
            lock: fence.spinlock().addr(),
            published: None,
            signalled: None,
            signals: None,
            dangling: None,
            bit_set: 0,
            made: rcu_order(),
            put: None,
            released: false,
            said_true: None,
            names: [(0, 0); 2],
            module_gone: false,
            overdue: false,
        }
    }

    /// Makes it known; returns its number.
    pub(super) fn add(self) -> u64 {
        let number = NEXT.fetch_add(1, Relaxed);
        RECORDS.insert(number, self);
        REFS.insert(number, Refs::default());
        if let Some(before) = LIVE.insert(self.addr, number) {
            // Its memory went without being freed, as that of a stack does.
            forget(before);
        }
        number
    }

    /// Returns the numbers by which reports name the fence.
    pub(super) fn subject(&self) -> Subject {
        (self.context, self.seqno)
    }

    /// The evidence of the signal.
    pub(super) fn signalled(&self) -> Evidence<'static> {
        match self.signalled {
            Some((_, at)) => ("fence signalled", Place::At(at)),
            None => ("fence has not signalled", Place::Unknown),
        }
    }

    /// The evidence of the reference that was dropped last.
    pub(super) fn put<'a>(&self, step: &'a str) -> Evidence<'a> {
        (step, self.put.map_or(Place::Unknown, Place::Here))
    }

    /// A task that is not its issuer may know of it, and its issuer has to signal it.
    pub(super) fn is_pending(&self) -> bool {
        let published = self.published.is_some() && !self.container;
        published && self.signalled.is_none() && !self.released
    }

    /// It is made of others that have to signal, and each of which has a reference to it.
    pub(super) fn waits_for_others(&self) -> bool {
        self.container && self.enabled && self.signalled.is_none()
    }

    /// Reports that `rule` is broken: `what`, on this fence.
    #[track_caller]
    pub(super) fn report<'a>(
        &self,
        rule: &Rule,
        what: fmt::Arguments<'_>,
        evidence: impl IntoIterator<Item = Evidence<'a>>,
    ) {
        rule.report_on(self.subject(), Place::At(self.created), what, evidence);
    }
}

/// Returns the number of the current task.
pub(super) fn this_task() -> c_int {
    // SAFETY: The task that runs is live.
    unsafe { (*get_current()).pid }
}

/// Returns the number of a fence that is tracked.
pub(super) fn number(fence: *const Live) -> Option<u64> {
    LIVE.with(fence.addr(), |number| *number)
}

/// Calls `f` with the record of a fence.
pub(super) fn with<R>(fence: *const Live, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
    RECORDS.with(number(fence)?, f)
}

/// Returns a copy of the record of a fence.
pub(super) fn of(fence: *const Live) -> Option<Record> {
    with(fence, |record| *record)
}

/// Returns the place at which a fence was created.
pub(super) fn created(fence: *const Live) -> Place {
    of(fence).map_or(Place::Unknown, |record| Place::At(record.created))
}

/// Reports that `rule` is broken: `what`, on this fence, of which maybe nothing is known.
#[track_caller]
pub(super) fn report_on<'a>(
    fence: &Live,
    rule: &Rule,
    what: fmt::Arguments<'_>,
    evidence: impl IntoIterator<Item = Evidence<'a>>,
) {
    let subject = (fence.context, fence.seqno);
    rule.report_on(subject, created(fence), what, evidence);
}

/// Returns the number of fences of this machine that have a record.
pub(super) fn known() -> usize {
    let machine = this_machine();
    RECORDS
        .filter_map(|_, record| (record.machine == machine).then_some(()))
        .count()
}

/// Forgets some of those of which a grace period has passed since they signalled.
pub(super) fn sweep() {
    // What a machine knows of grace periods is known in it alone.
    let machine = this_machine();
    for ((_, number), ()) in SETTLING.range((machine, 0), (machine + 1, 0), SWEPT) {
        let signalled = RECORDS.with(number, |record| record.signalled).flatten();
        if signalled.is_none_or(|(stamp, _)| rcu_order_passed(stamp)) {
            forget(number);
        }
    }
}

/// Forgets a fence.
pub(super) fn forget(number: u64) {
    points::ends(number);
    if let Some(addr) = RECORDS.with(number, |record| record.addr) {
        leaves(addr, number);
    }
    REFS.remove(number);
    let Some(record) = RECORDS.remove(number) else {
        return;
    };
    SETTLING.remove((record.machine, number));
    for (addr, descr) in record.reached.into_iter().flatten() {
        debug_object_deactivate(addr, number, descr);
    }
}

/// The memory of a fence is about to be freed.
pub(super) fn memory_goes(number: u64) {
    points::ends(number);
    let Some((addr, machine, settles)) = RECORDS.with(number, |record| {
        record.released = true;
        (record.addr, record.machine, record.signalled.is_some())
    }) else {
        return;
    };
    if !settles {
        return forget(number);
    }
    SETTLING.insert((machine, number), ());
    leaves(addr, number);
}

/// The fence at this address has no record any more that is found by it.
pub(super) fn leaves(addr: usize, number: u64) {
    if LIVE.with(addr, |live| *live == number) == Some(true) {
        let was = RECORDS.with(number, |record| (record.subject(), record.created));
        let refs = REFS.with(number, |refs| *refs).unwrap_or_default();
        let freed = None;
        OTHERS.insert(addr, Other { was, refs, freed });
        LIVE.remove(addr);
    }
}

/// Has reports not name what happens in this crate, but where it was entered.
pub(super) fn know_own_files() {
    static KNOWN: AtomicBool = AtomicBool::new(false);
    if !KNOWN.swap(true, Relaxed) {
        core_files(file!(), "contract/record.rs");
    }
}
