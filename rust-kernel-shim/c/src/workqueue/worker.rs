// SPDX-License-Identifier: GPL-2.0-only
//! Workers: the kernel threads that run work.
//!
//! C file mirrored: [`kernel/workqueue.c`](srctree/kernel/workqueue.c)

use super::{
    super::{
        globals, list_add, list_add_tail, list_del_init, list_empty, list_head, serve_softirq,
        task_struct, INIT_LIST_HEAD, TASK_UNINTERRUPTIBLE,
    },
    pool::{Inner, Pools, BH},
    work_func_t, work_struct, workqueue_struct,
};
use crate::ffi::{c_int, c_void};
use core::{
    ptr::{addr_of, addr_of_mut, null_mut},
    sync::atomic::Ordering::Relaxed,
};
use machine::{cpu, task};

/// What is known of a worker, on its own stack.
#[repr(C)]
pub(super) struct Worker {
    /// The link among the busy ones or the idle ones; first, so that its address is the worker's.
    link: list_head,
    pub(super) task: *mut task_struct,
    pool: usize,
    /// What it runs; compared only, for it may be gone already.
    work: *const work_struct,
    func: work_func_t,
    pub(super) wq: *const workqueue_struct,
    pub(super) seq: u64,
}

impl Worker {
    /// True if it runs `work`, as far as can be told: who frees an item from inside and queues
    /// another with the same function at the same address has it wait in vain.
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
        // SAFETY: By the safety requirements both are valid, and under the lock ours.
        let func = unsafe {
            (*this).work = work;
            (*this).func = (*work).func;
            (*this).wq = (*work).wq;
            (*this).seq = (*work).seq;
            list_add_tail(addr_of_mut!((*this).link), inner.busy());
            // From here on it may be queued again, by itself too.
            (*work).release();
            (*work).func
        };
        pools.kick(&mut inner);
        drop(inner);
        if let Some(func) = func {
            // SAFETY: By the safety requirements.
            let softirq = unsafe { (*this).pool } == BH;
            // SAFETY: Who queued the item vouches for the function; nothing of it is used after.
            let run = || unsafe { func(work) };
            if softirq {
                serve_softirq(run);
            } else {
                run();
            }
        }
        check_context();
        let mut inner = pools.lock();
        // SAFETY: The worker is on the list of the busy ones, which the lock makes ours.
        unsafe { list_del_init(addr_of_mut!((*this).link)) };
        pools.wake_flushers(&mut inner);
    }

    /// Waits until somebody has taken the worker off the list of the idle ones.
    ///
    /// # Safety
    ///
    /// `this` is the worker of this thread, and on no list.
    unsafe fn wait_for_work<'a>(this: *mut Self, pools: &'a Pools, mut inner: Guard<'a>) {
        let task = task::current();
        // SAFETY: By the safety requirements; the list is ours under the lock.
        unsafe {
            let idle = inner.idle((*this).pool);
            list_add(addr_of_mut!((*this).link), idle);
        }
        // SAFETY: As above.
        while !unsafe { list_empty(addr_of!((*this).link)) } {
            task.set_state(TASK_UNINTERRUPTIBLE);
            drop(inner);
            task.schedule(None);
            inner = pools.lock();
        }
    }
}

type Guard<'a> = spin::mutex::SpinMutexGuard<'a, Inner>;

/// A debug kernel says so if a work function forgot to let go of something.
fn check_context() {
    if cfg!(feature = "debug") && cpu::with(|cpu| cpu.in_atomic() || cpu.rcu.get() != 0) {
        let t = task::current();
        let comm = core::str::from_utf8(t.comm()).unwrap_or("?");
        let pid = t.pid;
        // SAFETY: `printk` asks for nothing.
        unsafe {
            super::super::printk(
                super::super::KERN_ERR,
                b"\0",
                format_args!("BUG: workqueue leaked atomic, lock or RCU: {comm}[{pid}]\n"),
            )
        };
    }
}

/// What a worker does: it runs work until there is none.
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
    // SAFETY: Ours.
    unsafe { INIT_LIST_HEAD(addr_of_mut!((*this).link)) };
    task.worker_private.store(this.cast(), Relaxed);
    globals::with(|globals| {
        let pools = &globals.pools;
        loop {
            let mut inner = pools.lock();
            if let Some(work) = pools.take(&mut inner, pool.addr()) {
                // SAFETY: The worker is this thread's, and idle.
                unsafe { Worker::run(this, pools, inner, work) };
                continue;
            }
            *inner.awake(pool.addr()) -= 1;
            // An item of another pool may have waited for what was run here.
            pools.kick(&mut inner);
            if !pools.workers_stay {
                break;
            }
            // SAFETY: The worker is this thread's, and idle.
            unsafe { Worker::wait_for_work(this, pools, inner) };
        }
    });
    task.worker_private.store(null_mut(), Relaxed);
    0
}

/// # Safety
///
/// The task is that of a worker, and the caller.
unsafe fn pool_of(task: &task_struct) -> usize {
    let worker: *mut Worker = task.worker_private.load(Relaxed).cast();
    // SAFETY: By the safety requirements.
    unsafe { (*worker).pool }
}

/// The worker that runs is about to block: another one may take its place. From any context.
pub(in super::super) fn wq_worker_sleeping(task: &task_struct) {
    // SAFETY: The scheduler calls this for workers.
    let pool = unsafe { pool_of(task) };
    globals::with(|globals| {
        let mut inner = globals.pools.lock();
        *inner.awake(pool) -= 1;
        globals.pools.kick(&mut inner);
    });
}

/// The worker runs again.
pub(in super::super) fn wq_worker_running(task: &task_struct) {
    // SAFETY: The scheduler calls this for workers.
    let pool = unsafe { pool_of(task) };
    globals::with(|globals| *globals.pools.lock().awake(pool) += 1);
}
