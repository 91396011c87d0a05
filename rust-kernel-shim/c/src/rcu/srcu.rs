// SPDX-License-Identifier: GPL-2.0-only
//! Sleepable read-copy update: domains of their own, whose readers may sleep.
//!
//! C header: [`include/linux/srcu.h`](srctree/include/linux/srcu.h)
//!
//! The word of a thread, in which RCU has its reader, cannot serve here: a section of one domain
//! may overlap with those of others, and [`srcu_down_read`] lets it end in another task. So as in
//! Linux a domain has counters, two of each kind, and its readers count by an index that each
//! grace period flips ([`Data`]). The barriers are those of RCU, as is the order of grace periods
//! and requests ([`rcu_order`](super::rcu_order)); a debug kernel keeps the places of the sections
//! beside the thread's word.
//!
//! A domain's readers may sleep for as long as they like, so that nothing waits for them without
//! going on with other domains: a grace period is a machine of states ([`Data::advance`]).

#[cfg(all(test, loom))]
mod model;
mod queue;

use super::{
    callback_head,
    gp::{self, Holder},
    not_from_a_callback, poll, rcu_callback_t,
    request::{self, rcu_order, Kind},
    wait_by,
};
use crate::{
    ffi::{c_char, c_int, c_ulong},
    kfree, kmalloc_obj, lock_class_key,
    lockdep::{dep_map, How, What},
    may_sleep, ENOMEM, GFP_KERNEL, WARN, WARN_ON,
};
use core::{
    fmt::Write as _,
    panic::Location,
    ptr::null_mut,
    sync::atomic::{
        AtomicU64, AtomicUsize as Counter,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use machine::{
    atomic::{planted, quiet::AtomicUsize},
    barrier,
    blocked::{self, Thing},
    cpu,
    report_log::Text,
    task,
};
use spin::mutex::SpinMutex;

pub(crate) use queue::Domains;

/// A domain of sleepable readers.
///
/// C: `struct srcu_struct`.
#[repr(C)]
pub struct srcu_struct {
    /// Allocated, so that a domain that is freed too early leaks what is still in use.
    data: *mut Data,
}

/// Threads of these numbers, modulo this, share counters.
const SHARDS: usize = if cfg!(loom) { 1 } else { 8 };

/// How often threads have entered and left sections by either index. A section may end in a thread
/// other than the one in which it began: only the sums over all shards say something.
#[repr(align(64))]
struct Shard {
    locks: [AtomicUsize; 2],
    unlocks: [AtomicUsize; 2],
}

/// What a grace period waits for.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Nothing: there is none.
    Idle,
    /// Readers that took the index before it was flipped the last time, and counted late.
    Late,
    /// Those of the index from before the flip of this one.
    Flipped,
}

/// A grace period.
#[derive(Clone, Copy)]
struct GracePeriod {
    phase: Phase,
    /// Requests of smaller numbers are fulfilled by it.
    number: u64,
    /// When it began (ns), and after what time its readers are named.
    since: u64,
    patience: u64,
}

/// The state of a domain.
struct Data {
    shards: [Shard; SHARDS],
    /// Its lowest bit is the index by which sections count that begin now.
    index: AtomicUsize,
    grace_period: SpinMutex<GracePeriod>,
    /// The number of the last grace period that has ended.
    completed: AtomicU64,
    /// The number of the last request for one.
    needed: AtomicU64,
    /// Grace periods that have ended.
    batches: AtomicU64,
    /// Callbacks that were queued and not called.
    queued: Counter,
    /// Servers that use this.
    serving: Counter,
    dep_map: dep_map,
}

impl Data {
    fn new(dep_map: dep_map) -> Self {
        Self {
            shards: core::array::from_fn(|_| Shard {
                locks: [AtomicUsize::new(0), AtomicUsize::new(0)],
                unlocks: [AtomicUsize::new(0), AtomicUsize::new(0)],
            }),
            index: AtomicUsize::new(0),
            grace_period: SpinMutex::new(GracePeriod {
                phase: Phase::Idle,
                number: 0,
                since: 0,
                patience: 0,
            }),
            completed: AtomicU64::new(poll::COMPLETED),
            needed: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            queued: Counter::new(0),
            serving: Counter::new(0),
            dep_map,
        }
    }

    fn shard(&self) -> &Shard {
        &self.shards[cpu::with(|cpu| cpu.reader().number()) % SHARDS]
    }

    fn enter(&self) -> usize {
        let index = self.index.load(Relaxed) & 1;
        self.shard().locks[index].fetch_add(1, Relaxed);
        // Pairs with the heavy barrier in `quiescent()`: if that one's second sum does not have
        // our count, our reads see what the updater unpublished before.
        if !planted("count") {
            barrier::light();
        }
        index
    }

    fn leave(&self, index: usize) {
        // Pairs with the `Acquire` in `quiescent()`. All that changes the counter are exchanges, so
        // that a later one read there has this one before it.
        let order = if planted("leave") { Relaxed } else { Release };
        self.shard().unlocks[index].fetch_add(1, order);
    }

    /// True if all sections that have counted by `index`, and that had begun before the call, have
    /// ended; the caller sees what was done in them.
    fn quiescent(&self, index: usize) -> bool {
        let sum = |count: fn(&Shard) -> &[AtomicUsize; 2], order| {
            self.shards.iter().fold(0, |sum: usize, shard| {
                sum.wrapping_add(count(shard)[index].load(order))
            })
        };
        // This first: an end that it has is that of a section whose beginning the second sum has as
        // well, so that they are equal only if no section is open that the second one knows of.
        // Pairs with the `Release` in `leave()`.
        let unlocks = sum(|shard| &shard.unlocks, Acquire);
        // Pairs with the light barrier in `enter()`: a beginning that the second sum does not have
        // is that of a section which sees what was unpublished before this.
        barrier::heavy();
        unlocks == sum(|shard| &shard.locks, Relaxed)
    }

    /// True if a reader is in a section, as far as the caller can know.
    fn readers_active(&self) -> bool {
        !(self.quiescent(0) && self.quiescent(1))
    }

    /// True if a grace period has ended that began after the request of this number.
    fn completed(&self, cookie: u64) -> bool {
        // Pairs with the `Release` in `advance()`.
        self.completed.load(Acquire) > cookie
    }

    /// Goes on with the grace periods that are needed, as far as readers allow; false if they hold
    /// up everything.
    fn advance(&self) -> bool {
        let mut current = self.grace_period.lock();
        let mut done = false;
        loop {
            let index = self.index.load(Relaxed) & 1;
            match current.phase {
                Phase::Idle => {
                    if self.completed(self.needed.load(Relaxed)) {
                        return true;
                    }
                    // Before the first barrier below: a request of a smaller number was made before
                    // that, see `rcu_order()`.
                    current.number = rcu_order();
                    current.since = gp::now();
                    current.patience = gp::patience();
                    current.phase = Phase::Late;
                }
                // Without this, a reader that has taken an index two flips ago and counts only now
                // would count where this grace period does not look.
                Phase::Late if planted("late") || self.quiescent(index ^ 1) => {
                    // From here on sections count by the other one, and leave this to come to rest.
                    self.index.store(index ^ 1, Relaxed);
                    current.phase = Phase::Flipped;
                }
                Phase::Flipped if self.quiescent(index ^ 1) => {
                    self.batches.fetch_add(1, Relaxed);
                    // Pairs with the `Acquire` in `completed()`.
                    self.completed.store(current.number, Release);
                    current.phase = Phase::Idle;
                }
                Phase::Late | Phase::Flipped => return done,
            }
            done = true;
        }
    }

    /// Names the readers of a grace period that takes long.
    #[cold]
    fn look_for_stalls(&self) {
        let mut current = self.grace_period.lock();
        let waited = gp::now().saturating_sub(current.since);
        if current.phase == Phase::Idle || waited < current.patience {
            return;
        }
        current.patience = current.patience.saturating_mul(2);
        drop(current);
        let mut named = false;
        self.for_each_section(|holder| {
            named = true;
            gp::stalled("srcu", holder, waited);
        });
        if !named {
            let (reader, at) = (None, None);
            gp::stalled("srcu", &Holder { reader, at }, waited);
        }
    }

    /// Calls `f` with those sections that a debug kernel knows of.
    fn for_each_section(&self, mut f: impl FnMut(&Holder<'_>)) {
        cpu::for_each_reader(|reader| {
            let at = reader.sleepable_at(core::ptr::from_ref(self).addr());
            if at.is_some() {
                let reader = Some(reader);
                f(&Holder { reader, at });
            }
        });
    }
}

/// The domain, for what a debug kernel knows of tasks.
fn known(ssp: *const srcu_struct) -> Thing {
    Thing::lock("srcu", ssp.addr())
}

/// # Safety
///
/// `ssp` is initialised, and not cleaned up.
unsafe fn data<'a>(ssp: *const srcu_struct) -> &'a Data {
    // SAFETY: Such a domain has its data: the caller's guarantee.
    unsafe { &*(*ssp).data }
}

/// Initialises a domain, whose `name` and `key` are for lockdep; -ENOMEM if there is no memory.
/// May sleep.
pub unsafe fn init_srcu_struct_with_key(
    ssp: *mut srcu_struct,
    name: *const c_char,
    key: *mut lock_class_key,
) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    unsafe { init(ssp, name, dep_map::named(name, key, What::Event)) }
}

/// # Safety
///
/// As [`init_srcu_struct_with_key`].
unsafe fn init(ssp: *mut srcu_struct, name: *const c_char, dep_map: dep_map) -> c_int {
    // SAFETY: `ssp` is valid for writes, and the name lives forever: the caller's guarantees. What
    // was allocated is.
    unsafe {
        let data: *mut Data = kmalloc_obj(GFP_KERNEL);
        (*ssp).data = data;
        if data.is_null() {
            return -(ENOMEM as c_int);
        }
        data.write(Data::new(dep_map));
        blocked::name_lock(ssp.addr(), name.cast());
    }
    0
}

/// As [`init_srcu_struct_with_key`], of no name; domains of one line are of one class.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn init_srcu_struct(ssp: *mut srcu_struct) -> c_int {
    let dep_map = dep_map::of_place(c"srcu", Location::caller(), What::Event);
    // SAFETY: The caller's guarantees are the same.
    unsafe { init(ssp, null_mut(), dep_map) }
}

