// SPDX-License-Identifier: GPL-2.0-only
//! Workqueues and timers, as C sees them, on free threads and on a virtual CPU.

use kernel::{
    bindings::*,
    init::InPlaceInit as _,
    prelude,
    str::CStrExt as _,
    sync::{Arc, Completion},
    testing::{explore, memory, spawn, vcpu},
    types::Opaque,
};
use std::{
    ffi::CStr,
    ptr::{addr_of_mut, null_mut, with_exposed_provenance_mut},
    sync::{
        atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::SeqCst},
        Mutex,
    },
};

/// Tests that count blocks, or need the processors for themselves, run alone.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `body` on this thread as it is, and on a virtual CPU.
fn both(body: impl Fn() + Copy + Send + 'static) {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    body();
    assert_eq!(vcpu::fifo(body), Ok(()));
}

/// Runs `body`, which reaches C's structures by their addresses, on a virtual CPU.
fn on_a_virtual_cpu(body: impl FnOnce() + 'static) -> Result<(), vcpu::Stuck> {
    struct Mine<T>(T);
    // SAFETY: The caller waits meanwhile.
    unsafe impl<T> Send for Mine<T> {}
    impl<T: FnOnce()> Mine<T> {
        fn run(self) {
            (self.0)()
        }
    }
    let body = Mine(body);
    vcpu::fifo(move || body.run())
}

/// A queue, until it is destroyed.
fn queue(name: &'static CStr, flags: u32, max_active: i32) -> *mut workqueue_struct {
    // SAFETY: The name is NUL-terminated.
    let wq = unsafe { alloc_workqueue(name.as_char_ptr(), flags, max_active) };
    assert!(!wq.is_null());
    wq
}

/// As [`queue`], but ordered.
fn ordered_queue(name: &'static CStr) -> *mut workqueue_struct {
    // SAFETY: The name is NUL-terminated.
    let wq = unsafe { alloc_ordered_workqueue(name.as_char_ptr(), 0) };
    assert!(!wq.is_null());
    wq
}

/// A work item with what it does.
///
/// # Invariants
///
/// `work` is initialised, to call [`act`].
#[repr(C)]
struct Item<'a> {
    work: Opaque<work_struct>,
    action: &'a (dyn Fn(*mut work_struct) + Sync),
}

/// # Safety
///
/// `work` is that of an [`Item`].
unsafe extern "C" fn act(work: *mut work_struct) {
    // SAFETY: The work is the first member of an `Item`: the caller's guarantee.
    let action = unsafe { (*work.cast::<Item<'_>>()).action };
    action(work);
}

fn item<'a>(action: &'a (dyn Fn(*mut work_struct) + Sync)) -> Box<Item<'a>> {
    let (work, name) = (Opaque::uninit(), c"test".as_char_ptr());
    // INVARIANT: Initialised below.
    let item = Box::new(Item { work, action });
    // SAFETY: It is this thread's, and the name is static.
    unsafe { init_work_with_key(item.ptr(), Some(act), false, name, null_mut()) };
    item
}

impl Item<'_> {
    fn ptr(&self) -> *mut work_struct {
        self.work.get()
    }
}

fn completion() -> Arc<Completion> {
    Arc::pin_init(Completion::new(), prelude::GFP_KERNEL).unwrap()
}

