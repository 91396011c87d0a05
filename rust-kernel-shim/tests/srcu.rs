// SPDX-License-Identifier: GPL-2.0-only
//! Sleepable RCU as a user sees it, with free threads and on a virtual CPU.

use kernel::{
    bindings::{
        call_srcu, callback_head, cleanup_srcu_struct, get_completed_synchronize_srcu,
        get_state_synchronize_srcu, init_srcu_struct, poll_state_synchronize_srcu, srcu_barrier,
        srcu_batches_completed, srcu_down_read, srcu_readers_active, srcu_struct, srcu_up_read,
        start_poll_synchronize_srcu, synchronize_srcu,
    },
    prelude::*,
    sync::{new_srcu, Arc, Completion, Srcu},
    testing::{
        memory::fail_nth,
        spawn,
        vcpu::{fifo, settle},
        Explorer,
    },
};
use std::{
    boxed::Box,
    cell::UnsafeCell,
    mem::{forget, ManuallyDrop, MaybeUninit},
    ptr::{addr_of_mut, null_mut},
    sync::{
        atomic::{
            AtomicBool, AtomicPtr, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
        },
        Barrier, Mutex,
    },
    thread,
    vec::Vec,
};

fn domain() -> Arc<Srcu> {
    Arc::pin_init(new_srcu!(), GFP_KERNEL).unwrap()
}

/// A domain as C has it.
struct Domain(Box<UnsafeCell<MaybeUninit<srcu_struct>>>);

// SAFETY: The domain synchronises what its functions do.
unsafe impl Send for Domain {}
// SAFETY: As for `Send`.
unsafe impl Sync for Domain {}

impl Domain {
    fn new() -> Self {
        let domain = Self(Box::new(UnsafeCell::new(MaybeUninit::uninit())));
        // SAFETY: The memory is the domain's.
        assert_eq!(unsafe { init_srcu_struct(domain.as_raw()) }, 0);
        domain
    }

    fn as_raw(&self) -> *mut srcu_struct {
        self.0.get().cast()
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: Initialised by `new`, and not used any more.
        unsafe {
            srcu_barrier(self.as_raw());
            cleanup_srcu_struct(self.as_raw());
        }
    }
}

#[test]
fn a_sleeping_reader_holds_up_the_grace_periods_of_its_domain() {
    for synchronize in [Srcu::synchronize, Srcu::synchronize_expedited] {
        let (domain, other) = (domain(), domain());
        let (begun, ends, ended) = (Barrier::new(2), Barrier::new(2), AtomicBool::new(false));
        thread::scope(|s| {
            s.spawn(|| {
                let outer = domain.read_lock();
                let inner = domain.read_lock();
                begun.wait();
                // It sleeps here.
                ends.wait();
                inner.unlock();
                for _ in 0..1000 {
                    thread::yield_now();
                }
                ended.store(true, SeqCst);
                outer.unlock();
            });
            begun.wait();
            synchronize(&other);
            ends.wait();
            synchronize(&domain);
            assert!(
                ended.load(SeqCst),
                "the grace period ended inside the section"
            );
        });
    }
}

/// What tasks of a machine do, in the order in which they do it.
static ORDER: Mutex<Vec<&str>> = Mutex::new(Vec::new());

#[test]
fn on_a_virtual_cpu_a_grace_period_ends_when_its_readers_have() {
    let note = |what| ORDER.lock().unwrap().push(what);
    let done = fifo(move || {
        let domain = domain();
        let wakes = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
        let (reads, woken) = (domain.clone(), wakes.clone());
        spawn(move || {
            let _guard = reads.read_lock();
            note("reader sleeps");
            woken.wait_for_completion();
            note("reader wakes");
        });
        let (updates, other) = (domain.clone(), new_domain());
        spawn(move || {
            updates.synchronize();
            note("updater done");
        });
        settle();
        other.synchronize();
        note("other domain's updater done");
        wakes.complete_all();
    });
    assert_eq!(done, Ok(()));
    assert_eq!(
        *ORDER.lock().unwrap(),
        [
            "reader sleeps",
            "other domain's updater done",
            "reader wakes",
            "updater done"
        ]
    );
}

fn new_domain() -> Arc<Srcu> {
    domain()
}

#[test]
fn a_section_ends_in_another_task() {
    let domain = Domain::new();
    // SAFETY: The domain is initialised, and each section ended once.
    unsafe {
        let first = srcu_down_read(domain.as_raw());
        assert!(srcu_readers_active(domain.as_raw()));
        thread::scope(|s| {
            s.spawn(|| srcu_up_read(domain.as_raw(), first));
        });
        assert!(!srcu_readers_active(domain.as_raw()));
        synchronize_srcu(domain.as_raw());
    }
}

