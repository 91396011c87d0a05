// SPDX-License-Identifier: GPL-2.0-only
//! Interrupts that a processor sends to itself, and what interrupts hold up.

#![allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks)]

use kernel::{
    bindings::*,
    testing::{baton, explore},
};
use std::{
    mem::MaybeUninit,
    ptr::{addr_of_mut, null_mut},
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
        Mutex,
    },
};

/// Runs `body` on this thread as it is, under a baton, and in many orders.
fn everywhere(body: impl Fn() + Sync) {
    body();
    assert_eq!(baton::fifo(&body), Ok(()));
    explore(body);
}

#[repr(C)]
struct Item<'a> {
    work: irq_work,
    number: u32,
    action: &'a dyn Fn(u32),
}

unsafe extern "C" fn act(work: *mut irq_work) {
    unsafe {
        assert!(in_hardirq() && irqs_disabled() && in_atomic());
        assert!(!irq_work_is_pending(work) && irq_work_is_busy(work));
        let item = work.cast::<Item<'_>>();
        ((*item).action)((*item).number);
    }
}

fn items<'a, const N: usize>(action: &'a dyn Fn(u32)) -> Box<[Item<'a>; N]> {
    let mut number = 0;
    Box::new([(); N].map(|()| {
        let mut work = MaybeUninit::uninit();
        unsafe { init_irq_work(work.as_mut_ptr(), Some(act)) };
        number += 1;
        Item {
            work: unsafe { work.assume_init() },
            number,
            action,
        }
    }))
}

#[test]
fn at_once_if_interrupts_are_enabled() {
    everywhere(|| {
        let count = AtomicU32::new(0);
        let action = |n| assert_eq!(count.fetch_add(n, SeqCst), 0);
        let mut items = items::<1>(&action);
        unsafe {
            let work = addr_of_mut!(items[0].work);
            assert!(irq_work_queue(work));
            assert_eq!(count.load(SeqCst), 1);
            assert!(!irq_work_is_busy(work));
            irq_work_sync(work);
        }
        assert!(unsafe { !in_hardirq() && !irqs_disabled() });
    });
}

#[test]
fn at_the_end_of_the_outermost_section_the_last_first() {
    everywhere(|| {
        let log = Mutex::new(Vec::new());
        let action = |n| log.lock().unwrap().push(n);
        let mut items = items::<3>(&action);
        let mut lock = spinlock::new();
        let outer = unsafe { local_irq_save() };
        unsafe {
            let flags = spin_lock_irqsave(&mut lock);
            for item in items.iter_mut() {
                assert!(irq_work_queue(&mut item.work));
                assert!(!irq_work_queue(&mut item.work));
                assert!(irq_work_is_pending(&mut item.work));
            }
            spin_unlock_irqrestore(&mut lock, flags);
        }
        assert_eq!(*log.lock().unwrap(), []);
        unsafe { local_irq_restore(outer) };
        assert_eq!(*log.lock().unwrap(), [3, 2, 1]);
    });
}

#[test]
fn what_work_queues_comes_after_all_of_it() {
    everywhere(|| {
        let log = Mutex::new(Vec::new());
        let mut works = [null_mut::<irq_work>(); 4];
        let known: *mut [*mut irq_work; 4] = &mut works;
        let action = |n| {
            let mut log = log.lock().unwrap();
            log.push(n);
            let first = log.iter().filter(|&&m| m == n).count() == 1;
            drop(log);
            // The second queues itself and two others.
            if n == 2 && first {
                for other in [1, 3, 0] {
                    assert!(unsafe { irq_work_queue((*known)[other]) });
                }
            }
        };
        let mut items = items::<4>(&action);
        for (work, item) in works.iter_mut().zip(items.iter_mut()) {
            *work = &mut item.work;
        }
        let flags = unsafe { local_irq_save() };
        unsafe {
            irq_work_queue(works[2]);
            irq_work_queue(works[1]);
        }
        unsafe { local_irq_restore(flags) };
        // The first batch is 2 and 3; of what 2 has queued, the last comes first.
        assert_eq!(*log.lock().unwrap(), [2, 3, 1, 4, 2]);
    });
}

#[test]
fn each_thread_has_a_list_of_its_own() {
    let log = Mutex::new(Vec::new());
    let action = |n| log.lock().unwrap().push(n);
    let mut mine = items::<1>(&action);
    let flags = unsafe { local_irq_save() };
    unsafe { irq_work_queue(&mut mine[0].work) };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut other = items::<1>(&action);
            unsafe { irq_work_queue(&mut other[0].work) };
            assert_eq!(*log.lock().unwrap(), [1]);
        });
    });
    unsafe { local_irq_restore(flags) };
    assert_eq!(*log.lock().unwrap(), [1, 1]);
}

#[repr(C)]
struct Callback {
    head: callback_head,
    inside: AtomicBool,
    returned: AtomicBool,
}

unsafe extern "C" fn slow(head: *mut callback_head) {
    let this = unsafe { &*head.cast::<Callback>() };
    assert!(unsafe { in_serving_softirq() && !in_hardirq() && in_atomic() });
    this.inside.store(true, SeqCst);
    for _ in 0..50 {
        unsafe { cpu_relax() };
    }
    this.returned.store(true, SeqCst);
}

#[test]
fn a_callback_holds_up_the_next_grace_period() {
    let mut this = Callback {
        head: callback_head {
            next: null_mut(),
            func: None,
        },
        inside: AtomicBool::new(false),
        returned: AtomicBool::new(false),
    };
    unsafe {
        call_rcu(addr_of_mut!(this.head), Some(slow));
        while !this.inside.load(SeqCst) {
            cpu_relax();
        }
        synchronize_rcu();
        assert!(this.returned.load(SeqCst));
        rcu_barrier();
    }
}