/// Frees what [`init_srcu_struct`] has allocated. May sleep.
///
/// Warns, and leaks it, if a reader is in a section, a callback was not called, or a grace period
/// that was asked for has not ended: so call [`srcu_barrier`] first.
///
/// # Safety
///
/// `ssp` is initialised, and not used any more.
#[track_caller]
pub unsafe fn cleanup_srcu_struct(ssp: *mut srcu_struct) {
    may_sleep();
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    let data = unsafe { data(ssp) };
    let mut leaks = data.readers_active();
    if leaks {
        let mut readers = Text::new();
        // Writing to a string does not fail.
        data.for_each_section(|holder| _ = write!(readers, ", {holder}"));
        WARN!(true, "cleanup_srcu_struct() with active readers{readers}");
    } else {
        // A server that has called the last callback may still be about to leave. Pairs with the
        // `Release` with which it does.
        while data.serving.load(Acquire) != 0 {
            task::relax();
        }
        leaks = WARN_ON!(data.queued.load(Relaxed) != 0)
            || WARN_ON!(!data.completed(data.needed.load(Relaxed)));
    }
    // SAFETY: `ssp` is initialised, and `data` in use by none: no reader and no server is left.
    unsafe {
        if !leaks {
            kfree((*ssp).data.cast());
        }
        (*ssp).data = null_mut();
    }
}

