// SPDX-License-Identifier: GPL-2.0-only
//! Pools: the work of one machine, and its workers.
//!
//! C file mirrored: [`kernel/workqueue.c`](srctree/kernel/workqueue.c)

use super::{
    super::{
        init_waitqueue_head, list_add_tail, list_del_init, list_empty, list_head,
        sched::spinlock::Relax, wait_queue_head, wake_up_all, wake_up_process, INIT_LIST_HEAD,
    },
    work_struct,
    worker::{worker_thread, Worker},
    workqueue_struct, WQ_BH, WQ_HIGHPRI, WQ_UNBOUND,
};
use crate::container_of;
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr::{addr_of, addr_of_mut},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use machine::{failed, task};
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// The pools by number; the names are those of their workers.
const NAMES: [&str; 4] = ["kworker", "kworker/H", "kworker/u", "kworker/bh"];
pub(super) const BH: usize = 3;

/// The number of the pool that serves a queue.
fn pool_of(flags: u32) -> usize {
    match flags {
        f if f & WQ_BH != 0 => BH,
        f if f & WQ_UNBOUND != 0 => 2,
        f if f & WQ_HIGHPRI != 0 => 1,
        _ => 0,
    }
}

pub(super) struct Pool {
    /// Work, the oldest first.
    worklist: list_head,
    /// Workers that wait for work, the last to go idle first.
    pub(super) idle: list_head,
    /// Workers that are neither idle nor blocked.
    pub(super) awake: usize,
}

/// The data that the lock protects.
///
/// # Invariants
///
/// All work on a worklist is valid. Workers on `busy` run the item that they name; those are on
/// no worklist, unless they have been queued again.
pub(super) struct Inner {
    pub(super) pools: [Pool; NAMES.len()],
    pub(super) busy: list_head,
    /// The number of the next item.
    pub(super) seq: u64,
    ready: bool,
}

// SAFETY: The list heads, and the `wq` and `seq` of what is on the lists, are used under the lock.
// Work that `take()` returned belongs to the worker that took it.
unsafe impl Send for Inner {}

/// The pools of one machine.
pub(in super::super) struct Pools {
    inner: SpinMutex<Inner, Relax>,
    /// Woken whenever an item is done, or goes without being run.
    done: UnsafeCell<MaybeUninit<wait_queue_head>>,
    processors: usize,
    /// Idle workers wait for more work, instead of ending.
    pub(super) workers_stay: AtomicBool,
}

// SAFETY: `inner` is used under its lock, under which `done`, which has its own, is initialised.
unsafe impl Sync for Pools {}
// SAFETY: Nothing in it belongs to a thread. It does not move once its lists are initialised.
unsafe impl Send for Pools {}

/// The first link of a list for which `f` holds.
///
/// # Safety
///
/// The list is initialised and does not change during the call.
unsafe fn find(
    head: *mut list_head,
    mut f: impl FnMut(*mut list_head) -> bool,
) -> Option<*mut list_head> {
    // SAFETY: The list is initialised: the caller's guarantee.
    let mut link = unsafe { (*head).next };
    while link != head {
        if f(link) {
            return Some(link);
        }
        // SAFETY: On a list that does not change: the caller's guarantee.
        link = unsafe { (*link).next };
    }
    None
}

/// # Safety
///
/// `link` is on a worklist.
unsafe fn work_of(link: *mut list_head) -> *mut work_struct {
    // SAFETY: `link` is the entry of a work: the caller's guarantee.
    unsafe { container_of!(link, work_struct, entry) }
}

impl Pools {
    pub(in super::super) const fn new(processors: usize, workers_stay: bool) -> Self {
        Self {
            inner: SpinMutex::new(Inner {
                pools: [const {
                    Pool {
                        worklist: list_head::new(),
                        idle: list_head::new(),
                        awake: 0,
                    }
                }; NAMES.len()],
                busy: list_head::new(),
                seq: 0,
                ready: false,
            }),
            done: UnsafeCell::new(MaybeUninit::uninit()),
            processors,
            workers_stay: AtomicBool::new(workers_stay),
        }
    }

