// SPDX-License-Identifier: GPL-2.0-only
//! The records of fences.

mod settling;
mod table;
mod tracked;

pub(super) use self::{
    settling::{forget, leaves, memory_goes, settles, sweep},
    table::{
        amend, changes, created, filter_map, in_memory, known, known_as, known_of, look, number,
        number_at, numbered, of, of_number, with,
    },
    tracked::{next_overdue, Dangling, Known},
};

use super::super::bindings::{dma_fence_ops, Live, SEQNO64};
use core::{
    fmt,
    panic::Location,
    ptr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use kernel::{
    bindings::{
        get_current, rcu_order_last,
        rule::{core_files, this_machine, Evidence, Place, Rule},
    },
    ffi::c_int,
};

pub(super) type At = &'static Location<'static>;

/// The context and the number of a fence, by which reports name it.
pub(super) type Subject = (u64, u64);

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
    /// The fences of its context signal in order.
    pub(super) in_order: bool,
    /// Its signal was asked for.
    pub(super) enabled: bool,
    /// The address of its lock.
    pub(super) lock: usize,
    /// The place at which a task other than its issuer first got it.
    pub(super) published: Option<At>,
    /// A stamp of RCU's from when its bit was about to be set, and where that was.
    signal: Option<(u64, At)>,
    /// A stamp from after its bit was set and traced, 0 before.
    pub(super) bit_set: u64,
    /// The place at which a reference was dropped last.
    pub(super) put: Option<At>,
    /// The last reference was dropped.
    pub(super) released: bool,
    /// The place at which its `signaled` op first returned true.
    pub(super) said_true: Option<At>,
    /// The module whose code created it was unloaded.
    pub(super) module_gone: bool,
    /// It was reported to be pending for too long.
    pub(super) overdue: bool,
}

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
            in_order: false,
            enabled: false,
            lock: fence.spinlock().addr(),
            published: None,
            signal: None,
            bit_set: 0,
            put: None,
            released: false,
            said_true: None,
            module_gone: false,
            overdue: false,
        }
    }

    /// Returns the numbers by which reports name the fence.
    pub(super) fn subject(&self) -> Subject {
        (self.context, self.seqno)
    }

    /// It is about to signal here, once.
    pub(super) fn signals(&mut self, at: At) {
        self.signal.get_or_insert((rcu_order_last(), at));
    }

    /// A stamp of RCU's from when it was signalled, and where that was. Whoever sees the bit finds it.
    pub(super) fn signalled(&self) -> Option<(u64, At)> {
        self.signal
    }

    /// The evidence of the signal.
    pub(super) fn signal_step(&self) -> Evidence<'static> {
        match self.signalled() {
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
        published && self.bit_set == 0 && !self.released
    }

    /// It is pending, and no task has begun to signal it: others may see the bit before this is told of it.
    pub(super) fn is_unsignalled(&self) -> bool {
        self.is_pending() && self.signal.is_none()
    }

    /// It is made of others that have to signal, and each of which has a reference to it.
    pub(super) fn waits_for_others(&self) -> bool {
        self.container && self.enabled && self.bit_set == 0
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

/// Has reports not name what happens in this crate, but where it was entered.
#[inline]
pub(super) fn know_own_files() {
    if !KNOWN.load(Relaxed) {
        learn_own_files();
    }
}

static KNOWN: AtomicBool = AtomicBool::new(false);

#[cold]
#[inline(never)]
fn learn_own_files() {
    if !KNOWN.swap(true, Relaxed) {
        core_files(file!(), "contract/record.rs");
    }
}
