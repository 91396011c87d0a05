// SPDX-License-Identifier: GPL-2.0-only
//! Workqueues and timers, as C sees them, on free threads and under a baton.

#![allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks)]

use kernel::{
    bindings::*,
    ffi::c_void,
    str::CStrExt as _,
    testing::{baton, memory},
};
use std::{
    mem::MaybeUninit,
    ptr::{addr_of_mut, null_mut},
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
        Mutex,
    },
};

/// Tests that count blocks, or need the processors for themselves, run alone.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `body` on this thread as it is, and under a baton.
fn both(body: impl Fn() + Sync) {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    body();
    assert_eq!(baton::fifo(&body), Ok(()));
}

/// Runs `body`, which reaches C's structures by their addresses, under a baton.
fn under_a_baton(body: impl FnOnce()) -> Result<(), baton::Stuck> {
    struct Mine<T>(T);
    // SAFETY: The caller waits meanwhile.
    unsafe impl<T> Send for Mine<T> {}
    impl<T: FnOnce()> Mine<T> {
        fn run(self) {
            (self.0)()
        }
    }
    let body = Mine(body);
    baton::fifo(move || body.run())
}

/// A work item with what it does.
#[repr(C)]
struct Item<'a> {
    work: work_struct,
    action: &'a dyn Fn(*mut work_struct),
}

unsafe extern "C" fn act(work: *mut work_struct) {
    let action = unsafe { (*work.cast::<Item<'_>>()).action };
    action(work);
}

fn item<'a>(action: &'a dyn Fn(*mut work_struct)) -> Box<Item<'a>> {
    let mut item = Box::<Item<'a>>::new_uninit();
    unsafe {
        let ptr = item.as_mut_ptr();
        let name = c"test".as_char_ptr();
        init_work_with_key(
            addr_of_mut!((*ptr).work),
            Some(act),
            false,
            name,
            null_mut(),
        );
        addr_of_mut!((*ptr).action).write(action);
        item.assume_init()
    }
}

impl Item<'_> {
    fn ptr(&mut self) -> *mut work_struct {
        core::ptr::from_mut(self).cast()
    }
}

struct Done(Box<MaybeUninit<completion>>);

impl Done {
    fn new() -> Self {
        let mut done = Box::<completion>::new_uninit();
        unsafe { init_completion(done.as_mut_ptr()) };
        Self(done)
    }
    fn complete(&self) {
        unsafe { complete(self.0.as_ptr().cast_mut()) }
    }
    fn wait(&self) {
        unsafe { wait_for_completion(self.0.as_ptr().cast_mut()) }
    }
}

