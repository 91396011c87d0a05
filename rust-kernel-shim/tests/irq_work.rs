// SPDX-License-Identifier: GPL-2.0-only
//! Interrupts that a processor sends to itself, and what interrupts hold up.

use kernel::{
    bindings::{
        call_rcu, callback_head, cpu_relax, in_atomic, init_irq_work, irq_work, irq_work_is_busy,
        irq_work_is_pending, irq_work_queue, irq_work_sync, irqs_disabled, local_irq_enable,
        local_irq_restore, local_irq_save, spin_lock_irq, spin_lock_irq_disable, spin_lock_irqsave,
        spin_unlock_irq, spin_unlock_irq_enable, spin_unlock_irqrestore, spinlock,
    },
    interrupt::{local_interrupt_disable, LocalInterruptDisabled},
    sync::rcu,
    task::might_sleep,
    testing::{everywhere, expect_bug, in_hardirq, in_serving_softirq},
    types::Opaque,
};
use std::{
    cell::Cell,
    ptr::{addr_of_mut, null_mut},
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
        Mutex,
    },
};

/// Runs `body` with interrupts disabled; those that come meanwhile are taken at its end.
fn without_interrupts(body: impl FnOnce()) {
    // SAFETY: `local_irq_save()` has no preconditions.
    let flags = unsafe { local_irq_save() };
    body();
    // SAFETY: Saved above, by this thread.
    unsafe { local_irq_restore(flags) };
}

fn interrupts_are_disabled() -> bool {
    // SAFETY: `irqs_disabled()` has no preconditions.
    unsafe { irqs_disabled() }
}

fn is_atomic() -> bool {
    // SAFETY: `in_atomic()` has no preconditions.
    unsafe { in_atomic() }
}

#[test]
fn disabled_interrupts_do_not_count_as_atomic() {
    without_interrupts(|| assert!(interrupts_are_disabled() && !is_atomic()));
    let said = "in_atomic(): 0, irqs_disabled(): 1";
    expect_bug(said, || without_interrupts(might_sleep));
}

#[test]
fn disabled_interrupts_are_not_taken_on_trust() {
    let assumed = || {
        // SAFETY: What is assumed is used for nothing.
        unsafe { LocalInterruptDisabled::assume_disabled() };
    };
    if cfg!(feature = "debug") {
        expect_bug("irqs_disabled", assumed);
    }
    let outer = local_interrupt_disable();
    let inner = local_interrupt_disable();
    drop(outer);
    assumed();
    drop(inner);
    assert!(!interrupts_are_disabled());
}

#[test]
fn interrupts_are_as_c_leaves_them() {
    everywhere(|| {
        let (mut outer, mut inner) = (spinlock::new(), spinlock::new());
        let off = interrupts_are_disabled;
        // SAFETY: The locks are initialised, and released as they were taken.
        unsafe {
            // Letting go of the inner one enables interrupts, whatever was before.
            spin_lock_irq(&mut outer);
            spin_lock_irq(&mut inner);
            assert!(off());
            spin_unlock_irq(&mut inner);
            assert!(!off());
            spin_unlock_irq(&mut outer);
            // What was saved says how it was; and the order is not looked at.
            let first = spin_lock_irqsave(&mut outer);
            let second = spin_lock_irqsave(&mut inner);
            spin_unlock_irqrestore(&mut outer, first);
            assert!(!off());
            spin_unlock_irqrestore(&mut inner, second);
            assert!(off());
            local_irq_enable();
            // A count is not misled by that.
            spin_lock_irq_disable(&mut outer);
            spin_lock_irq_disable(&mut inner);
            spin_unlock_irq_enable(&mut outer);
            assert!(off());
            spin_unlock_irq_enable(&mut inner);
            assert!(!off());
        }
    });
}

/// Work that calls `action` with its number.
///
/// # Invariants
///
/// `work` is initialised, to call [`act`].
#[repr(C)]
struct Item<'a> {
    work: Opaque<irq_work>,
    number: u32,
    action: &'a dyn Fn(u32),
}

/// # Safety
///
/// `work` is that of an [`Item`].
unsafe extern "C" fn act(work: *mut irq_work) {
    // SAFETY: The work is the first member of an `Item`: the caller's guarantee.
    let item = unsafe { &*work.cast::<Item<'_>>() };
    assert!(in_hardirq() && interrupts_are_disabled() && is_atomic());
    assert!(!item.is_pending() && item.is_busy());
    (item.action)(item.number);
}

impl Item<'_> {
    /// Queues it on this thread, which takes the interrupt at once, or else before
    /// [`without_interrupts`] ends: in either case before the items of the test go.
    fn queue(&self) -> bool {
        // SAFETY: By the type invariant, and it is there until its function has returned: see above.
        unsafe { irq_work_queue(self.work.get()) }
    }

    fn is_pending(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { irq_work_is_pending(self.work.get()) }
    }

    fn is_busy(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { irq_work_is_busy(self.work.get()) }
    }
}

