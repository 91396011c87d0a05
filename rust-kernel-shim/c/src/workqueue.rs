// SPDX-License-Identifier: GPL-2.0-only
//! Workqueues: functions that are called later, by a thread that may sleep.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! Each machine has a few pools of workers ([`pool`]), and a queue is little more than a name
//! for one of them. A pool keeps as many workers awake as the machine has processors: a worker
//! that blocks in a work function lets another one start, and one that finds nothing to do goes
//! idle, or ends on a virtual CPU ([`worker`]). So on a machine with a virtual CPU, which has one
//! processor, work runs in the order in which it was queued, up to where it blocks.
//!
//! What differs from Linux: threads that run freely share one list for each pool, where Linux
//! has one for each processor, so that two items which were queued one after the other may run
//! at the same time on any queue that is not ordered; the bottom-half queues are served by
//! threads too, in a context in which sleeping is not allowed. A work item belongs to the
//! machine of the task that queues it, and only its tasks can flush or cancel it.

mod delayed;
mod flush;
mod pool;
mod queue;
mod worker;

pub use self::{delayed::*, flush::*, queue::*, worker::debug_work_is};
pub(super) use self::{
    pool::Pools,
    worker::{runs_work, wq_worker_running, wq_worker_sleeping},
};

use super::{
    debug::active,
    globals, list_head, lock_class_key,
    lockdep::{dep_map, What},
    lockdep_others_go_on, INIT_LIST_HEAD,
};
use crate::ffi::{c_char, c_int, c_uint};
use core::{
    ffi::CStr,
    ptr::{self, addr_of_mut, null_mut},
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};
use machine::{atomic::AtomicUsize, blocked::Thing};

/// Says that any processor may run the work.
pub const wq_misc_consts_WORK_CPU_UNBOUND: c_uint = 8192;

/// C: `work_func_t`.
pub type work_func_t = Option<unsafe extern "C" fn(work: *mut work_struct)>;

/// In `data`: the work waits to be run, or for its timer.
const PENDING: usize = 1;
/// In `data`: what one [`disable_work_sync`] adds.
const DISABLED: usize = 1 << 16;

/// A function to be called later, in an object that it is about.
///
/// # Invariants
///
/// `entry`, `wq` and `seq` belong to the machine whose task has set `PENDING` in `data`, and change
/// under the lock of its pools; `entry` is on a worklist only while that is set. Nothing of the
/// work is touched from the moment at which `func` is called.
#[repr(C)]
pub struct work_struct {
    data: AtomicUsize,
    /// The link in the worklist.
    pub entry: list_head,
    /// The work function.
    pub func: work_func_t,
    // These are where a debug kernel has its lockdep map.
    wq: *mut workqueue_struct,
    seq: u64,
    /// The test that has queued it.
    test: u64,
    /// Its name, which lives forever, or null.
    name: *const c_char,
    dep_map: dep_map,
}

impl work_struct {
    /// What is known of it, when it has this number.
    #[allow(clippy::disallowed_methods, reason = "these are the host's characters")]
    fn thing(&self, seq: u64) -> Thing {
        // SAFETY: A name lives forever.
        let name = (!self.name.is_null()).then(|| unsafe { CStr::from_ptr(self.name.cast()) });
        Thing::work_item(seq, name, active::site_of(ptr::from_ref(self).addr()))
    }

    fn has(&self, bits: usize) -> bool {
        self.data.load(Relaxed) & bits != 0
    }

    /// Marks the work as pending; false if it is, on any machine, or if it is disabled.
    fn claim(&self) -> bool {
        // `Acquire`: pairs with the `Release` in `release`, perhaps in another machine.
        !self.has(!(DISABLED - 1)) && self.data.fetch_or(PENDING, Acquire) & PENDING == 0
    }

    /// Ends what [`Self::claim`] began.
    fn release(&self) {
        // `Release`: pairs with the `Acquire` in `claim`.
        self.data.fetch_and(!PENDING, Release);
    }
}

/// Makes `work` an item that calls `func`.
pub unsafe fn init_work_with_key(
    work: *mut work_struct,
    func: work_func_t,
    _onstack: bool,
    name: *const c_char,
    key: *mut lock_class_key,
) {
    // SAFETY: `work` is valid for writes, and the name lives forever: the caller's guarantees.
    unsafe {
        work.write(work_struct {
            data: AtomicUsize::new(0),
            entry: list_head::new(),
            func,
            wq: null_mut(),
            seq: 0,
            test: 0,
            name,
            dep_map: dep_map::named(name, key, What::Event),
        });
        INIT_LIST_HEAD(addr_of_mut!((*work).entry));
    }
}

/// True while the work waits to be run. From any context.
pub unsafe fn work_pending(work: *const work_struct) -> bool {
    // SAFETY: `work` is initialised: the caller's guarantee.
    unsafe { (*work).has(PENDING) }
}

/// Queues the work; false if it is pending or disabled. From any context.
///
/// What was written before the call is seen by the work function in either case.
///
/// # Safety
///
/// Both are initialised. `func` may be called with `work` by another thread of the machine, and
/// `work` stays valid until then if it was queued.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn queue_work_on(
    _cpu: c_int,
    wq: *mut workqueue_struct,
    work: *mut work_struct,
) -> bool {
    let since = active::since(&active::WORK);
    lockdep_others_go_on();
    globals::with(|globals| {
        let mut inner = globals.pools.lock();
        // SAFETY: `work` is initialised: the caller's guarantee.
        let claimed = unsafe { (*work).claim() };
        if claimed {
            active::activated(work.expose_provenance(), since);
            // SAFETY: Both are initialised, and `work` stays valid: the caller's guarantee. It is
            // on no list, since it was not pending.
            unsafe { inner.push(wq, work) };
            globals.pools.kick(&mut inner);
        }
        claimed
    })
}

/// As [`queue_work_on`], on any processor.
///
/// # Safety
///
/// As [`queue_work_on`].
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn queue_work(wq: *mut workqueue_struct, work: *mut work_struct) -> bool {
    // SAFETY: The caller's guarantees are the same.
    unsafe { queue_work_on(wq_misc_consts_WORK_CPU_UNBOUND.cast_signed(), wq, work) }
}

/// Has workers of this machine that find nothing to do go idle, as they do among threads that run
/// freely; or end, all that are idle now among them, as a machine with a virtual CPU needs at its end.
pub fn debug_workers_stay(stay: bool) {
    globals::with(|globals| globals.pools.set_workers_stay(stay));
}

/// What is known of work, as reports say it: it is queued, or its function runs and is blocked.
/// What `work` leads to is not looked at.
pub(super) fn work_state(work: *const work_struct) -> Option<&'static str> {
    globals::with(|globals| globals.pools.lock().state(work))
}

/// Takes work back whose memory is about to be freed; false if it is not on a list of this machine.
pub(super) fn work_freed(work: *mut work_struct) -> bool {
    globals::with(|globals| {
        let mut inner = globals.pools.lock();
        // SAFETY: On a list, so it is valid.
        inner.has(work) && unsafe { inner.remove(work) }
    })
}