    /// Takes the lock, not for long; from any context: an interrupt handler here is a function of a
    /// thread that holds none of these locks. From the first call on the pools stay where they are.
    pub(super) fn lock(&self) -> SpinMutexGuard<'_, Inner> {
        task::point();
        let mut inner = self.inner.lock();
        if !inner.ready {
            inner.ready = true;
            // SAFETY: `self` does not move from here on: `Globals` is only used in a static or
            // boxed. The lists are used under the lock, which is held, and `done` only after this.
            unsafe {
                for pool in &mut inner.pools {
                    INIT_LIST_HEAD(addr_of_mut!(pool.worklist));
                    INIT_LIST_HEAD(addr_of_mut!(pool.idle));
                }
                INIT_LIST_HEAD(addr_of_mut!(inner.busy));
                init_waitqueue_head(self.done());
            }
        }
        inner
    }

    /// See [`debug_workers_stay`](super::debug_workers_stay).
    pub(super) fn set_workers_stay(&self, stay: bool) {
        let mut inner = self.lock();
        self.workers_stay.store(stay, Relaxed);
        for (index, name) in NAMES.iter().enumerate() {
            // SAFETY: The list is ours.
            while !stay && !unsafe { list_empty(addr_of!(inner.pools[index].idle)) } {
                inner.pools[index].awake += 1;
                inner.start_worker(index, name);
            }
        }
    }

    /// The tasks that wait for items to be done; initialised by the first [`Self::lock`].
    pub(super) fn done(&self) -> *mut wait_queue_head {
        self.done.get().cast()
    }

    /// Wakes the tasks that wait for items to be done.
    pub(super) fn wake_flushers(&self, _inner: &mut Inner) {
        // SAFETY: Initialised, since the lock was taken.
        unsafe { wake_up_all(self.done()) };
    }

    /// Starts a worker for each pool in which work can be run and a processor is free.
    pub(super) fn kick(&self, inner: &mut Inner) {
        for (index, name) in NAMES.iter().enumerate() {
            if inner.pools[index].awake < self.processors && inner.next(index).is_some() {
                inner.pools[index].awake += 1;
                inner.start_worker(index, name);
            }
        }
    }

    /// Takes the next item for an awake worker of the pool; none if too many are awake.
    pub(super) fn take(&self, inner: &mut Inner, index: usize) -> Option<*mut work_struct> {
        if inner.pools[index].awake > self.processors {
            return None;
        }
        let work = inner.next(index)?;
        // SAFETY: On a worklist, so it is valid.
        unsafe { list_del_init(addr_of_mut!((*work).entry)) };
        Some(work)
    }
}

impl Inner {
    /// Puts work at the end of its worklist; [`Pools::kick`] has it run.
    ///
    /// # Safety
    ///
    /// Both are valid; `work` is pending, on no list, and valid until it is run or removed.
    pub(super) unsafe fn push(&mut self, wq: *mut workqueue_struct, work: *mut work_struct) {
        // SAFETY: Both are valid, and the work stays so: the caller's guarantee. The lists are
        // ours.
        unsafe {
            (*work).wq = wq;
            (*work).seq = self.seq;
            (*work).test = failed::this_test();
            let pool = &mut self.pools[pool_of((*wq).flags)];
            list_add_tail(addr_of_mut!((*work).entry), addr_of_mut!(pool.worklist));
        }
        self.seq += 1;
    }

    /// True if work is on a worklist. What `work` leads to is not looked at.
    pub(super) fn has(&mut self, work: *const work_struct) -> bool {
        self.pools.iter_mut().any(|pool| {
            // SAFETY: On a worklist.
            let is = |link| core::ptr::eq(unsafe { work_of(link) }, work);
            // SAFETY: The lists are ours.
            unsafe { find(addr_of_mut!(pool.worklist), is) }.is_some()
        })
    }

