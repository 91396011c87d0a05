// SPDX-License-Identifier: GPL-2.0-only
//! What is known of a fence.

use super::{
    super::bindings::{dma_fence, dma_fence_ops},
    life,
};
use core::{
    panic::Location,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use kernel::bindings::{
    debugobjects::{debug_obj_descr, Shadow},
    get_current, rcu_stamp,
    report::{core_files, this_machine, Place, Rule},
    spinlock_t,
};
use kernel::ffi::c_int;

pub(super) type At = &'static Location<'static>;

/// Blocks that the ops of one fence reach, and of which it is known.
const REACHED: usize = 16;

/// What is known of a fence.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) addr: usize,
    pub(super) context: u64,
    pub(super) seqno: u64,
    /// The machine in which it was made.
    pub(super) machine: u64,
    /// The task that made it.
    pub(super) task: c_int,
    pub(super) created: At,
    /// When that was (ns).
    pub(super) created_ns: i64,
    /// Its ops have `wait` or `release`, so they stay attached.
    pub(super) keeps_ops: bool,
    /// Its driver has said what its ops reach.
    pub(super) declared: bool,
    /// What they reach, and what that is.
    pub(super) reached: [Option<(usize, &'static debug_obj_descr)>; REACHED],
    /// The address of its lock.
    pub(super) lock: usize,
    /// Where somebody else first got hold of it.
    pub(super) published: Option<At>,
    /// A stamp of RCU's from when it was signalled, and where that was.
    pub(super) signalled: Option<(u64, At)>,
    /// The same of the last call that may have signalled it.
    pub(super) signals: Option<(u64, At)>,
    /// Something that was freed while nobody else knew of the fence: by which word of the fence's
    /// memory it was pointed to, its address and size, and where it was freed.
    pub(super) dangling: Option<(usize, usize, usize, At)>,
    /// A stamp from after its bit was set.
    pub(super) bit_set: u64,
    /// A stamp from when it was made.
    pub(super) made: u64,
    /// Where a reference was dropped last.
    pub(super) put: Option<At>,
    /// The last reference is gone.
    pub(super) released: bool,
    /// Its `signaled` op has said yes.
    pub(super) said_true: Option<At>,
    /// What its names were last, and a stamp of RCU's from when they were given.
    pub(super) names: [(usize, u64); 2],
    /// The module whose code made it is gone.
    pub(super) module_gone: bool,
    /// It was reported to be pending for too long.
    pub(super) overdue: bool,
}

/// By numbers that are never used again.
pub(super) static RECORDS: Shadow<u64, Record> = Shadow::new();

/// The addresses of fences that have not signalled, and whose drivers have declared nothing.
pub(super) static PENDING: Shadow<u64, usize> = Shadow::new();

/// Those whose last reference is gone, and that may have signalled less than a grace period ago; by
/// their machines and numbers.
pub(super) static SETTLING: Shadow<(u64, u64), ()> = Shadow::new();

/// The numbers of fences whose memory is theirs, by their addresses.
pub(super) static LIVE: Shadow<usize, u64> = Shadow::new();

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Record {
    pub(super) fn new(
        fence: *mut dma_fence,
        ops: &dma_fence_ops,
        lock: *mut spinlock_t,
        created_ns: i64,
        created: At,
    ) -> Self {
        // SAFETY: The fence was just initialised.
        let (context, seqno) = unsafe { ((*fence).context, (*fence).seqno) };
        Self {
            addr: fence.addr(),
            context,
            seqno,
            machine: this_machine(),
            task: this_task(),
            created,
            created_ns,
            keeps_ops: ops.wait.is_some() || ops.release.is_some(),
            declared: false,
            reached: [None; REACHED],
            lock: lock.addr(),
            published: None,
            signalled: None,
            signals: None,
            dangling: None,
            bit_set: 0,
            made: rcu_stamp(),
            put: None,
            released: false,
            said_true: None,
            names: [(0, 0); 2],
            module_gone: false,
            overdue: false,
        }
    }

    /// Makes it known; gives its number.
    pub(super) fn add(self) -> u64 {
        let number = NEXT.fetch_add(1, Relaxed);
        RECORDS.insert(number, self);
        if let Some(before) = LIVE.insert(self.addr, number) {
            // Its memory went without a word, as that of a stack does.
            life::forget(before);
        }
        number
    }

    /// The evidence that every report begins with.
    pub(super) fn created(&self) -> (&'static str, Place) {
        ("fence created", Place::At(self.created))
    }

    /// The evidence of the signal.
    pub(super) fn signalled(&self) -> (&'static str, Place) {
        match self.signalled {
            Some((_, at)) => ("fence signalled", Place::At(at)),
            None => ("fence has not signalled", Place::Unknown),
        }
    }

    /// Somebody else may know of it, and it has to signal.
    pub(super) fn is_pending(&self) -> bool {
        self.published.is_some() && self.signalled.is_none() && !self.released
    }
}

/// The number of the task that runs.
pub(super) fn this_task() -> c_int {
    // SAFETY: The task that runs is live.
    unsafe { (*get_current()).pid }
}

/// Calls `f` with what is known of a fence.
pub(super) fn with<R>(fence: *mut dma_fence, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
    let number = LIVE.with(fence.addr(), |number| *number)?;
    RECORDS.with(number, f)
}

/// A copy of what is known of a fence.
pub(super) fn of(fence: *mut dma_fence) -> Option<Record> {
    with(fence, |record| *record)
}

/// What is said of a fence of which nothing is known.
pub(super) fn created(fence: *mut dma_fence) -> (&'static str, Place) {
    of(fence).map_or(("fence created", Place::Unknown), |record| record.created())
}

/// Reports that `rule` is broken: `what`, on this fence.
#[track_caller]
pub(super) fn report(
    rule: &Rule,
    what: core::fmt::Arguments<'_>,
    (context, seqno): (u64, u64),
    evidence: &[(&str, Place)],
) {
    rule.report(
        format_args!("dma-fence: {what}, fence {context}:{seqno}"),
        evidence,
    );
}

/// Has reports not name what happens in this crate, but where it was entered.
pub(super) fn know_own_files() {
    core_files(file!(), "contract/record.rs");
}