#[repr(C)]
struct Counts {
    head: callback_head,
    called: *const AtomicUsize,
}

/// # Safety
///
/// `head` is that of a [`Counts`].
unsafe extern "C" fn count(head: *mut callback_head) {
    // SAFETY: The head is the first member of a `Counts`, which is a box of its own.
    let counts = unsafe { Box::from_raw(head.cast::<Counts>()) };
    // SAFETY: The counter outlives the callback: its owner waits.
    unsafe { &*counts.called }.fetch_add(1, SeqCst);
}

fn call(domain: &Domain, called: &AtomicUsize) {
    let head = callback_head {
        next: null_mut(),
        func: None,
    };
    let counts = Box::leak(Box::new(Counts { head, called }));
    // SAFETY: The head is queued once, and leaked.
    unsafe { call_srcu(domain.as_raw(), addr_of_mut!(counts.head), Some(count)) };
}

/// The line of that.
#[cfg(feature = "debug")]
const CALL: u32 = line!() - 5;

#[test]
fn a_barrier_waits_for_callbacks() {
    let body = || {
        let (domain, called) = (Domain::new(), AtomicUsize::new(0));
        for round in 1..=3 {
            for _ in 0..100 {
                call(&domain, &called);
            }
            // SAFETY: The domain is initialised.
            unsafe { srcu_barrier(domain.as_raw()) };
            assert_eq!(called.load(SeqCst), round * 100);
        }
        // SAFETY: The domain is initialised.
        unsafe { srcu_batches_completed(domain.as_raw()) }
    };
    body();
    // All that is queued before tasks can no longer run is one batch.
    assert_eq!(fifo(body), Ok(3));
}

#[test]
fn cookies_are_polled() {
    let body = || {
        let domain = Domain::new();
        let ssp = domain.as_raw();
        // SAFETY: The domain is initialised.
        unsafe {
            assert!(poll_state_synchronize_srcu(
                ssp,
                get_completed_synchronize_srcu()
            ));
            let index = srcu_down_read(ssp);
            let (state, started) = (
                get_state_synchronize_srcu(ssp),
                start_poll_synchronize_srcu(ssp),
            );
            let polls = || [state, started].map(|cookie| poll_state_synchronize_srcu(ssp, cookie));
            assert_eq!(polls(), [false, false]);
            // Enough for a grace period that waits for no reader to end.
            for _ in 0..1000 {
                kernel::bindings::cpu_relax();
            }
            assert_eq!(polls(), [false, false]);
            srcu_up_read(ssp, index);
            while polls() != [true, true] {
                kernel::bindings::cpu_relax();
            }
            // No grace period begins for one that only looks.
            let state = get_state_synchronize_srcu(ssp);
            for _ in 0..1000 {
                kernel::bindings::cpu_relax();
            }
            assert!(!poll_state_synchronize_srcu(ssp, state));
            synchronize_srcu(ssp);
            assert!(poll_state_synchronize_srcu(ssp, state));
        }
    };
    body();
    assert_eq!(fifo(body), Ok(()));
}

#[test]
fn initialising_may_fail() {
    let init = || Arc::pin_init(new_srcu!("fails"), GFP_KERNEL).map(|_| ());
    assert_eq!(fail_nth(2, init), (Err(ENOMEM), true));
    assert_eq!(fail_nth(3, init), (Ok(()), false));
}

#[test]
fn readers_find_what_is_published_under_any_schedule() {
    struct Shared {
        domain: Arc<Srcu>,
        current: AtomicPtr<AtomicUsize>,
    }
    const FREED: usize = 7;
    let element = || Box::into_raw(Box::new(AtomicUsize::new(0)));
    let explored = Explorer::new().schedules(300).run(move || {
        let shared = std::sync::Arc::new(Shared {
            domain: domain(),
            current: AtomicPtr::new(element()),
        });
        for _ in 0..2 {
            let shared = shared.clone();
            spawn(move || {
                for _ in 0..3 {
                    let guard = shared.domain.read_lock();
                    // SAFETY: Never null, and never freed while the test runs.
                    let found = unsafe { &*shared.current.load(Acquire) };
                    kernel::time::delay::fsleep(kernel::time::Delta::from_millis(1));
                    assert_eq!(found.load(Relaxed), 0, "freed in a section");
                    guard.unlock();
                }
            });
        }
        let mut old = Vec::new();
        for _ in 0..3 {
            let replaced = shared.current.swap(element(), Release);
            shared.domain.synchronize();
            // SAFETY: As above.
            unsafe { &*replaced }.store(FREED, Relaxed);
            old.push(replaced as usize);
        }
        // Kept until the machine ends, but for the marks.
        forget(old);
    });
    assert!(explored.is_ok(), "{explored:?}");
}

