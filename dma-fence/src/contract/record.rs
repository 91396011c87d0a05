// SPDX-License-Identifier: GPL-2.0-only
//! The records of fences.

mod facts;
mod others;
mod settling;
mod table;
mod tracked;

pub(super) use self::{
    facts::{
        CONTAINER, DECLARED, ENABLED, IN_ORDER, KEEPS_OPS, MODULE_GONE, OVERDUE, POINTS, RELEASED,
        WRAPS,
    },
    others::{freed, gone, in_memory, refs_of_gone, untracked},
    settling::{forget, memory_goes, releases},
    table::{
        begins, created, find, is_fence, known, known_of, of, of_number, own, recent, Id, Tracked,
    },
    tracked::{next_overdue, Dangling},
};

#[cfg(test)]
pub(super) use self::table::of_a_test;

use super::super::bindings::Live;
use core::{
    fmt,
    panic::Location,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use kernel::{
    bindings::{
        get_current,
        rule::{core_files, Evidence, Place, Rule},
    },
    ffi::c_int,
};

pub(super) type At = &'static Location<'static>;

/// The context and the number of a fence, by which reports name it.
pub(super) type Subject = (u64, u64);

/// The record of a fence, as it was when that was looked at.
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
    flags: u32,
    /// The place at which a task other than its issuer first got it.
    pub(super) published: Option<At>,
    /// The time of that (ns).
    pub(super) since: i64,
    /// A stamp of RCU's from when its bit was about to be set, and where that was.
    signal: Option<(u64, At)>,
    /// A stamp from after its bit was set and traced, 0 before.
    pub(super) bit_set: u64,
    /// The place at which a reference was dropped last.
    pub(super) put: Option<At>,
    /// The place at which its `signaled` op first returned true.
    pub(super) said_true: Option<At>,
}

impl Record {
    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Returns the numbers by which reports name the fence.
    pub(super) fn subject(&self) -> Subject {
        (self.context, self.seqno)
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
        let published = self.published.is_some() && !self.has(CONTAINER);
        published && self.bit_set == 0 && !self.has(RELEASED)
    }

    /// It is pending, and no task has begun to signal it: others may see the bit before this is told of it.
    pub(super) fn is_unsignalled(&self) -> bool {
        self.is_pending() && self.signal.is_none()
    }

    /// It is made of others that have to signal, and each of which has a reference to it.
    pub(super) fn waits_for_others(&self) -> bool {
        self.has(CONTAINER) && self.has(ENABLED) && self.bit_set == 0
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
