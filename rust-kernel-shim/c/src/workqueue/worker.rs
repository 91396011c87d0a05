// SPDX-License-Identifier: GPL-2.0-only
//! Workers: the kernel threads that run work.
//!
//! C file mirrored: [`kernel/workqueue.c`](srctree/kernel/workqueue.c)

use super::{
    super::{
        globals, list_add, list_add_tail, list_del_init, list_empty, list_head, serve_softirq,
        task_struct, INIT_LIST_HEAD, TASK_IDLE,
    },
    pool::{Inner, Pools, BH},
    work_func_t, work_struct, workqueue_struct,
};
use crate::ffi::{c_int, c_void};
use crate::lockdep::{How, What};
#[cfg(feature = "debug")]
use crate::{debug::splat::splat, lockdep::lockdep_forgets_held, lockdep_depth};
use core::{
    cell::Cell,
    panic::Location,
    ptr::{self, addr_of, addr_of_mut},
    sync::atomic::Ordering::Relaxed,
};
#[cfg(feature = "debug")]
use machine::cpu;
use machine::{blocked, failed, task};

/// The state of a worker, on its own stack.
#[repr(C)]
pub(super) struct Worker {
    /// The link among the busy ones or the idle ones; first, so that its address is the worker's.
    link: list_head,
    pub(super) task: *mut task_struct,
    pool: usize,
    /// The work that it runs; compared only, since it may be freed already.
    pub(super) work: *const work_struct,
    func: work_func_t,
    pub(super) wq: *const workqueue_struct,
    pub(super) seq: u64,
}

impl Worker {
    /// True if it runs `work`, as far as is known: a function that frees its item, and queues
    /// another with itself at the same address, has that wait in vain.
    pub(super) fn runs(&self, work: &work_struct) -> bool {
        let same = |a: work_func_t, b: work_func_t| a.map(|f| f as usize) == b.map(|f| f as usize);
        core::ptr::eq(self.work, work) && same(self.func, work.func)
    }

    /// Runs one item.
    ///
    /// # Safety
    ///
    /// `this` is the worker of this thread, and on no list; `work` was just taken.
    unsafe fn run(this: *mut Self, pools: &Pools, mut inner: Guard<'_>, work: *mut work_struct) {
        // SAFETY: The caller says that the worker is its own and the work just taken. The lock is
        // held.
        let (func, thing, test, dep_maps) = unsafe {
            (*this).work = work;
            (*this).func = (*work).func;
            (*this).wq = (*work).wq;
            (*this).seq = (*work).seq;
            list_add_tail(addr_of_mut!((*this).link), addr_of_mut!(inner.busy));
            // From here on it may be queued again, by itself too.
            let known = (
                (*work).func,
                (*work).thing((*work).seq),
                (*work).test,
                [(*(*work).wq).dep_map(), (*work).dep_map.copy()],
            );
            (*work).release();
            known
        };
        pools.kick(&mut inner);
        drop(inner);
        #[cfg(feature = "debug")]
        let before = held();
        blocked::acquired(thing, Location::caller());
        LAST.set(None);
        if let Some(func) = func {
            // SAFETY: The worker is this thread's: the caller's guarantee.
            let softirq = unsafe { (*this).pool } == BH;
            let run = || {
                // Copies, since the work may go, and the queue after it.
                let held = dep_maps
                    .each_ref()
                    .map(|map| (map, ptr::from_ref(map).addr()));
                for (map, instance) in held {
                    map.acquire(
                        instance,
                        What::Event,
                        How::run(thing.asked),
                        Location::caller(),
                    );
                }
                // SAFETY: The caller of `queue_work()` vouches for the function, which may free the
                // work.
                failed::work_for(test, || unsafe { func(work) });
                for (map, instance) in held.into_iter().rev() {
                    map.release(instance, What::Event);
                }
            };
            if softirq {
                serve_softirq(run);
            } else {
                run();
            }
        }
        blocked::released(thing.id);
        #[cfg(feature = "debug")]
        check_context(func, before);
        let mut inner = pools.lock();
        // SAFETY: The worker is on the list of the busy ones, which the lock makes ours.
        unsafe { list_del_init(addr_of_mut!((*this).link)) };
        pools.wake_flushers(&mut inner);
    }

