// SPDX-License-Identifier: GPL-2.0-only
//! What a record says, as it is changed, and looked at without a lock.
//!
//! Whoever has a fence may look at its facts: which fence they are about changes only where another
//! begins at its address. All others take the lock of the place.

use super::{
    super::super::bindings::{dma_fence_ops, Live, SEQNO64},
    this_task, At, Record, Subject,
};
use core::{
    panic::Location,
    ptr::{from_ref, null_mut},
    sync::atomic::{
        AtomicI32, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use kernel::bindings::{rcu_order_last, rule::this_machine};

/// Its ops have `wait` or `release`, so they stay attached.
pub(in crate::contract) const KEEPS_OPS: u32 = 1 << 0;
/// Its number has 32 bits, and wraps around.
pub(in crate::contract) const WRAPS: u32 = 1 << 1;
/// Its driver has declared what its ops reach.
pub(in crate::contract) const DECLARED: u32 = 1 << 2;
/// It is made of others, and its ops are of no module.
pub(in crate::contract) const CONTAINER: u32 = 1 << 3;
/// The fences of its context signal in order.
pub(in crate::contract) const IN_ORDER: u32 = 1 << 4;
/// Its signal was asked for.
pub(in crate::contract) const ENABLED: u32 = 1 << 5;
/// The last reference was dropped.
pub(in crate::contract) const RELEASED: u32 = 1 << 6;
/// The module whose code created it was unloaded.
pub(in crate::contract) const MODULE_GONE: u32 = 1 << 7;
/// It was reported to be pending for too long.
pub(in crate::contract) const OVERDUE: u32 = 1 << 8;
/// It is among those that are pending.
pub(super) const LISTED: u32 = 1 << 9;
/// It is among those of `points`.
pub(in crate::contract) const POINTS: u32 = 1 << 10;
/// Its memory is gone, and it may have signalled less than a grace period ago.
pub(super) const SETTLES: u32 = 1 << 11;
/// There is a fence without a record, or was one.
pub(super) const OTHER: u32 = 1 << 12;
/// That had a record.
pub(super) const HAD_RECORD: u32 = 1 << 13;
/// Its memory was freed.
pub(super) const FREED: u32 = 1 << 14;

/// A place in the source, or none, that may be set at any time.
#[derive(Default)]
pub(in crate::contract) struct Where(AtomicPtr<Location<'static>>);

impl Where {
    #[inline]
    pub(in crate::contract) fn get(&self) -> Option<At> {
        // Pairs with the `Release` in `set()`.
        let at = self.0.load(Acquire);
        // SAFETY: Null, or what `set()` was given, which is static.
        unsafe { at.as_ref() }
    }

    #[inline]
    pub(super) fn set(&self, at: At) {
        // Pairs with the `Acquire` in `get()`: what was written before is there with it.
        self.0.store(from_ref(at).cast_mut(), Release);
    }

    #[inline]
    pub(in crate::contract) fn is_none(&self) -> bool {
        self.0.load(Relaxed).is_null()
    }

    /// Sets it if there is none.
    #[inline]
    pub(in crate::contract) fn set_first(&self, at: At) {
        if self.is_none() {
            self.set(at);
        }
    }

    fn clear(&self) {
        self.0.store(null_mut(), Relaxed);
    }
}

/// What is known of a fence.
#[derive(Default)]
pub(in crate::contract) struct Facts {
    /// A number that is never used again: a stamp of RCU's from when it was created. 0 if there is no
    /// record.
    number: AtomicU64,
    /// Where it is, or was.
    addr: AtomicUsize,
    context: AtomicU64,
    seqno: AtomicU64,
    /// The machine in which it was created, the task, and the place.
    machine: AtomicU64,
    task: AtomicI32,
    /// Those above. They change under the lock.
    flags: AtomicU32,
    created: Where,
    /// The place at which a task other than its issuer first got it.
    published: Where,
    /// The time of that (ns).
    since: AtomicI64,
    /// The place at which its bit was about to be set, and a stamp of RCU's from then.
    signal: Where,
    signal_stamp: AtomicU64,
    /// A stamp from after its bit was set and traced, 0 before.
    bit_set: AtomicU64,
    /// The place at which a reference was dropped last.
    put: Where,
    /// The place at which its `signaled` op first returned true.
    said_true: Where,
    /// Its place among the fences of its context that have declared what they reach; under their lock.
    among_its_own: AtomicUsize,
}

impl Facts {
    /// There is a fence. The caller has the lock.
    pub(super) fn begin(&self, number: u64, fence: &Live, ops: &dma_fence_ops, created: At) {
        let mut flags = 0;
        if ops.wait.is_some() || ops.release.is_some() {
            flags |= KEEPS_OPS;
        }
        if !fence.test(SEQNO64) {
            flags |= WRAPS;
        }
        self.addr.store(from_ref(fence).addr(), Relaxed);
        self.context.store(fence.context, Relaxed);
        self.seqno.store(fence.seqno, Relaxed);
        self.machine.store(this_machine(), Relaxed);
        self.task.store(this_task(), Relaxed);
        self.flags.store(flags, Relaxed);
        self.created.set(created);
        self.bit_set.store(0, Relaxed);
        for none in [&self.published, &self.signal, &self.put, &self.said_true] {
            none.clear();
        }
        self.number.store(number, Relaxed);
    }

    #[cfg(test)]
    pub(in crate::contract) fn is_of_a_test(&self, number: u64) {
        self.number.store(number, Relaxed);
    }

    /// There was a fence of which there is no record here. The caller has the lock.
    pub(super) fn was(&self, record: &Record) {
        self.set(OTHER | HAD_RECORD, true);
        self.context.store(record.context, Relaxed);
        self.seqno.store(record.seqno, Relaxed);
        self.created.set(record.created);
    }

    /// There is no record any more. The caller has the lock.
    pub(super) fn end(&self) {
        self.number.store(0, Relaxed);
        self.flags.store(0, Relaxed);
    }

    #[inline]
    pub(in crate::contract) fn number(&self) -> u64 {
        self.number.load(Relaxed)
    }

    /// Where it is, or was.
    pub(in crate::contract) fn addr(&self) -> usize {
        self.addr.load(Relaxed)
    }

    pub(super) fn machine(&self) -> u64 {
        self.machine.load(Relaxed)
    }

    /// The numbers by which reports name the fence.
    #[inline]
    pub(in crate::contract) fn subject(&self) -> Subject {
        (self.context.load(Relaxed), self.seqno.load(Relaxed))
    }

    #[inline]
    pub(in crate::contract) fn has(&self, flag: u32) -> bool {
        self.flags.load(Relaxed) & flag != 0
    }

    /// Sets or clears a flag. The caller has the lock.
    pub(super) fn set(&self, flag: u32, on: bool) {
        let flags = self.flags.load(Relaxed);
        let flags = if on { flags | flag } else { flags & !flag };
        self.flags.store(flags, Relaxed);
    }

    #[inline]
    pub(in crate::contract) fn created(&self) -> Option<At> {
        self.created.get()
    }

    #[inline]
    pub(in crate::contract) fn is_published(&self) -> bool {
        !self.published.is_none()
    }

    /// A task other than its issuer gets it, here, at this time. The caller has the lock.
    pub(super) fn publish(&self, at: At, now: i64) {
        self.since.store(now, Relaxed);
        self.published.set(at);
    }

    pub(super) fn since(&self) -> i64 {
        self.since.load(Relaxed)
    }

    /// It is about to signal here, once.
    #[inline]
    pub(in crate::contract) fn signals(&self, at: At) {
        if self.signal.is_none() {
            self.signal_stamp.store(rcu_order_last(), Relaxed);
            self.signal.set(at);
        }
    }

    /// A stamp of RCU's from when it was signalled, and where that was. Whoever sees the bit finds it.
    #[inline]
    pub(in crate::contract) fn signalled(&self) -> Option<(u64, At)> {
        let at = self.signal.get()?;
        Some((self.signal_stamp.load(Relaxed), at))
    }

    /// A stamp from after its bit was set and traced, 0 before.
    #[inline]
    pub(in crate::contract) fn bit_set(&self) -> u64 {
        self.bit_set.load(Relaxed)
    }

    /// The caller has the lock.
    pub(super) fn set_bit_set(&self, stamp: u64) {
        self.bit_set.store(stamp, Relaxed);
    }

    /// A reference is dropped here.
    #[inline]
    pub(in crate::contract) fn puts(&self, at: At) {
        self.put.set(at);
    }

    /// The place at which its `signaled` op first returned true.
    #[inline]
    pub(in crate::contract) fn said_true(&self) -> &Where {
        &self.said_true
    }

    pub(in crate::contract) fn among_its_own(&self) -> usize {
        self.among_its_own.load(Relaxed)
    }

    pub(in crate::contract) fn set_among_its_own(&self, place: usize) {
        self.among_its_own.store(place, Relaxed);
    }

    /// All of it; nothing if there is no record. It is of one fence if the caller has it, or the lock.
    pub(in crate::contract) fn record(&self) -> Option<Record> {
        let created = self.created.get().filter(|_| self.number() != 0)?;
        let (context, seqno) = self.subject();
        Some(Record {
            addr: self.addr(),
            context,
            seqno,
            machine: self.machine(),
            task: self.task.load(Relaxed),
            created,
            flags: self.flags.load(Relaxed),
            published: self.published.get(),
            since: self.since(),
            signal: self.signalled(),
            bit_set: self.bit_set(),
            put: self.put.get(),
            said_true: self.said_true.get(),
        })
    }
}