#[test]
fn an_ordered_queue_keeps_the_order_also_while_work_sleeps() {
    // SAFETY: The items live until the queue is destroyed, which waits for them, as its last use.
    both(|| unsafe {
        let log = Mutex::new(Vec::new());
        let wq = ordered_queue(c"ordered");
        let sleeps = |_| {
            log.lock().unwrap().push(0);
            msleep(20);
            log.lock().unwrap().push(1);
        };
        let actions: Vec<_> = (2..10)
            .map(|n| {
                let log = &log;
                move |_| log.lock().unwrap().push(n)
            })
            .collect();
        let mut items = vec![item(&sleeps)];
        items.extend(actions.iter().map(|a| item(a)));
        for item in &items {
            assert!(queue_work(wq, item.ptr()));
        }
        destroy_workqueue(wq);
        assert_eq!(*log.lock().unwrap(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn on_a_virtual_cpu_work_runs_in_order_and_a_sleeper_makes_room() {
    // SAFETY: The items are there until the queue is flushed, which waits for them.
    let log = vcpu::fifo(|| unsafe {
        let log = Mutex::new(Vec::new());
        let say = |what: &'static str| log.lock().unwrap().push(what);
        let a = |_| {
            say("a");
            msleep(10);
            say("a wakes");
        };
        let b = |_| say("b");
        let c = |_| say("c");
        let (a, b, c) = (item(&a), item(&b), item(&c));
        for item in [&a, &b, &c] {
            queue_work(system_wq, item.ptr());
        }
        say("queued");
        vcpu::settle();
        say("settled");
        flush_workqueue(system_wq);
        say("flushed");
        log.into_inner().unwrap()
    });
    let expected = ["queued", "a", "b", "c", "settled", "a wakes", "flushed"];
    assert_eq!(log.unwrap(), expected);
}

#[test]
fn no_flush_misses_the_end_of_the_work() {
    // SAFETY: The item is there until it is flushed, which waits for it.
    explore(|| unsafe {
        let runs = AtomicU32::new(0);
        let count = |_| {
            runs.fetch_add(1, SeqCst);
        };
        let count = item(&count);
        assert!(queue_work(system_wq, count.ptr()));
        flush_work(count.ptr());
        assert_eq!(runs.load(SeqCst), 1);
    });
}

/// Work that comes while a worker is about to go idle.
#[cfg(feature = "debug")]
#[test]
fn no_worker_goes_idle_over_work() {
    // SAFETY: The item is there until it is flushed, which waits for it.
    let search = kernel::testing::Explorer::new()
        .schedules(100_000)
        .search(1, || unsafe {
            let runs = AtomicU32::new(0);
            let count = |_| {
                runs.fetch_add(1, SeqCst);
            };
            let count = item(&count);
            debug_workers_stay(true);
            for run in 1..=2 {
                queue_work(system_wq, count.ptr());
                flush_work(count.ptr());
                assert_eq!(runs.load(SeqCst), run);
            }
            debug_workers_stay(false);
        });
    assert!(
        search.as_ref().is_ok_and(|search| search.complete),
        "{search:?}"
    );
}

/// Waits until the task waits for the caller's work, which a flush would find done otherwise.
///
/// # Safety
///
/// The task has not ended.
unsafe fn until_blocked(task: &AtomicPtr<task_struct>) {
    // SAFETY: The task is there: the caller's guarantee.
    while unsafe { !(*task.load(SeqCst)).is_blocked() } {
        // SAFETY: `cpu_relax()` has no preconditions.
        unsafe { cpu_relax() };
    }
}

#[test]
fn a_pending_item_is_queued_once() {
    // SAFETY: The items are there until the queue is destroyed, which waits for them, and which is
    // its last use. This task runs until then, too.
    both(|| unsafe {
        let runs = AtomicU32::new(0);
        let hold = completion();
        let block = |_| hold.wait_for_completion();
        let flusher = AtomicPtr::new(get_current());
        let count = |_| {
            until_blocked(&flusher);
            runs.fetch_add(1, SeqCst);
        };
        let wq = ordered_queue(c"once");
        let (block, count) = (item(&block), item(&count));
        assert!(queue_work(wq, block.ptr()));
        assert!(queue_work(wq, count.ptr()));
        assert!(!queue_work(wq, count.ptr()));
        assert!(!queue_work(system_wq, count.ptr()));
        assert!(work_pending(count.ptr()));
        hold.complete_all();
        assert!(flush_work(count.ptr()));
        assert_eq!(runs.load(SeqCst), 1);
        assert!(!work_pending(count.ptr()));
        assert!(!flush_work(count.ptr()));
        assert!(queue_work(wq, count.ptr()));
        destroy_workqueue(wq);
        assert_eq!(runs.load(SeqCst), 2);
    });
}

#[test]
fn an_item_requeues_itself_and_never_runs_twice_at_once() {
    // SAFETY: The item is there until it has run for the last time: `done` says that it has begun
    // to, and the flush waits for the end.
    both(|| unsafe {
        let (left, inside) = (AtomicU32::new(50), AtomicBool::new(false));
        let done = completion();
        let again = |work| {
            assert!(!inside.swap(true, SeqCst), "runs twice");
            let last = left.fetch_sub(1, SeqCst) == 1;
            if !last {
                // Another queue, so that another worker could take it.
                let wq = [system_wq, system_highpri_wq, system_unbound_wq];
                assert!(queue_work(wq[left.load(SeqCst) as usize % 3], work));
                schedule_timeout_uninterruptible(1);
            }
            inside.store(false, SeqCst);
            if last {
                done.complete_all();
            }
        };
        let again = item(&again);
        queue_work(system_wq, again.ptr());
        done.wait_for_completion();
        flush_work(again.ptr());
        assert_eq!(left.load(SeqCst), 0);
    });
}

fn schedule_timeout_uninterruptible(jiffies: isize) {
    // SAFETY: Neither has preconditions; the task goes on when it is woken, or the time has passed.
    unsafe {
        set_current_state(TASK_UNINTERRUPTIBLE);
        schedule_timeout(jiffies);
    }
}

#[repr(C)]
struct SelfFreeing {
    work: work_struct,
    freed: *const AtomicU32,
}

/// # Safety
///
/// `work` is that of a [`SelfFreeing`] in its own block, not used any more; `freed` is valid.
unsafe extern "C" fn free_itself(work: *mut work_struct) {
    // SAFETY: The caller says that the work is a `SelfFreeing`'s. Its function may free it.
    unsafe {
        let freed = (*work.cast::<SelfFreeing>()).freed;
        // What is done to it after this would be noticed.
        work.cast::<u8>()
            .write_bytes(0x6b, size_of::<SelfFreeing>());
        kfree(work.cast());
        (*freed).fetch_add(1, SeqCst);
    }
}

#[test]
fn an_item_may_free_itself() {
    // SAFETY: The blocks are fresh, and given away to their functions as they are queued; `freed`
    // is there until the queue is flushed, which waits for them.
    both(|| unsafe {
        let freed = AtomicU32::new(0);
        for _ in 0..200 {
            let own: *mut SelfFreeing = kzalloc_obj(GFP_KERNEL);
            assert!(!own.is_null());
            let work = addr_of_mut!((*own).work);
            init_work_with_key(
                work,
                Some(free_itself),
                false,
                c"".as_char_ptr(),
                null_mut(),
            );
            addr_of_mut!((*own).freed).write(&freed);
            assert!(queue_work(system_unbound_wq, work));
        }
        flush_workqueue(system_unbound_wq);
        assert_eq!(freed.load(SeqCst), 200);
    });
}

#[test]
fn sleeping_workers_do_not_block_others() {
    // SAFETY: The items are there until the queue is flushed, which waits for them.
    both(|| unsafe {
        let hold = completion();
        let block = |_| hold.wait_for_completion();
        let release = |_| hold.complete_all();
        let blocks: Vec<_> = (0..20).map(|_| item(&block)).collect();
        let release = item(&release);
        for block in &blocks {
            assert!(queue_work(system_wq, block.ptr()));
        }
        assert!(queue_work(system_wq, release.ptr()));
        flush_workqueue(system_wq);
    });
}

#[test]
fn a_queue_runs_no_more_at_once_than_it_says() {
    // SAFETY: The items live until the queue is destroyed, which waits for them, as its last use.
    both(|| unsafe {
        let (now, most) = (AtomicU32::new(0), AtomicU32::new(0));
        let work = |_| {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            msleep(5);
            now.fetch_sub(1, SeqCst);
        };
        let wq = queue(c"two", WQ_UNBOUND, 2);
        let items: Vec<_> = (0..6).map(|_| item(&work)).collect();
        for item in &items {
            queue_work(wq, item.ptr());
        }
        destroy_workqueue(wq);
        assert!((1..=2).contains(&most.load(SeqCst)));
    });
}

#[test]
fn cancel_takes_back_what_waits_and_waits_for_what_runs() {
    // SAFETY: The items are there until the queue is destroyed, which waits for what was not
    // cancelled, which is its last use. An item is not flushed by itself.
    both(|| unsafe {
        let wq = ordered_queue(c"cancel");
        let own = AtomicPtr::new(wq);
        let (hold, started) = (completion(), completion());
        let finished = AtomicBool::new(false);
        let requeued = AtomicBool::new(false);
        let block = |work| {
            started.complete_all();
            hold.wait_for_completion();
            msleep(10);
            requeued.store(queue_work(own.load(SeqCst), work), SeqCst);
            finished.store(true, SeqCst);
        };
        let never = |_| panic!("was cancelled");
        let (block, never) = (item(&block), item(&never));
        queue_work(wq, block.ptr());
        queue_work(wq, never.ptr());
        assert!(cancel_work(never.ptr()));
        assert!(!cancel_work(never.ptr()));
        started.wait_for_completion();
        hold.complete_all();
        assert!(!cancel_work_sync(block.ptr()));
        assert!(finished.load(SeqCst));
        assert!(!requeued.load(SeqCst), "queued while being cancelled");

        for _ in 0..2 {
            assert!(!disable_work_sync(never.ptr()));
        }
        for enabled in [false, true] {
            assert!(!queue_work(wq, never.ptr()));
            assert_eq!(enable_work(never.ptr()), enabled);
        }
        destroy_workqueue(wq);
    });
}

#[test]
fn cancelling_lets_those_go_on_who_wait() {
    // SAFETY: The items are there until the flusher is done and the queue is destroyed, which waits
    // for what was not cancelled; the queue is not used then.
    both(|| unsafe {
        let wq = ordered_queue(c"flush");
        let hold = completion();
        let block = |_| hold.wait_for_completion();
        let never = |_| panic!("was cancelled");
        let (block, never) = (item(&block), item(&never));
        queue_work(wq, block.ptr());
        queue_work(wq, never.ptr());
        let (waits, done) = (completion(), completion());
        let (own, address) = (
            (waits.clone(), done.clone()),
            never.ptr().expose_provenance(),
        );
        spawn(move || {
            own.0.complete_all();
            // The item is there until `done` is completed; this task is no worker.
            flush_work(with_exposed_provenance_mut(address));
            own.1.complete_all();
        });
        waits.wait_for_completion();
        vcpu::settle();
        assert!(cancel_work_sync(never.ptr()));
        done.wait_for_completion();
        hold.complete_all();
        destroy_workqueue(wq);
    });
}

#[test]
fn flushing_a_queue_does_not_wait_for_what_comes_later() {
    // SAFETY: The item is there until the queue is drained, when it has run for the last time.
    both(|| unsafe {
        let stop = AtomicBool::new(false);
        let runs = AtomicU32::new(0);
        let for_ever = |work| {
            runs.fetch_add(1, SeqCst);
            if !stop.load(SeqCst) {
                queue_work(system_long_wq, work);
                schedule_timeout_uninterruptible(1);
            }
        };
        let for_ever = item(&for_ever);
        queue_work(system_long_wq, for_ever.ptr());
        flush_workqueue(system_long_wq);
        flush_work(for_ever.ptr());
        assert!(runs.load(SeqCst) >= 2);
        stop.store(true, SeqCst);
        drain_workqueue(system_long_wq);
        assert!(!work_pending(for_ever.ptr()));
    });
}

/// Nor for what comes next: it would wait for the flush.
#[test]
fn flushing_a_queue_does_not_wait_for_the_next_item() {
    // SAFETY: The items are there until the queue is drained, when both have run.
    let end = on_a_virtual_cpu(|| unsafe {
        let flushed = completion();
        let next = |_| flushed.wait_for_completion();
        let next = item(&next);
        let queued = AtomicPtr::new(next.ptr());
        let first = |_| assert!(queue_work(system_long_wq, queued.load(SeqCst)));
        let first = item(&first);
        queue_work(system_long_wq, first.ptr());
        flush_workqueue(system_long_wq);
        flushed.complete_all();
        drain_workqueue(system_long_wq);
    });
    assert_eq!(end, Ok(()));
}

#[test]
fn work_can_be_queued_where_sleeping_is_forbidden() {
    // SAFETY: The items live until they are flushed; the lock is initialised, and released with its
    // flags.
    both(|| unsafe {
        let mut lock = spinlock::new();
        let ran = AtomicBool::new(false);
        let (context, bh_context) = (AtomicBool::new(true), AtomicBool::new(false));
        let work = |_| {
            context.store(in_atomic(), SeqCst);
            ran.store(true, SeqCst);
        };
        let bh = |_| bh_context.store(in_atomic(), SeqCst);
        let (work, bh) = (item(&work), item(&bh));
        let flags = spin_lock_irqsave(&mut lock);
        queue_work(system_highpri_wq, work.ptr());
        queue_work(system_bh_wq, bh.ptr());
        spin_unlock_irqrestore(&mut lock, flags);
        flush_work(work.ptr());
        flush_work(bh.ptr());
        assert!(ran.load(SeqCst) && !context.load(SeqCst) && bh_context.load(SeqCst));
    });
}

#[repr(C)]
struct ByRcu<'a> {
    head: callback_head,
    item: Box<Item<'a>>,
}

/// # Safety
///
/// `head` is that of a [`ByRcu`], which is there until its item has run.
unsafe extern "C" fn queue_it(head: *mut callback_head) {
    // SAFETY: The head is the first member of a `ByRcu`: the caller's guarantee.
    unsafe { queue_work(system_wq, (*head.cast::<ByRcu<'_>>()).item.ptr()) };
}

#[test]
fn work_queued_by_the_last_grace_period_runs() {
    static RAN: AtomicBool = AtomicBool::new(false);
    let mut by_rcu = ByRcu {
        head: callback_head {
            next: null_mut(),
            func: None,
        },
        item: item(&|_| RAN.store(true, SeqCst)),
    };
    let head = addr_of_mut!(by_rcu).cast();
    // SAFETY: It is queued once, and there until the machine has ended, and with it all work.
    let done = on_a_virtual_cpu(move || unsafe { call_rcu(head, Some(queue_it)) });
    assert_eq!(done, Ok(()));
    assert!(RAN.load(SeqCst));
}

/// As [`Item`], with a delay.
///
/// # Invariants
///
/// `dwork` is initialised, to call [`act_delayed`].
#[repr(C)]
struct Delayed<'a> {
    dwork: Opaque<delayed_work>,
    action: &'a (dyn Fn() + Sync),
}

/// # Safety
///
/// `work` is that of a [`Delayed`].
unsafe extern "C" fn act_delayed(work: *mut work_struct) {
    // SAFETY: The caller says that the work is that of a `Delayed`, at its start.
    let action = unsafe { (*work.cast::<Delayed<'_>>()).action };
    action();
}

fn delayed<'a>(action: &'a (dyn Fn() + Sync)) -> Box<Delayed<'a>> {
    let (dwork, name) = (Opaque::zeroed(), c"test".as_char_ptr());
    // INVARIANT: Initialised below.
    let item = Box::new(Delayed { dwork, action });
    // SAFETY: It is this thread's, and the name is static.
    unsafe {
        init_work_with_key(item.work(), Some(act_delayed), false, name, null_mut());
        let timer = addr_of_mut!((*item.ptr()).timer);
        let function = delayed_work_timer_fn;
        timer_init_key(timer, Some(function), TIMER_IRQSAFE, name, null_mut());
    }
    item
}

impl Delayed<'_> {
    fn ptr(&self) -> *mut delayed_work {
        self.dwork.get()
    }

    /// The first member.
    fn work(&self) -> *mut work_struct {
        self.ptr().cast()
    }
}

#[test]
fn delayed_work_runs_when_its_time_has_come() {
    // SAFETY: The items are there until the time of the last one has come.
    let log = vcpu::fifo(|| unsafe {
        let log = Mutex::new(Vec::new());
        let start = jiffies();
        let say = |what: &'static str| log.lock().unwrap().push((what, jiffies() - start));
        let (late, early, at_once) = (|| say("late"), || say("early"), || say("at once"));
        let (late, early, at_once) = (delayed(&late), delayed(&early), delayed(&at_once));
        assert!(queue_delayed_work_on(0, system_wq, late.ptr(), 1000));
        assert!(queue_delayed_work_on(0, system_wq, early.ptr(), 10));
        assert!(!queue_delayed_work_on(0, system_wq, early.ptr(), 1));
        assert!(queue_delayed_work_on(0, system_wq, at_once.ptr(), 0));
        assert!(work_pending(late.work()));
        msleep(10_000);
        log.into_inner().unwrap()
    });
    let expected = [("at once", 0), ("early", 10), ("late", 1000)];
    assert_eq!(log.unwrap(), expected);
}

#[test]
fn delayed_work_can_be_cancelled_and_flushed() {
    // SAFETY: The items are there until they were cancelled or flushed, each after it was queued
    // for the last time. This task runs until then, too.
    both(|| unsafe {
        let never = || panic!("was cancelled");
        let ran = AtomicBool::new(false);
        let flusher = AtomicPtr::new(get_current());
        let flushed = || {
            until_blocked(&flusher);
            ran.store(true, SeqCst);
        };
        let (never, flushed) = (delayed(&never), delayed(&flushed));
        assert!(!cancel_delayed_work(never.ptr()));
        queue_delayed_work_on(0, system_wq, never.ptr(), 1_000_000);
        queue_delayed_work_on(0, system_wq, flushed.ptr(), 1_000_000);
        assert!(!flush_work(flushed.work()), "its time has not come");
        assert!(cancel_delayed_work_sync(never.ptr()));
        assert!(!cancel_delayed_work_sync(never.ptr()));
        assert!(flush_delayed_work(flushed.ptr()));
        assert!(ran.load(SeqCst));
        // And it runs by itself, however real time is.
        ran.store(false, SeqCst);
        queue_delayed_work_on(0, system_wq, flushed.ptr(), 2);
        while !ran.load(SeqCst) {
            msleep(4);
        }
        flush_delayed_work(flushed.ptr());
    });
}

#[test]
fn a_cancelled_timer_does_not_keep_the_machine_waiting() {
    // SAFETY: The item is there until it was cancelled.
    let end = vcpu::fifo(|| unsafe {
        let start = jiffies();
        let never = || panic!("was cancelled");
        let never = delayed(&never);
        queue_delayed_work_on(0, system_wq, never.ptr(), 1_000_000);
        vcpu::settle();
        cancel_delayed_work_sync(never.ptr());
        vcpu::settle();
        jiffies() - start
    });
    assert_eq!(end, Ok(0));
}

#[test]
fn a_thousand_machines_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let before = memory::live_blocks();
    static RUNS: AtomicU32 = AtomicU32::new(0);
    for n in 1..=1000 {
        let work = |_| {
            RUNS.fetch_add(1, SeqCst);
            // SAFETY: `msleep()` has no preconditions.
            unsafe { msleep(1) };
        };
        let late = || _ = RUNS.fetch_add(1, SeqCst);
        let items = [(); 3].map(|()| item(&work));
        let late = delayed(&late);
        let (works, later) = (items.each_ref().map(|item| item.ptr()), late.ptr());
        // SAFETY: The items are there until the machine has ended, and with it all work; the queue
        // is not used once it is destroyed.
        let done = on_a_virtual_cpu(move || unsafe {
            let wq = queue(c"one of many", 0, 0);
            for work in works {
                queue_work(wq, work);
            }
            queue_delayed_work_on(0, system_wq, later, 250);
            destroy_workqueue(wq);
        });
        assert_eq!(done, Ok(()));
        assert_eq!(RUNS.load(SeqCst), 4 * n);
    }
    assert_eq!(memory::live_blocks(), before);
}