    /// Waits until the worker was taken off the list of the idle ones.
    ///
    /// # Safety
    ///
    /// `this` is the worker of this thread, and on no list.
    unsafe fn wait_for_work<'a>(this: *mut Self, pools: &'a Pools, mut inner: Guard<'a>) {
        let task = task::current();
        // SAFETY: The worker is this thread's: the caller's guarantee. The list is ours under the
        // lock.
        unsafe {
            let idle = addr_of_mut!(inner.pools[(*this).pool].idle);
            list_add(addr_of_mut!((*this).link), idle);
        }
        // SAFETY: The worker is this thread's, and its link changes under the lock.
        while !unsafe { list_empty(addr_of!((*this).link)) } {
            task.set_state(TASK_IDLE);
            drop(inner);
            task.schedule(None);
            inner = pools.lock();
        }
    }
}

type Guard<'a> = spin::mutex::SpinMutexGuard<'a, Inner>;

/// What the worker holds, as far as a debug kernel knows: whether it is in a section, and how many locks
/// and other things it has.
#[cfg(feature = "debug")]
fn held() -> (bool, usize, usize) {
    let in_section = cpu::with(cpu::Cpu::in_section);
    (in_section, blocked::holds_many(), lockdep_depth())
}

/// A debug kernel says so if a work function forgot to release something that was not held `before`.
#[cfg(feature = "debug")]
fn check_context(func: work_func_t, before: (bool, usize, usize)) {
    if held() != before {
        let t = task::current();
        let (comm, pid) = (t.comm(), t.pid);
        let last = func.map_or(core::ptr::null(), |func| func as *const c_void);
        let last = machine::location::function(last, LAST.replace(None));
        splat(
            crate::KERN_ERR,
            &last,
            format_args!("BUG: workqueue leaked atomic, lock or RCU: {comm}[{pid}]"),
            format_args!("  last function: {last}\n"),
        );
        // What comes next is not to blame, nor done under it.
        lockdep_forgets_held();
        cpu::with(blocked::section_is_left);
    }
}

/// The function of a worker: runs work until there is none.
///
/// # Safety
///
/// `pool` is the number of a pool, in which the thread is counted as awake.
pub(super) unsafe extern "C" fn worker_thread(pool: *mut c_void) -> c_int {
    let task = task::current();
    let mut worker = Worker {
        link: list_head::new(),
        task: core::ptr::from_ref(task).cast_mut(),
        pool: pool.addr(),
        work: core::ptr::null(),
        func: None,
        wq: core::ptr::null(),
        seq: 0,
    };
    let this = addr_of_mut!(worker);
    // SAFETY: The worker is this thread's, and on no list.
    unsafe { INIT_LIST_HEAD(addr_of_mut!((*this).link)) };
    POOL.set(Some(pool.addr()));
    globals::with(|globals| {
        let pools = &globals.pools;
        loop {
            let mut inner = pools.lock();
            if let Some(work) = pools.take(&mut inner, pool.addr()) {
                // SAFETY: The worker is this thread's, and idle.
                unsafe { Worker::run(this, pools, inner, work) };
                continue;
            }
            inner.pools[pool.addr()].awake -= 1;
            // An item of another pool may have waited for what was run here.
            pools.kick(&mut inner);
            if !pools.workers_stay.load(Relaxed) {
                break;
            }
            // SAFETY: The worker is this thread's, and idle.
            unsafe { Worker::wait_for_work(this, pools, inner) };
        }
    });
    POOL.set(None);
    0
}

/// What the work that runs is really about, where one function serves many.
pub fn debug_work_is(name: &'static str) {
    LAST.set(Some(name));
}

machine::per_thread! {
    /// See [`debug_work_is`].
    static LAST: Cell<Option<&'static str>> = Cell::new(None);
    /// The number of the pool whose worker this thread is.
    static POOL: Cell<Option<usize>> = Cell::new(None);
}

/// True if the thread runs work.
#[inline]
pub(in super::super) fn runs_work() -> bool {
    POOL.get().is_some()
}

/// The thread is about to block: if it is a worker, another may start. Returns whether it is one.
pub(in super::super) fn wq_worker_sleeping() -> bool {
    let Some(pool) = POOL.get() else { return false };
    globals::with(|globals| {
        let mut inner = globals.pools.lock();
        inner.pools[pool].awake -= 1;
        globals.pools.kick(&mut inner);
    });
    true
}

/// The worker runs again.
pub(in super::super) fn wq_worker_running() {
    if let Some(pool) = POOL.get() {
        globals::with(|globals| globals.pools.lock().pools[pool].awake += 1);
    }
}