#[test]
fn a_callback_that_runs_is_waited_for() {
    static STAGE: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn slow(_head: *mut callback_head) {
        STAGE.store(1, SeqCst);
        for _ in 0..1000 {
            thread::yield_now();
        }
        STAGE.store(2, SeqCst);
    }
    // A cleanup does so, too, for the last access of the thread that has called it.
    for cleans_up in [false, true] {
        let domain = ManuallyDrop::new(Domain::new());
        STAGE.store(0, SeqCst);
        let (next, func) = (null_mut(), None);
        let head = Box::leak(Box::new(callback_head { next, func }));
        // SAFETY: The domain is initialised, and the head leaked.
        unsafe { call_srcu(domain.as_raw(), head, Some(slow)) };
        while STAGE.load(SeqCst) == 0 {
            thread::yield_now();
        }
        // SAFETY: As above; it is not used after it was cleaned up.
        unsafe {
            match cleans_up {
                false => srcu_barrier(domain.as_raw()),
                true => cleanup_srcu_struct(domain.as_raw()),
            }
        }
        assert_eq!(STAGE.load(SeqCst), 2, "a callback runs");
        if !cleans_up {
            drop(ManuallyDrop::into_inner(domain));
        }
    }
}

#[test]
fn an_exit_waits_for_callbacks_under_any_schedule() {
    struct Module {
        domain: Domain,
        called: &'static AtomicUsize,
    }
    impl Drop for Module {
        fn drop(&mut self) {
            // SAFETY: The domain is initialised.
            unsafe { srcu_barrier(self.domain.as_raw()) };
            assert_eq!(self.called.load(SeqCst), 4, "callbacks that were called");
        }
    }
    let explored = Explorer::new().schedules(200).run(|| {
        let module = std::sync::Arc::new(Module {
            domain: Domain::new(),
            called: Box::leak(Box::new(AtomicUsize::new(0))),
        });
        for _ in 0..2 {
            let module = module.clone();
            spawn(move || {
                // SAFETY: The domain is initialised, and the section is ended.
                unsafe {
                    let index = srcu_down_read(module.domain.as_raw());
                    call(&module.domain, module.called);
                    srcu_up_read(module.domain.as_raw(), index);
                }
                call(&module.domain, module.called);
            });
        }
    });
    assert!(explored.is_ok(), "{explored:?}");
}

#[cfg(feature = "debug")]
mod debug {
    use super::*;
    use kernel::{
        bindings::{srcu_read_lock, srcu_read_lock_held, srcu_read_unlock},
        testing::{
            console, expect_bug, memory::set_rcu_stall_timeout, report::reports_of, test_alone,
        },
    };

    #[test]
    fn a_section_is_held_by_its_task() {
        let (domain, other) = (Domain::new(), Domain::new());
        // SAFETY: The domains are initialised.
        let held = |domain: &Domain| unsafe { srcu_read_lock_held(domain.as_raw()) } != 0;
        assert!(!held(&domain));
        // SAFETY: The domain is initialised, and each section ended.
        unsafe {
            // More than there are places for.
            let sections = [(); 10].map(|()| srcu_read_lock(domain.as_raw()));
            assert!(held(&domain));
            thread::scope(|s| {
                s.spawn(|| assert!(!held(&domain)));
            });
            for index in sections {
                srcu_read_unlock(domain.as_raw(), index);
            }
            assert!(!held(&domain));
            let index = srcu_read_lock(domain.as_raw());
            assert!(held(&domain) && !held(&other));
            srcu_read_unlock(domain.as_raw(), index);
        }
    }

    /// Cleans up a domain that is in use, and so is leaked.
    ///
    /// # Safety
    ///
    /// It is initialised.
    #[track_caller]
    unsafe fn leak(domain: Domain, said: &str) {
        let domain = ManuallyDrop::new(domain);
        // SAFETY: It is initialised: the caller's guarantee.
        expect_bug(said, || unsafe { cleanup_srcu_struct(domain.as_raw()) });
    }

