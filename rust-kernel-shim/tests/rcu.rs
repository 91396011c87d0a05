// SPDX-License-Identifier: GPL-2.0-only
//! RCU as a user sees it, with free threads and on a virtual CPU.

use kernel::{
    bindings::{
        call_rcu, callback_head, cond_synchronize_rcu, cpu_relax, get_completed_synchronize_rcu,
        get_completed_synchronize_rcu_full, get_state_synchronize_rcu,
        get_state_synchronize_rcu_full, init_irq_work, irq_work, irq_work_queue, irq_work_sync,
        kfree_rcu_mightsleep, kmalloc_obj, kvfree_rcu_barrier, local_irq_restore, local_irq_save,
        poll_state_synchronize_rcu, poll_state_synchronize_rcu_full, preempt_disable,
        preempt_enable, rcu_get_gp_seq, rcu_gp_seq, rcu_read_lock_held, schedule_timeout,
        set_current_state, spin_lock, spin_unlock, spinlock, start_poll_synchronize_rcu,
        synchronize_rcu_expedited, GFP_KERNEL, TASK_UNINTERRUPTIBLE,
    },
    sync::rcu,
    testing::{
        explore,
        memory::{fail_nth, live_blocks, rcu_without_membarrier},
        spawn, test_alone, vcpu,
    },
};
#[cfg(feature = "debug")]
use kernel::{
    bindings::{kfree, rcu_access_pointer, rcu_assign_pointer, rcu_dereference, rcu_pointer},
    testing::{expect_bug, expect_report},
};
use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        Barrier,
    },
    thread,
    time::{Duration, Instant},
};

/// Calls `body` inside of a section of some kind.
type Section = fn(body: &dyn Fn());

fn with_read_lock(body: &dyn Fn()) {
    let _guard = rcu::read_lock();
    body();
}

fn without_preemption(body: &dyn Fn()) {
    // SAFETY: `preempt_disable()` has no preconditions.
    unsafe { preempt_disable() };
    body();
    // SAFETY: Disabled above, by this thread.
    unsafe { preempt_enable() };
}

fn without_interrupts(body: &dyn Fn()) {
    // SAFETY: `local_irq_save()` has no preconditions.
    let flags = unsafe { local_irq_save() };
    body();
    // SAFETY: Saved above, by this thread.
    unsafe { local_irq_restore(flags) };
}

fn with_spinlock(body: &dyn Fn()) {
    let mut lock = spinlock::new();
    // SAFETY: The lock is initialised, and released by the thread that holds it.
    unsafe {
        spin_lock(&mut lock);
        body();
        spin_unlock(&mut lock);
    }
}

