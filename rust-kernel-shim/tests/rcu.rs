// SPDX-License-Identifier: GPL-2.0-only
//! RCU as a user sees it, with free threads and on a virtual CPU.

use kernel::{
    bindings::{
        call_rcu, callback_head, cpu_relax, kthread_create, local_irq_restore, local_irq_save,
        preempt_disable, preempt_enable, rcu_read_lock_held, wake_up_process,
    },
    error::from_err_ptr,
    ffi::c_void,
    str::CStrExt as _,
    sync::rcu,
    testing::vcpu,
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
    // SAFETY: Nothing is asked for.
    unsafe { preempt_disable() };
    body();
    // SAFETY: Disabled above, by this thread.
    unsafe { preempt_enable() };
}

fn without_interrupts(body: &dyn Fn()) {
    // SAFETY: Nothing is asked for.
    let flags = unsafe { local_irq_save() };
    body();
    // SAFETY: Saved above, by this thread.
    unsafe { local_irq_restore(flags) };
}

fn held_up_by(section: Section) {
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
        rcu::synchronize_rcu();
        assert!(
            closed.load(SeqCst),
            "the grace period ended inside the section"
        );
    });
}

#[test]
fn readers_hold_up_grace_periods() {
    held_up_by(with_read_lock);
}

#[test]
fn sections_without_preemption_hold_up_grace_periods() {
    held_up_by(without_preemption);
}

#[test]
fn sections_without_interrupts_hold_up_grace_periods() {
    held_up_by(without_interrupts);
}

#[test]
fn only_read_lock_counts_as_held() {
    // SAFETY: Nothing is asked for.
    let held = || unsafe { rcu_read_lock_held() };
    assert_eq!(held(), 0);
    without_preemption(&|| {
        assert_eq!(held(), 0);
        with_read_lock(&|| assert_eq!(held(), 1));
    });
    assert_eq!(held(), 0);
}

static CALLED: AtomicUsize = AtomicUsize::new(0);

/// # Safety
///
/// None; the type of a callback asks for it.
unsafe extern "C" fn count(_head: *mut callback_head) {
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

/// # Safety
///
/// None; it is a thread's function.
unsafe extern "C" fn reader(_data: *mut c_void) -> i32 {
    let guard = rcu::read_lock();
    note("reader in");
    // Lets the updater run, as a preempted reader would.
    // SAFETY: Nothing is asked for.
    unsafe { cpu_relax() };
    note("reader out");
    drop(guard);
    0
}

#[test]
fn on_a_virtual_cpu_a_grace_period_ends_when_nobody_can_run() {
    let done = vcpu::fifo(|| {
        // SAFETY: `reader` asks for nothing.
        let task =
            unsafe { kthread_create(reader, core::ptr::null_mut(), c"reader".as_char_ptr()) };
        let task = from_err_ptr(task).unwrap();
        // SAFETY: A thread that has not been woken is there.
        unsafe { wake_up_process(task) };
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

/// Waits for itself, if it were let.
///
/// # Safety
///
/// `head` is that of a [`Waits`].
unsafe extern "C" fn waits(head: *mut callback_head) {
    // SAFETY: By the safety requirements; it is the first member.
    let function = unsafe { *head.cast::<Waits>() }.function;
    function();
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Waits {
    head: callback_head,
    function: fn(),
}

/// A program of its own: a BUG in a callback ends it, if that runs freely.
#[test]
#[ignore = "run by the test below"]
fn callback_that_waits() {
    let (on_a_virtual_cpu, function) = match std::env::var("CALLBACK_WAITS").as_deref() {
        Ok("barrier") => (false, rcu::rcu_barrier as fn()),
        Ok("barrier-vcpu") => (true, rcu::rcu_barrier as fn()),
        Ok("grace-period") => (false, rcu::synchronize_rcu as fn()),
        Ok("grace-period-vcpu") => (true, rcu::synchronize_rcu as fn()),
        other => panic!("{other:?}"),
    };
    let queue = move || {
        let head = callback_head {
            next: std::ptr::null_mut(),
            func: None,
        };
        let waits_too = Box::leak(Box::new(Waits { head, function }));
        // SAFETY: It is leaked, and queued once.
        unsafe { call_rcu(std::ptr::from_mut(waits_too).cast(), Some(waits)) };
        rcu::rcu_barrier();
    };
    if on_a_virtual_cpu {
        let end = vcpu::fifo(queue);
        assert!(matches!(end, Err(vcpu::Stuck::Bug(_))), "{end:?}");
        eprintln!("the machine has ended");
        std::process::exit(1);
    } else {
        queue();
    }
}

#[test]
fn a_callback_that_waits_for_itself_is_a_bug() {
    for (case, function) in [
        ("barrier", "rcu_barrier"),
        ("barrier-vcpu", "rcu_barrier"),
        ("grace-period", "synchronize_rcu"),
        ("grace-period-vcpu", "synchronize_rcu"),
    ] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "callback_that_waits", "--ignored", "--nocapture"])
            .env("CALLBACK_WAITS", case)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{case}: {err}");
        let message = format!("{function}() in an RCU callback, whose end it would wait for");
        assert!(err.contains(&message), "{case}: {err}");
        assert_eq!(
            err.contains("the machine has ended"),
            case.ends_with("-vcpu")
        );
    }
}

#[cfg(feature = "debug")]
#[test]
fn whoever_holds_up_a_grace_period_is_named() {
    use kernel::testing::{console, memory::set_rcu_stall_timeout};

    let before = set_rcu_stall_timeout(1_000_000);
    let guard = rcu::read_lock();
    let entered = format!("section entered at {}:{}", file!(), line!() - 1);
    let said = || {
        let mut said = false;
        console::for_each_line(|line| said |= line.contains(&entered));
        said
    };
    thread::scope(|s| {
        s.spawn(rcu::synchronize_rcu);
        while !said() {
            thread::yield_now();
        }
        drop(guard);
    });
    set_rcu_stall_timeout(before);
}