/// Begins a section, in which the task may sleep; returns the index for [`srcu_read_unlock`].
/// Sections nest. From any context.
///
/// # Safety
///
/// `ssp` is initialised. The same task calls [`srcu_read_unlock`] with that index.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn srcu_read_lock(ssp: *mut srcu_struct) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    let index = unsafe { srcu_down_read(ssp) };
    let at = Location::caller();
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    unsafe { &data(ssp).dep_map }.acquire(ssp.addr(), What::Event, How::READ, at);
    #[cfg(feature = "debug")]
    {
        // SAFETY: `ssp` is initialised: the caller's guarantee.
        let domain = unsafe { (*ssp).data.addr() };
        cpu::with(|cpu| cpu.reader().sleepable_begins(domain, at));
        blocked::acquired(known(ssp), at);
    }
    index
}

/// Ends a section.
///
/// # Safety
///
/// The task is in a section of `ssp` for which [`srcu_read_lock`] has returned `idx`, and uses
/// nothing of it any more.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn srcu_read_unlock(ssp: *mut srcu_struct, idx: c_int) {
    #[cfg(feature = "debug")]
    {
        // SAFETY: `ssp` is initialised: the caller's guarantee.
        let domain = unsafe { (*ssp).data.addr() };
        blocked::released(known(ssp).id);
        if !cpu::with(|cpu| cpu.reader().sleepable_ends(domain)) {
            crate::WARN!(true, "srcu_read_unlock() without srcu_read_lock()");
        } else {
            // SAFETY: As above.
            unsafe { &data(ssp).dep_map }.release(ssp.addr(), What::Event);
        }
    }
    // SAFETY: The caller's guarantees are the same.
    unsafe { srcu_up_read(ssp, idx) };
}