    /// See [`work_state`](super::work_state).
    pub(super) fn state(&mut self, work: *const work_struct) -> Option<&'static str> {
        // SAFETY: Workers are valid while they are on the list, and their tasks with them.
        let blocked = |link: *mut list_head| unsafe {
            let worker = &*link.cast::<Worker>();
            core::ptr::eq(worker.work, work) && (*worker.task).is_blocked()
        };
        if self.has(work) {
            return Some("is queued");
        }
        // SAFETY: The list is ours.
        let found = unsafe { find(addr_of_mut!(self.busy), blocked) };
        found.map(|_| "runs, and sleeps")
    }

    /// Takes work off its worklist, if it is on one; it is no longer pending then.
    pub(super) unsafe fn remove(&mut self, work: *mut work_struct) -> bool {
        // SAFETY: `work` is initialised: the caller's guarantee. The lists are ours.
        unsafe {
            let entry = addr_of_mut!((*work).entry);
            if list_empty(entry) {
                return false;
            }
            list_del_init(entry);
            (*work).release();
        }
        true
    }

    /// The oldest work of a pool that is not running, and whose queue allows one more.
    fn next(&mut self, index: usize) -> Option<*mut work_struct> {
        let busy = addr_of_mut!(self.busy);
        let may_run = |link: *mut list_head| {
            // SAFETY: On a worklist.
            let work = unsafe { &*work_of(link) };
            let mut active = 0;
            // SAFETY: Workers are valid while they are on the list.
            let clash = unsafe {
                find(busy, |link| {
                    let worker = &*link.cast::<Worker>();
                    active += i32::from(core::ptr::eq(worker.wq, work.wq));
                    worker.runs(work)
                })
            };
            // SAFETY: A queue is there while work is on it.
            clash.is_none() && active < unsafe { (*work.wq).max_active }
        };
        // SAFETY: The lists are ours.
        let link = unsafe { find(addr_of_mut!(self.pools[index].worklist), may_run) }?;
        // SAFETY: On a worklist.
        Some(unsafe { work_of(link) })
    }

    /// The number of the item that a worker runs, if it is `work`.
    pub(super) fn running(&mut self, work: &work_struct) -> Option<u64> {
        // SAFETY: Workers are valid while they are on the list.
        unsafe {
            let link = find(addr_of_mut!(self.busy), |link| {
                (*link.cast::<Worker>()).runs(work)
            })?;
            Some((*link.cast::<Worker>()).seq)
        }
    }

    /// True if an item for whose queue and number `f` holds is waiting or being run.
    pub(super) fn any(&mut self, f: impl Fn(*const workqueue_struct, u64) -> bool) -> bool {
        // SAFETY: The lists are ours; what is on them is valid.
        unsafe {
            self.pools.iter_mut().any(|pool| {
                let head = addr_of_mut!(pool.worklist);
                find(head, |link| f((*work_of(link)).wq, (*work_of(link)).seq)).is_some()
            }) || find(addr_of_mut!(self.busy), |link| {
                let worker = &*link.cast::<Worker>();
                f(worker.wq, worker.seq)
            })
            .is_some()
        }
    }

    /// Wakes an idle worker, or creates one.
    fn start_worker(&mut self, index: usize, name: &str) {
        let idle = addr_of_mut!(self.pools[index].idle);
        // SAFETY: The list is ours; idle workers are valid. The new worker's pool is there, and the
        // caller counts it as awake. A thread that was just created ends only after it was woken.
        unsafe {
            if !list_empty(addr_of!(*idle)) {
                let worker = (*idle).next;
                list_del_init(worker);
                wake_up_process((*worker.cast::<Worker>()).task);
                return;
            }
            let data = core::ptr::without_provenance_mut(index);
            let task = task::spawn(worker_thread, data, name.as_bytes(), || {});
            if task.is_null() {
                machine::end(format_args!("the host has no thread for `{name}`"));
            }
            wake_up_process(task);
        }
    }
}