fn in_an_interrupt_handler(body: &dyn Fn()) {
    #[repr(C)]
    struct Work<'a> {
        work: irq_work,
        body: &'a dyn Fn(),
    }

    /// # Safety
    ///
    /// `work` is that of a [`Work`].
    unsafe extern "C" fn handle(work: *mut irq_work) {
        assert!(kernel::testing::in_hardirq());
        // SAFETY: The first member of a `Work`: the caller's guarantee.
        unsafe { ((*work.cast::<Work<'_>>()).body)() }
    }

    let mut work = std::mem::MaybeUninit::<Work<'_>>::uninit();
    let work = work.as_mut_ptr();
    // SAFETY: The work lives until its handler has returned.
    unsafe {
        (&raw mut (*work).body).write(body);
        let work = &raw mut (*work).work;
        init_irq_work(work, Some(handle));
        irq_work_queue(work);
        irq_work_sync(work);
    }
}

fn in_a_callback(body: &dyn Fn()) {
    #[repr(C)]
    struct Callback<'a> {
        head: callback_head,
        body: &'a dyn Fn(),
    }

    /// # Safety
    ///
    /// `head` is that of a [`Callback`].
    unsafe extern "C" fn callback(head: *mut callback_head) {
        assert!(kernel::testing::in_serving_softirq());
        // SAFETY: The first member of a `Callback`: the caller's guarantee.
        unsafe { ((*head.cast::<Callback<'_>>()).body)() }
    }

    let mut callback_of = Callback { head: HEAD, body };
    // SAFETY: The head is queued once, and lives until it was called.
    unsafe { call_rcu(&raw mut callback_of.head, Some(callback)) };
    rcu::rcu_barrier();
}

const HEAD: callback_head = callback_head {
    next: std::ptr::null_mut(),
    func: None,
};

fn held_up(section: Section, wait: fn()) {
    let (opened, closed) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|s| {
        s.spawn(|| {
            section(&|| {
                opened.wait();
                // Long enough for a grace period that does not wait to be over.
                for _ in 0..1000 {
                    thread::yield_now();
                }
                closed.store(true, SeqCst);
            });
        });
        opened.wait();
        wait();
        assert!(
            closed.load(SeqCst),
            "the grace period ended inside the section"
        );
    });
}

#[test]
fn sections_of_all_kinds_hold_up_grace_periods() {
    if std::env::var("WITHOUT_MEMBARRIER").is_ok() {
        assert!(rcu_without_membarrier());
    }
    let kinds: [(Section, u8); 6] = [
        (with_read_lock, 1),
        (without_preemption, 0),
        (without_interrupts, 0),
        (with_spinlock, 0),
        (in_an_interrupt_handler, 0),
        (in_a_callback, 0),
    ];
    for (section, held) in kinds {
        // SAFETY: `rcu_read_lock_held()` has no preconditions.
        section(&|| assert_eq!(unsafe { rcu_read_lock_held() }, i32::from(held)));
        held_up(section, rcu::synchronize_rcu);
        // SAFETY: `synchronize_rcu_expedited()` has no preconditions.
        held_up(section, || unsafe { synchronize_rcu_expedited() });
    }
}

#[test]
fn sections_hold_up_grace_periods_without_membarrier() {
    let test = "sections_of_all_kinds_hold_up_grace_periods";
    let (passed, printed) = test_alone(test, &[("WITHOUT_MEMBARRIER", "1")]);
    assert!(passed, "{printed}");
    rcu::synchronize_rcu();
    assert!(!rcu_without_membarrier());
}

#[test]
fn cookies_are_polled() {
    // SAFETY: The functions have no preconditions.
    let polls = |cookie| unsafe { poll_state_synchronize_rcu(cookie) };
    // SAFETY: As above.
    let relax = || unsafe { cpu_relax() };
    let body = move || {
        assert!(polls(get_completed_synchronize_rcu()));
        let guard = rcu::read_lock();
        // SAFETY: As above.
        let cookies = unsafe { [get_state_synchronize_rcu(), start_poll_synchronize_rcu()] };
        // Enough for a grace period that waits for no reader to end.
        (0..1000).for_each(|_| relax());
        assert_eq!(cookies.map(polls), [false, false]);
        drop(guard);
        while cookies.map(polls) != [true, true] {
            relax();
        }
    };
    body();
    assert_eq!(vcpu::fifo(body), Ok(()));
    // Of a machine that is alone all grace periods are known.
    let alone = move || {
        // SAFETY: As above; the cookies are valid.
        unsafe {
            let state = get_state_synchronize_rcu();
            let mut full = rcu_gp_seq { norm: 0, exp: 0 };
            get_completed_synchronize_rcu_full(&mut full);
            assert!(poll_state_synchronize_rcu_full(&mut full));
            get_state_synchronize_rcu_full(&mut full);
            (0..1000).for_each(|_| relax());
            assert!(!polls(state) && !poll_state_synchronize_rcu_full(&mut full));
            let before = gp_seq();
            cond_synchronize_rcu(state);
            assert!(polls(state) && poll_state_synchronize_rcu_full(&mut full));
            cond_synchronize_rcu(state);
            assert_eq!(gp_seq(), before + 4);
        }
    };
    assert_eq!(vcpu::fifo(alone), Ok(()));
}

static CALLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_head: *mut callback_head) {
    CALLED.fetch_add(1, SeqCst);
}

#[test]
fn barrier_waits_for_callbacks() {
    let mut heads = [HEAD; 100];
    for head in &mut heads {
        // SAFETY: The heads live until the barrier has returned, and each is queued once.
        unsafe { call_rcu(head, Some(count)) };
    }
    rcu::rcu_barrier();
    assert_eq!(CALLED.load(SeqCst), 100);
}

#[test]
fn barrier_waits_for_a_callback_that_runs() {
    static STAGE: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn slow(_head: *mut callback_head) {
        STAGE.store(1, SeqCst);
        for _ in 0..1000 {
            thread::yield_now();
        }
        STAGE.store(2, SeqCst);
    }
    let head = Box::leak(Box::new(HEAD));
    // SAFETY: The head is leaked.
    unsafe { call_rcu(head, Some(slow)) };
    while STAGE.load(SeqCst) == 0 {
        thread::yield_now();
    }
    rcu::rcu_barrier();
    assert_eq!(STAGE.load(SeqCst), 2, "a callback runs");
}

/// The grace period that was current when this section began.
fn current() -> u64 {
    machine::cpu::with(|cpu| cpu.reader().grace_period())
}

#[test]
fn what_is_queued_during_a_grace_period_waits_for_the_next() {
    static ARRIVED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn arrives(_head: *mut callback_head) {
        ARRIVED.fetch_add(1, SeqCst);
    }
    let [first, second] = [(); 2].map(|()| Box::leak(Box::new(HEAD)));
    let (begun, ends) = (Barrier::new(2), Barrier::new(2));
    let guard = rcu::read_lock();
    let number = current();
    // SAFETY: The head is leaked.
    unsafe { call_rcu(first, Some(arrives)) };
    thread::scope(|s| {
        s.spawn(|| {
            let mut guard = rcu::read_lock();
            // The first one need not wait for a section that begins from here on.
            while current() == number {
                drop(guard);
                thread::yield_now();
                guard = rcu::read_lock();
            }
            begun.wait();
            ends.wait();
            assert!(ARRIVED.load(SeqCst) < 2, "called during a section");
            drop(guard);
        });
        begun.wait();
        // SAFETY: The head is leaked.
        unsafe { call_rcu(second, Some(arrives)) };
        drop(guard);
        // It waits nevertheless if the grace period that has begun is another test's.
        let begin = Instant::now();
        while ARRIVED.load(SeqCst) == 0 && begin.elapsed().as_secs() < 1 {
            thread::yield_now();
        }
        // Long enough for another of the same batch.
        thread::sleep(Duration::from_millis(20));
        ends.wait();
    });
    rcu::rcu_barrier();
    assert_eq!(ARRIVED.load(SeqCst), 2);
}

#[test]
fn a_flood_of_callbacks_waits_where_it_may_sleep() {
    static FLOOD: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn arrives(_head: *mut callback_head) {
        FLOOD.fetch_add(1, SeqCst);
    }
    let heads = std::vec![HEAD; 10_003].leak();
    let (begun, ends, waited) = (Barrier::new(2), Barrier::new(2), AtomicBool::new(false));
    thread::scope(|s| {
        s.spawn(|| {
            let guard = rcu::read_lock();
            begun.wait();
            ends.wait();
            // Long enough for a flood that does not wait to go on.
            for _ in 0..1000 {
                thread::yield_now();
            }
            assert!(
                !waited.load(SeqCst),
                "the flood went on while a section was open"
            );
            drop(guard);
        });
        begun.wait();
        let (last, others) = heads.split_last_mut().unwrap();
        let (next, others) = others.split_last_mut().unwrap();
        // It cannot wait here.
        without_preemption_mut(|| {
            for head in others {
                // SAFETY: The heads live until the barrier has returned, and each is queued once.
                unsafe { call_rcu(head, Some(arrives)) };
            }
        });
        ends.wait();
        // SAFETY: As above. The task is its own, and its timeout wakes it.
        let left = unsafe {
            set_current_state(TASK_UNINTERRUPTIBLE);
            call_rcu(next, Some(arrives));
            schedule_timeout(1)
        };
        assert_eq!(left, 0, "it was about to sleep for something else");
        // SAFETY: As above.
        unsafe { call_rcu(last, Some(arrives)) };
        waited.store(true, SeqCst);
    });
    rcu::rcu_barrier();
    assert_eq!(FLOOD.load(SeqCst), heads.len());
}

fn without_preemption_mut(body: impl FnOnce()) {
    let body = std::cell::Cell::new(Some(body));
    without_preemption(&|| body.take().unwrap()());
}

#[repr(C)]
struct Element {
    value: u64,
    head: callback_head,
}

#[test]
fn memory_that_is_freed_shares_a_grace_period() {
    let done = vcpu::fifo(|| {
        let (blocks, before) = (live_blocks(), gp_seq());
        let element = || {
            // SAFETY: `kmalloc_obj()` has no preconditions.
            let element: *mut Element = unsafe { kmalloc_obj(GFP_KERNEL) };
            assert!(!element.is_null());
            element
        };
        // SAFETY: Each comes from `kmalloc_obj()`, and no other knows it.
        unsafe {
            for _ in 0..1000 {
                kernel::kfree_rcu!(element(), Element, head);
                kfree_rcu_mightsleep(element().cast());
            }
            kvfree_rcu_barrier();
        }
        assert_eq!(gp_seq(), before + 4);
        // Without memory it waits itself.
        let element = element().cast();
        // SAFETY: As above.
        let ((), failed) = fail_nth(1, || unsafe { kfree_rcu_mightsleep(element) });
        assert!(failed);
        assert_eq!(gp_seq(), before + 8);
        live_blocks() - blocks
    });
    assert!(done.is_ok(), "{done:?}");
}

fn gp_seq() -> usize {
    // SAFETY: `rcu_get_gp_seq()` has no preconditions.
    unsafe { rcu_get_gp_seq() }
}

/// What two tasks of a machine do, in the order in which they do it.
static ORDER: std::sync::Mutex<Vec<&str>> = std::sync::Mutex::new(Vec::new());

fn note(what: &'static str) {
    ORDER.lock().unwrap().push(what);
}

fn reader() {
    let guard = rcu::read_lock();
    note("reader in");
    // Lets the updater run, as a preempted reader would.
    // SAFETY: `cpu_relax()` has no preconditions.
    unsafe { cpu_relax() };
    note("reader out");
    drop(guard);
}

#[test]
fn on_a_virtual_cpu_a_grace_period_ends_when_no_task_can_run() {
    let done = vcpu::fifo(|| {
        spawn(reader);
        note("updater waits");
        rcu::synchronize_rcu();
        note("updater done");
    });
    assert_eq!(done, Ok(()));
    let order = ORDER.lock().unwrap();
    assert_eq!(
        *order,
        ["updater waits", "reader in", "reader out", "updater done"]
    );
}

#[repr(C)]
struct Waits {
    head: callback_head,
    function: fn(),
}

/// Calls `function` in a callback, whose end it waits for.
fn wait_in_a_callback(function: fn()) {
    /// # Safety
    ///
    /// `head` is that of a [`Waits`].
    unsafe extern "C" fn wait(head: *mut callback_head) {
        // SAFETY: The head is the first member of a `Waits`: the caller's guarantee.
        let function = unsafe { (*head.cast::<Waits>()).function };
        function();
    }
    let head = HEAD;
    let waits = Box::leak(Box::new(Waits { head, function }));
    // SAFETY: It is leaked, and queued once.
    unsafe { call_rcu(std::ptr::from_mut(waits).cast(), Some(wait)) };
    rcu::rcu_barrier();
}

#[test]
fn a_callback_that_waits_for_itself_is_a_bug() {
    let cases = [
        ("rcu_barrier", rcu::rcu_barrier as fn()),
        ("synchronize_rcu", rcu::synchronize_rcu),
        ("fifo", || {
            assert_eq!(vcpu::fifo(rcu::synchronize_rcu), Ok(()))
        }),
        ("explore", || explore(rcu::synchronize_rcu)),
    ];
    for (name, function) in cases {
        let message = match name {
            "fifo" | "explore" => {
                "a machine is run inside a section or a handler, which it would wait for".into()
            }
            _ if cfg!(feature = "debug") => {
                format!("{name}() in an RCU callback queued at rust-kernel-shim/tests/rcu.rs:")
            }
            _ => format!("{name}() in an RCU callback, whose end it would wait for"),
        };
        // Of threads that run freely it ends the process: one of its own.
        if std::env::var("WAITS").is_ok_and(|waits| waits == name) {
            wait_in_a_callback(function);
        }
        match vcpu::fifo(move || wait_in_a_callback(function)) {
            Err(vcpu::Stuck::Bug(said)) => assert!(said.contains(&message), "{said}"),
            end => panic!("{end:?}"),
        }
        let test = "a_callback_that_waits_for_itself_is_a_bug";
        let (passed, printed) = test_alone(test, &[("WAITS", name)]);
        assert!(!passed && printed.contains(&message), "{name}: {printed}");
    }
}

/// Run by the next test, in a process of its own: the timeout is that of all machines.
#[cfg(feature = "debug")]
#[test]
#[ignore = "has a stall timeout of its own: run by a_section_that_holds_up_a_grace_period_is_named()"]
fn stalls() {
    use kernel::testing::{console, memory::set_rcu_stall_timeout};

    let before = set_rcu_stall_timeout(1_000_000);
    assert_eq!(set_rcu_stall_timeout(1_000_000), 1_000_000);
    // Time stands still in a machine that waits for a thread of the host, but its patience does not.
    let in_a_machine = || assert_eq!(vcpu::fifo(rcu::synchronize_rcu), Ok(()));
    for wait in [rcu::synchronize_rcu, in_a_machine] {
        let guard = rcu::read_lock();
        let entered = format!(
            "section entered at {}:{} by task stalls/",
            file!(),
            line!() - 4
        );
        let before = console::said(&entered);
        thread::scope(|s| {
            s.spawn(|| expect_bug("holds up a grace period for ", wait));
            while console::said(&entered) == before {
                thread::yield_now();
            }
            drop(guard);
        });
    }
    set_rcu_stall_timeout(before);
}

#[cfg(feature = "debug")]
#[test]
fn a_section_that_holds_up_a_grace_period_is_named() {
    let (passed, printed) = test_alone("stalls", &[]);
    assert!(passed, "{printed}");
}

#[cfg(feature = "debug")]
#[test]
fn a_head_that_is_queued_twice_is_reported() {
    static TWICE: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn counts(_head: *mut callback_head) {
        TWICE.fetch_add(1, SeqCst);
    }
    let done = vcpu::fifo(|| {
        let head = &raw mut *Box::leak(Box::new(HEAD));
        let line = line!() + 2;
        // SAFETY: It is leaked. A debug kernel does not queue it a second time.
        unsafe { call_rcu(head, Some(counts)) };
        let file = file!();
        let again = format!(
            "call_rcu(): Double-freed CB: queued again at {file}:{}\n",
            line + 8
        );
        let said = format!("{again}  queued first at {file}:{line}\n");
        // SAFETY: As above.
        expect_bug(&said, || unsafe { call_rcu(head, Some(counts)) });
        rcu::rcu_barrier();
        assert_eq!(TWICE.load(SeqCst), 1);
        // Now it may be.
        // SAFETY: As above.
        unsafe { call_rcu(head, Some(counts)) };
    });
    assert_eq!(done, Ok(()));
    assert_eq!(TWICE.load(SeqCst), 2);
}

/// Modules that leave callbacks behind, or wait for them.
#[cfg(feature = "debug")]
mod modules {
    use super::*;
    use kernel::prelude::*;

    struct Leaves;

    impl kernel::Module for Leaves {
        fn init(_module: &'static ThisModule) -> Result<Self> {
            Ok(Self)
        }
    }

    module! {
        type: Leaves,
        name: "leaves",
        authors: ["one"],
        description: "Has a callback queued",
        license: "GPL",
    }

    static WAITS: AtomicBool = AtomicBool::new(false);

    impl Drop for Leaves {
        fn drop(&mut self) {
            let head = std::boxed::Box::leak(std::boxed::Box::new(HEAD));
            // SAFETY: It is leaked.
            unsafe { call_rcu(head, Some(count)) };
            if WAITS.load(SeqCst) {
                rcu::rcu_barrier();
            }
        }
    }

    #[test]
    fn a_callback_left_at_the_exit_of_a_module_is_reported() {
        let unload = || drop(kernel::testing::insmod::<Leaves>().unwrap());
        expect_report("nothing-after-remove", unload);
        WAITS.store(true, SeqCst);
        assert_eq!(vcpu::fifo(unload), Ok(()));
    }
}

#[cfg(feature = "debug")]
#[test]
fn a_head_that_is_freed_while_it_is_queued_is_reported() {
    extern "C" fn ignored(_head: *mut callback_head) {}
    expect_report("active-object-freed", || {
        // SAFETY: `kmalloc_obj()` has no preconditions. A debug kernel keeps what is freed too early.
        unsafe {
            let element: *mut Element = kmalloc_obj(GFP_KERNEL);
            call_rcu(&raw mut (*element).head, Some(ignored));
            kfree(element.cast());
        }
    });
}

#[cfg(feature = "debug")]
#[test]
fn a_pointer_is_read_inside_a_section() {
    let (mut value, pointer) = (7, rcu_pointer::new(std::ptr::null_mut()));
    rcu_assign_pointer(&pointer, &mut value);
    let guard = rcu::read_lock();
    assert_eq!(rcu_dereference(&pointer), &raw mut value);
    drop(guard);
    assert_eq!(rcu_access_pointer(&pointer), &raw mut value);
    let said = "suspicious rcu_dereference() usage";
    expect_bug(said, || _ = rcu_dereference(&pointer));
}

#[cfg(feature = "debug")]
#[test]
#[ignore = "leaves a callback behind: run by callbacks_left_at_exit_are_printed()"]
fn leaves_a_callback_behind() {
    core::mem::forget(rcu::read_lock());
    let head = Box::leak(Box::new(HEAD));
    // SAFETY: It is leaked.
    unsafe { call_rcu(head, Some(count)) };
}

#[cfg(feature = "debug")]
const LEFT: u32 = line!() - 4;

#[cfg(feature = "debug")]
#[test]
fn callbacks_left_at_exit_are_printed() {
    let (passed, printed) = test_alone("leaves_a_callback_behind", &[]);
    assert!(passed);
    let file = file!();
    let words = format!("RCU callbacks left behind at exit:\n  1 queued at {file}:{LEFT}\n");
    let printed = printed.trim_end();
    assert!(printed.ends_with(words.trim_end()), "{printed}");
}