fn items<'a, const N: usize>(action: &'a dyn Fn(u32)) -> Box<[Item<'a>; N]> {
    let mut number = 0;
    Box::new([(); N].map(|()| {
        let work = Opaque::uninit();
        // SAFETY: It is this thread's, and may be moved until it is queued.
        unsafe { init_irq_work(work.get(), Some(act)) };
        number += 1;
        // INVARIANT: Initialised above.
        Item {
            work,
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
        let [item] = &*items::<1>(&action);
        assert!(item.queue());
        assert_eq!(count.load(SeqCst), 1);
        assert!(!item.is_busy());
        // SAFETY: By the type invariant; this is not its function.
        unsafe { irq_work_sync(item.work.get()) };
        assert!(!in_hardirq() && !interrupts_are_disabled());
    });
}

#[test]
fn at_the_end_of_the_outermost_section_the_last_first() {
    everywhere(|| {
        let log = Mutex::new(Vec::new());
        let action = |n| log.lock().unwrap().push(n);
        let items = items::<3>(&action);
        let mut lock = spinlock::new();
        without_interrupts(|| {
            // SAFETY: It is initialised.
            let flags = unsafe { spin_lock_irqsave(&mut lock) };
            for item in items.iter() {
                assert!(item.queue());
                assert!(!item.queue());
                assert!(item.is_pending());
            }
            // SAFETY: Taken above, which gave the flags.
            unsafe { spin_unlock_irqrestore(&mut lock, flags) };
            assert_eq!(*log.lock().unwrap(), []);
        });
        assert_eq!(*log.lock().unwrap(), [3, 2, 1]);
    });
}

#[test]
fn what_work_queues_comes_after_all_of_it() {
    everywhere(|| {
        let log = Mutex::new(Vec::new());
        // What the action knows of the items, which know the action.
        let works = Cell::new([null_mut::<irq_work>(); 4]);
        let action = |n| {
            let mut log = log.lock().unwrap();
            log.push(n);
            let first = log.iter().filter(|&&m| m == n).count() == 1;
            drop(log);
            // The second queues itself and two others.
            if n == 2 && first {
                for other in [1, 3, 0] {
                    // SAFETY: Those of the items below, which are there until their functions
                    // have returned, as in `Item::queue()`.
                    assert!(unsafe { irq_work_queue(works.get()[other]) });
                }
            }
        };
        let items = items::<4>(&action);
        works.set(items.each_ref().map(|item| item.work.get()));
        without_interrupts(|| {
            items[2].queue();
            items[1].queue();
        });
        // The first batch is 2 and 3; of what 2 has queued, the last comes first.
        assert_eq!(*log.lock().unwrap(), [2, 3, 1, 4, 2]);
    });
}

#[test]
fn each_thread_has_a_list_of_its_own() {
    let log = Mutex::new(Vec::new());
    let action = |n| log.lock().unwrap().push(n);
    let [mine] = &*items::<1>(&action);
    without_interrupts(|| {
        mine.queue();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let [other] = &*items::<1>(&action);
                other.queue();
                assert_eq!(*log.lock().unwrap(), [1]);
            });
        });
    });
    assert_eq!(*log.lock().unwrap(), [1, 1]);
}

#[repr(C)]
struct Callback {
    head: callback_head,
    inside: AtomicBool,
    returned: AtomicBool,
}

/// # Safety
///
/// `head` is that of a [`Callback`].
unsafe extern "C" fn slow(head: *mut callback_head) {
    // SAFETY: The head is the first member of a `Callback`: the caller's guarantee.
    let this = unsafe { &*head.cast::<Callback>() };
    assert!(in_serving_softirq() && !in_hardirq() && is_atomic());
    this.inside.store(true, SeqCst);
    for _ in 0..50 {
        // SAFETY: `cpu_relax()` has no preconditions.
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
    // SAFETY: `this` is there until the barrier has returned, and is queued once.
    unsafe { call_rcu(addr_of_mut!(this).cast(), Some(slow)) };
    while !this.inside.load(SeqCst) {
        // SAFETY: `cpu_relax()` has no preconditions.
        unsafe { cpu_relax() };
    }
    rcu::synchronize_rcu();
    assert!(this.returned.load(SeqCst));
    rcu::rcu_barrier();
}