    #[test]
    fn cleaning_up_too_early_is_said() {
        static CALLED: AtomicUsize = AtomicUsize::new(0);
        let active = || {
            let domain = Domain::new();
            // SAFETY: The domain is initialised. Its section is never ended.
            unsafe { srcu_read_lock(domain.as_raw()) };
            let entered = format!(
                "readers, a read-side section entered at {}:{}",
                file!(),
                line!() - 4
            );
            // SAFETY: As above.
            unsafe { leak(domain, &entered) };
        };
        let queued = || {
            let domain = Domain::new();
            call(&domain, &CALLED);
            // SAFETY: The domain is initialised.
            unsafe { leak(domain, "queued.load(Relaxed) != 0") };
        };
        let polled = || {
            let domain = Domain::new();
            // SAFETY: The domain is initialised.
            unsafe {
                start_poll_synchronize_srcu(domain.as_raw());
                leak(domain, "needed.load(Relaxed)");
            }
        };
        // What it allocated is left behind, which is said as well; but first that a section is open.
        let left = "1 blocks of memory were left behind, see above";
        let open = match cfg!(any(loom, tsan)) {
            true => left,
            false => "the rule `lock-context` was broken, see above",
        };
        let bodies: [(fn(), _); 3] = [(active, open), (queued, left), (polled, left)];
        for (body, said) in bodies {
            let end = std::panic::catch_unwind(|| fifo(body));
            let end = end.unwrap_err().downcast::<std::string::String>().unwrap();
            assert_eq!(*end, said);
        }
        assert_eq!(CALLED.load(SeqCst), 1);
    }

    #[test]
    fn callbacks_that_a_reader_keeps_from_being_called_are_printed() {
        static NEVER: AtomicUsize = AtomicUsize::new(0);
        let end = std::panic::catch_unwind(|| {
            fifo(|| {
                let domain = ManuallyDrop::new(Domain::new());
                // SAFETY: The domain is initialised, and leaked.
                unsafe { srcu_down_read(domain.as_raw()) };
                call(&domain, &NEVER);
            })
        });
        assert!(end.is_err(), "what the domain has allocated is left behind");
        assert_eq!(NEVER.load(SeqCst), 0);
        assert_eq!(console::said("RCU callbacks left behind:"), 1);
        let queued = format!("1 queued at {}:{CALL}", file!());
        assert_eq!(console::said(&queued), 1);
    }

    #[test]
    fn sections_that_do_not_match_are_said() {
        let domain = Domain::new();
        let ssp = domain.as_raw();
        // SAFETY: The domain is initialised; what was not begun is not ended: the counts agree in the
        // end.
        unsafe {
            let index = srcu_down_read(ssp);
            expect_bug("srcu_read_unlock() without srcu_read_lock()", || {
                srcu_read_unlock(ssp, index)
            });
            let index = srcu_read_lock(ssp);
            expect_bug("[idx & !1 != 0]", || srcu_up_read(ssp, index | 2));
            srcu_read_unlock(ssp, index);
        }
    }

    #[test]
    fn a_wait_for_ones_own_section_is_said() {
        let (reports, end) = reports_of(|| {
            let domain = domain();
            let guard = domain.read_lock();
            domain.synchronize();
            drop(guard);
        });
        let entered = format!("at: {}:{}", file!(), line!() - 4);
        let [report] = &reports[..] else {
            panic!("{reports:?}");
        };
        assert!(report.text.contains(&entered), "{report:?}");
        let end = end.expect_err("it waits for itself").to_string();
        assert!(end.contains("though it has that itself"), "{end}");
        assert!(
            end.contains("holds srcu `rust-kernel-shim/tests/srcu.rs:"),
            "{end}"
        );
    }

    #[test]
    fn a_forgotten_guard_keeps_its_domain() {
        let end = fifo(|| {
            let domain = domain();
            forget(domain.read_lock());
            expect_bug("srcu_readers_active", || drop(domain));
        });
        assert!(end.is_err());
    }

    /// Run by the next test, in a process of its own: the timeout is that of all machines.
    #[test]
    #[ignore = "has a stall timeout of its own: run by a_reader_that_holds_up_a_grace_period_is_named()"]
    fn stalls() {
        set_rcu_stall_timeout(1_000_000);
        let domain = domain();
        let guard = domain.read_lock();
        let entered = format!(
            "srcu: INFO: stall: a read-side section entered at {}:{} by task debug::stalls/",
            file!(),
            line!() - 4
        );
        thread::scope(|s| {
            s.spawn(|| expect_bug("holds up a grace period for ", || domain.synchronize()));
            while console::said(&entered) == 0 {
                thread::yield_now();
            }
            drop(guard);
        });
    }

    #[test]
    fn a_reader_that_holds_up_a_grace_period_is_named() {
        let (passed, printed) = test_alone("debug::stalls", &[]);
        assert!(passed, "{printed}");
    }
}