/// As [`srcu_read_lock`], of a section that [`srcu_up_read`] may end in another task. Not in an
/// NMI. No report names it.
///
/// # Safety
///
/// `ssp` is initialised.
#[inline]
pub unsafe fn srcu_down_read(ssp: *mut srcu_struct) -> c_int {
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    let index = unsafe { data(ssp) }.enter();
    task::point();
    index as c_int
}

/// Ends a section that [`srcu_down_read`] began, in this task or another.
///
/// # Safety
///
/// That has returned `idx`; nothing of the section is used any more.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn srcu_up_read(ssp: *mut srcu_struct, idx: c_int) {
    if WARN_ON!(idx & !1 != 0) {
        return;
    }
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    unsafe { data(ssp) }.leave(idx as usize);
    task::point();
}

/// True if the task is in a section that [`srcu_read_lock`] began; always 1 in a production kernel,
/// which does not know.
#[inline]
pub unsafe fn srcu_read_lock_held(ssp: *const srcu_struct) -> c_int {
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    let domain = unsafe { (*ssp).data.addr() };
    let held = cpu::with(|cpu| {
        let reader = cpu.reader();
        reader.sleepable_at(domain).is_some() || reader.has_more()
    });
    (held || cfg!(not(feature = "debug"))).into()
}

/// True if a reader is in a section. From any context.
pub unsafe fn srcu_readers_active(ssp: *mut srcu_struct) -> bool {
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    unsafe { data(ssp) }.readers_active()
}

