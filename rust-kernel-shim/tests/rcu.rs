// SPDX-License-Identifier: GPL-2.0-only
//! RCU as a user sees it, with free threads and on a virtual CPU.

use kernel::{
    bindings::{
        call_rcu, callback_head, cond_synchronize_rcu, cpu_relax, get_completed_synchronize_rcu,
        get_completed_synchronize_rcu_full, get_state_synchronize_rcu,
        get_state_synchronize_rcu_full, local_irq_restore, local_irq_save,
        poll_state_synchronize_rcu, poll_state_synchronize_rcu_full, preempt_disable,
        preempt_enable, rcu_get_gp_seq, rcu_gp_seq, rcu_read_lock_held, start_poll_synchronize_rcu,
        synchronize_rcu_expedited,
    },
    sync::rcu,
    testing::{explore, spawn, test_alone, vcpu},
};
use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        Barrier,
    },
    thread,
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
    for section in [with_read_lock, without_preemption, without_interrupts] {
        held_up(section, rcu::synchronize_rcu);
        // SAFETY: `synchronize_rcu_expedited()` has no preconditions.
        held_up(section, || unsafe { synchronize_rcu_expedited() });
    }
}

#[test]
fn only_read_lock_counts_as_held() {
    // SAFETY: `rcu_read_lock_held()` has no preconditions.
    let held = || unsafe { rcu_read_lock_held() };
    assert_eq!(held(), 0);
    without_preemption(&|| {
        assert_eq!(held(), 0);
        with_read_lock(&|| assert_eq!(held(), 1));
    });
    assert_eq!(held(), 0);
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
            let before = rcu_get_gp_seq();
            cond_synchronize_rcu(state);
            assert!(polls(state) && poll_state_synchronize_rcu_full(&mut full));
            cond_synchronize_rcu(state);
            assert_eq!(rcu_get_gp_seq(), before + 4);
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
    let mut heads = [callback_head {
        next: core::ptr::null_mut(),
        func: None,
    }; 100];
    for head in &mut heads {
        // SAFETY: The heads live until the barrier has returned, and each is queued once.
        unsafe { call_rcu(head, Some(count)) };
    }
    rcu::rcu_barrier();
    assert_eq!(CALLED.load(SeqCst), 100);
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
    let head = callback_head {
        next: std::ptr::null_mut(),
        func: None,
    };
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
    use kernel::testing::{console, expect_bug, memory::set_rcu_stall_timeout};

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