#[test]
fn an_ordered_queue_keeps_the_order_also_while_work_sleeps() {
    both(|| unsafe {
        let log = Mutex::new(Vec::new());
        let wq = alloc_ordered_workqueue(c"ordered".as_char_ptr(), 0);
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
        for item in &mut items {
            assert!(queue_work(wq, item.ptr()));
        }
        destroy_workqueue(wq);
        assert_eq!(*log.lock().unwrap(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn under_a_baton_work_runs_in_order_and_a_sleeper_makes_room() {
    let log = Mutex::new(Vec::new());
    let say = |what: &'static str| log.lock().unwrap().push(what);
    let done = baton::fifo(|| unsafe {
        let a = |_| {
            say("a");
            msleep(10);
            say("a wakes");
        };
        let b = |_| say("b");
        let c = |_| say("c");
        let (mut a, mut b, mut c) = (item(&a), item(&b), item(&c));
        for item in [&mut a, &mut b, &mut c] {
            queue_work(system_wq, item.ptr());
        }
        say("queued");
        baton::settle();
        say("settled");
        flush_workqueue(system_wq);
        say("flushed");
    });
    assert_eq!(done, Ok(()));
    let expected = ["queued", "a", "b", "c", "settled", "a wakes", "flushed"];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[test]
fn a_pending_item_is_queued_once() {
    both(|| unsafe {
        let runs = AtomicU32::new(0);
        let hold = Done::new();
        let block = |_| hold.wait();
        let count = |_| {
            runs.fetch_add(1, SeqCst);
        };
        let wq = alloc_ordered_workqueue(c"once".as_char_ptr(), 0);
        let (mut block, mut count) = (item(&block), item(&count));
        assert!(queue_work(wq, block.ptr()));
        assert!(queue_work(wq, count.ptr()));
        assert!(!queue_work(wq, count.ptr()));
        assert!(!queue_work(system_wq, count.ptr()));
        assert!(work_pending(count.ptr()));
        hold.complete();
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
    both(|| unsafe {
        let (left, inside) = (AtomicU32::new(50), AtomicBool::new(false));
        let done = Done::new();
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
                done.complete();
            }
        };
        let mut again = item(&again);
        queue_work(system_wq, again.ptr());
        done.wait();
        flush_work(again.ptr());
        assert_eq!(left.load(SeqCst), 0);
    });
}

fn schedule_timeout_uninterruptible(jiffies: isize) {
    unsafe { set_current_state(TASK_UNINTERRUPTIBLE) };
    unsafe { schedule_timeout(jiffies) };
}

#[repr(C)]
struct SelfFreeing {
    work: work_struct,
    freed: *const AtomicU32,
}

unsafe extern "C" fn free_itself(work: *mut work_struct) {
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
    both(|| unsafe {
        let freed = AtomicU32::new(0);
        for _ in 0..200 {
            let size = size_of::<SelfFreeing>();
            let block = krealloc_node_align(null_mut(), size, 8, GFP_KERNEL, NUMA_NO_NODE);
            let own: *mut SelfFreeing = block.cast();
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
    both(|| unsafe {
        let hold = Done::new();
        let block = |_| hold.wait();
        let release = |_| (0..20).for_each(|_| hold.complete());
        let mut blocks: Vec<_> = (0..20).map(|_| item(&block)).collect();
        let mut release = item(&release);
        for block in &mut blocks {
            assert!(queue_work(system_wq, block.ptr()));
        }
        assert!(queue_work(system_wq, release.ptr()));
        flush_workqueue(system_wq);
    });
}

#[test]
fn a_queue_runs_no_more_at_once_than_it_says() {
    both(|| unsafe {
        let (now, most) = (AtomicU32::new(0), AtomicU32::new(0));
        let work = |_| {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            msleep(5);
            now.fetch_sub(1, SeqCst);
        };
        let wq = alloc_workqueue(c"two".as_char_ptr(), WQ_UNBOUND, 2);
        let mut items: Vec<_> = (0..6).map(|_| item(&work)).collect();
        for item in &mut items {
            queue_work(wq, item.ptr());
        }
        destroy_workqueue(wq);
        assert!((1..=2).contains(&most.load(SeqCst)));
    });
}

#[test]
fn cancel_takes_back_what_waits_and_waits_for_what_runs() {
    both(|| unsafe {
        let wq = alloc_ordered_workqueue(c"cancel".as_char_ptr(), 0);
        let (hold, started) = (Done::new(), Done::new());
        let finished = AtomicBool::new(false);
        let requeued = AtomicBool::new(false);
        let block = |work| {
            started.complete();
            hold.wait();
            msleep(10);
            requeued.store(queue_work(wq, work), SeqCst);
            finished.store(true, SeqCst);
        };
        let never = |_| panic!("was cancelled");
        let (mut block, mut never) = (item(&block), item(&never));
        queue_work(wq, block.ptr());
        queue_work(wq, never.ptr());
        assert!(cancel_work(never.ptr()));
        assert!(!cancel_work(never.ptr()));
        started.wait();
        hold.complete();
        assert!(!cancel_work_sync(block.ptr()));
        assert!(finished.load(SeqCst));
        assert!(!requeued.load(SeqCst), "queued while being cancelled");

        assert!(!disable_work_sync(never.ptr()));
        assert!(!queue_work(wq, never.ptr()));
        assert!(enable_work(never.ptr()));
        destroy_workqueue(wq);
    });
}

/// Waits in a kernel thread for an item that another one cancels.
struct Flusher {
    work: *mut work_struct,
    waits: Done,
    done: Done,
}

unsafe extern "C" fn flusher(data: *mut c_void) -> i32 {
    let flusher = unsafe { &*data.cast::<Flusher>() };
    flusher.waits.complete();
    unsafe { flush_work(flusher.work) };
    flusher.done.complete();
    0
}

#[test]
fn cancelling_lets_those_go_on_who_wait() {
    both(|| unsafe {
        let wq = alloc_ordered_workqueue(c"flush".as_char_ptr(), 0);
        let hold = Done::new();
        let block = |_| hold.wait();
        let never = |_| panic!("was cancelled");
        let (mut block, mut never) = (item(&block), item(&never));
        queue_work(wq, block.ptr());
        queue_work(wq, never.ptr());
        let own = Flusher {
            work: never.ptr(),
            waits: Done::new(),
            done: Done::new(),
        };
        let data = (&raw const own).cast_mut().cast();
        wake_up_process(kthread_create(flusher, data, c"flusher".as_char_ptr()));
        own.waits.wait();
        baton::settle();
        assert!(cancel_work_sync(never.ptr()));
        own.done.wait();
        hold.complete();
        destroy_workqueue(wq);
    });
}

#[test]
fn flushing_a_queue_does_not_wait_for_what_comes_later() {
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
        let mut for_ever = item(&for_ever);
        queue_work(system_long_wq, for_ever.ptr());
        flush_workqueue(system_long_wq);
        flush_work(for_ever.ptr());
        assert!(runs.load(SeqCst) >= 2);
        stop.store(true, SeqCst);
        drain_workqueue(system_long_wq);
        assert!(!work_pending(for_ever.ptr()));
    });
}

#[test]
fn work_can_be_queued_where_sleeping_is_forbidden() {
    both(|| unsafe {
        let mut lock = spinlock::new();
        let ran = AtomicBool::new(false);
        let (context, bh_context) = (AtomicBool::new(true), AtomicBool::new(false));
        let work = |_| {
            context.store(in_atomic(), SeqCst);
            ran.store(true, SeqCst);
        };
        let bh = |_| bh_context.store(in_atomic(), SeqCst);
        let (mut work, mut bh) = (item(&work), item(&bh));
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
    work: *mut work_struct,
    _item: Box<Item<'a>>,
}

unsafe extern "C" fn queue_it(head: *mut callback_head) {
    unsafe { queue_work(system_wq, (*head.cast::<ByRcu<'_>>()).work) };
}

#[test]
fn work_queued_by_the_last_grace_period_runs() {
    let ran = AtomicBool::new(false);
    let work = |_| ran.store(true, SeqCst);
    let mut item = item(&work);
    let mut by_rcu = ByRcu {
        head: callback_head {
            next: null_mut(),
            func: None,
        },
        work: item.ptr(),
        _item: item,
    };
    let done = under_a_baton(|| unsafe { call_rcu(&mut by_rcu.head, Some(queue_it)) });
    assert_eq!(done, Ok(()));
    assert!(ran.load(SeqCst));
}

/// As [`Item`], with a delay.
#[repr(C)]
struct Delayed<'a> {
    dwork: delayed_work,
    action: &'a dyn Fn(),
}

unsafe extern "C" fn act_delayed(work: *mut work_struct) {
    let action = unsafe { (*work.cast::<Delayed<'_>>()).action };
    action();
}

fn delayed<'a>(action: &'a dyn Fn()) -> Box<Delayed<'a>> {
    let mut item = Box::<Delayed<'a>>::new_uninit();
    unsafe {
        let ptr = item.as_mut_ptr();
        ptr.write_bytes(0, 1);
        let (work, name) = (addr_of_mut!((*ptr).dwork.work), c"test".as_char_ptr());
        init_work_with_key(work, Some(act_delayed), false, name, null_mut());
        let timer = addr_of_mut!((*ptr).dwork.timer);
        let function = delayed_work_timer_fn;
        timer_init_key(timer, Some(function), TIMER_IRQSAFE, name, null_mut());
        addr_of_mut!((*ptr).action).write(action);
        item.assume_init()
    }
}

#[test]
fn delayed_work_runs_when_its_time_has_come() {
    let log = Mutex::new(Vec::new());
    let start = AtomicU32::new(0);
    let say = |what: &'static str| {
        let at = unsafe { jiffies() } as u32 - start.load(SeqCst);
        log.lock().unwrap().push((what, at));
    };
    let done = baton::fifo(|| unsafe {
        start.store(jiffies() as u32, SeqCst);
        let (late, early, at_once) = (|| say("late"), || say("early"), || say("at once"));
        let (mut late, mut early, mut at_once) =
            (delayed(&late), delayed(&early), delayed(&at_once));
        assert!(queue_delayed_work_on(0, system_wq, &mut late.dwork, 1000));
        assert!(queue_delayed_work_on(0, system_wq, &mut early.dwork, 10));
        assert!(!queue_delayed_work_on(0, system_wq, &mut early.dwork, 1));
        assert!(queue_delayed_work_on(0, system_wq, &mut at_once.dwork, 0));
        assert!(work_pending(&late.dwork.work));
        msleep(10_000);
    });
    assert_eq!(done, Ok(()));
    assert_eq!(
        *log.lock().unwrap(),
        [("at once", 0), ("early", 10), ("late", 1000)]
    );
}

#[test]
fn delayed_work_can_be_cancelled_and_flushed() {
    both(|| unsafe {
        let never = || panic!("was cancelled");
        let ran = AtomicBool::new(false);
        let flushed = || ran.store(true, SeqCst);
        let (mut never, mut flushed) = (delayed(&never), delayed(&flushed));
        assert!(!cancel_delayed_work(&mut never.dwork));
        queue_delayed_work_on(0, system_wq, &mut never.dwork, 1_000_000);
        queue_delayed_work_on(0, system_wq, &mut flushed.dwork, 1_000_000);
        assert!(
            !flush_work(&mut flushed.dwork.work),
            "its time has not come"
        );
        assert!(cancel_delayed_work_sync(&mut never.dwork));
        assert!(!cancel_delayed_work_sync(&mut never.dwork));
        assert!(flush_delayed_work(&mut flushed.dwork));
        assert!(ran.load(SeqCst));
        // And it runs by itself, however real time is.
        ran.store(false, SeqCst);
        queue_delayed_work_on(0, system_wq, &mut flushed.dwork, 2);
        while !ran.load(SeqCst) {
            msleep(4);
        }
        flush_delayed_work(&mut flushed.dwork);
    });
}

#[test]
fn a_cancelled_timer_does_not_keep_the_machine_waiting() {
    let end = baton::fifo(|| unsafe {
        let start = jiffies();
        let never = || panic!("was cancelled");
        let mut never = delayed(&never);
        queue_delayed_work_on(0, system_wq, &mut never.dwork, 1_000_000);
        baton::settle();
        cancel_delayed_work_sync(&mut never.dwork);
        baton::settle();
        jiffies() - start
    });
    assert_eq!(end, Ok(0));
}

#[test]
fn timers_can_be_changed() {
    let done = baton::fifo(|| unsafe {
        static FIRED: AtomicU32 = AtomicU32::new(0);
        unsafe extern "C" fn fire(_timer: *mut timer_list) {
            assert!(unsafe { in_atomic() });
            FIRED.store(unsafe { jiffies() } as u32, SeqCst);
        }
        let mut timer = MaybeUninit::<timer_list>::uninit();
        let timer = timer.as_mut_ptr();
        timer_init_key(timer, Some(fire), 0, c"".as_char_ptr(), null_mut());
        assert!(!timer_pending(timer));
        let start = jiffies();
        assert_eq!(mod_timer(timer, start + 100), 0);
        assert_eq!(mod_timer(timer, start + 50), 1);
        assert!(timer_pending(timer));
        msleep(1000);
        assert_eq!(FIRED.load(SeqCst) as usize, start + 50);
        assert_eq!(timer_delete_sync(timer), 0);
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn a_thousand_machines_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let before = memory::live_blocks();
    for _ in 0..1000 {
        let runs = AtomicU32::new(0);
        let work = |_| {
            runs.fetch_add(1, SeqCst);
            unsafe { msleep(1) };
        };
        let late = || {
            runs.fetch_add(1, SeqCst);
        };
        let mut items: Vec<_> = (0..3).map(|_| item(&work)).collect();
        let mut late = delayed(&late);
        let done = under_a_baton(|| unsafe {
            let wq = alloc_workqueue(c"one of many".as_char_ptr(), 0, 0);
            for item in &mut items {
                queue_work(wq, item.ptr());
            }
            queue_delayed_work_on(0, system_wq, &mut late.dwork, 250);
            destroy_workqueue(wq);
        });
        assert_eq!(done, Ok(()));
        assert_eq!(runs.load(SeqCst), 4);
    }
    assert_eq!(memory::live_blocks(), before);
}