/// Waits until every section of the domain that was open at the call has been closed. May sleep;
/// not inside a section of the same domain, and not in a callback of RCU.
#[track_caller]
pub unsafe fn synchronize_srcu(ssp: *mut srcu_struct) {
    not_from_a_callback("synchronize_srcu");
    may_sleep();
    let at = Location::caller();
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    let dep_map = unsafe { &data(ssp).dep_map };
    #[cfg(feature = "debug")]
    // What lockdep knows of, it reports.
    if !dep_map.sync(ssp.addr(), at) {
        // SAFETY: `ssp` is initialised: the caller's guarantee.
        let domain = unsafe { (*ssp).data.addr() };
        let held = cpu::with(|cpu| cpu.reader().sleepable_at(domain));
        crate::WARN!(
            held.is_some(),
            "Illegal synchronize_srcu() in same-type SRCU read-side critical section, entered at {}",
            machine::location::at(held.unwrap_or(at))
        );
    }
    // SAFETY: `ssp` is initialised, and stays so during the call: the caller's guarantee.
    unsafe { wait_by(known(ssp), |head, func| queue::call(ssp, head, func)) };
    dep_map.was_waited_for(ssp.addr(), at);
}

/// As [`synchronize_srcu`]; here every grace period is as fast as it can be.
#[track_caller]
pub unsafe fn synchronize_srcu_expedited(ssp: *mut srcu_struct) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { synchronize_srcu(ssp) }
}

/// Calls `func` with `head` after a grace period of the domain; returns at once. From any context.
///
/// # Safety
///
/// `ssp` is initialised until then. `head` is valid until then, and on no other list; `func` may be
/// called with it.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn call_srcu(ssp: *mut srcu_struct, head: *mut callback_head, func: rcu_callback_t) {
    if request::queued(head, core::panic::Location::caller(), Kind::Sleepable) {
        // SAFETY: The caller's guarantees are the same.
        unsafe { queue::call(ssp, head, func) };
    }
}

/// Waits until every callback that tasks of this machine have queued so far for the domain has been
/// called. May sleep; not in a callback of RCU.
#[track_caller]
pub unsafe fn srcu_barrier(ssp: *mut srcu_struct) {
    not_from_a_callback("srcu_barrier");
    may_sleep();
    // SAFETY: `ssp` is initialised, and stays so during the call: the caller's guarantee.
    unsafe {
        // Pairs with the `Release` with which callbacks are counted down.
        if data(ssp).queued.load(Acquire) != 0 || data(ssp).serving.load(Acquire) != 0 {
            // Callbacks are called in the order in which they were queued.
            wait_by(known(ssp), |head, func| queue::call(ssp, head, func));
        }
    }
}

/// The cookie of a grace period that has ended already.
pub const fn get_completed_synchronize_srcu() -> c_ulong {
    poll::COMPLETED as c_ulong
}

/// Returns a cookie for [`poll_state_synchronize_srcu`], but has no grace period begin. From any
/// context.
pub unsafe fn get_state_synchronize_srcu(_ssp: *mut srcu_struct) -> c_ulong {
    poll::cookie() as c_ulong
}

/// As [`get_state_synchronize_srcu`], and has a grace period begin.
///
/// # Safety
///
/// `ssp` is initialised until that has ended.
pub unsafe fn start_poll_synchronize_srcu(ssp: *mut srcu_struct) -> c_ulong {
    let cookie = poll::cookie();
    // SAFETY: `ssp` is initialised as long as that takes: the caller's guarantee.
    unsafe { queue::request(ssp, cookie) };
    cookie as c_ulong
}

/// True if a grace period of the domain has begun and ended since it returned `cookie`. From any
/// context.
pub unsafe fn poll_state_synchronize_srcu(ssp: *mut srcu_struct, cookie: c_ulong) -> bool {
    task::point();
    let cookie = cookie as u64;
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    cookie == poll::COMPLETED || unsafe { data(ssp) }.completed(cookie)
}

/// True if two cookies are of the same state.
pub const fn same_state_synchronize_srcu(oldstate1: c_ulong, oldstate2: c_ulong) -> bool {
    oldstate1 == oldstate2
}

/// The number of grace periods of the domain that have ended.
pub unsafe fn srcu_batches_completed(ssp: *mut srcu_struct) -> c_ulong {
    // SAFETY: `ssp` is initialised: the caller's guarantee.
    unsafe { data(ssp) }.batches.load(Relaxed) as c_ulong
}
