// SPDX-License-Identifier: GPL-2.0-only
//! What a module has started and left: each kind is reported once, with the place where it was
//! started, at the unloading or when the module's device has gone.

#![cfg(all(feature = "debug", not(any(loom, tsan))))]

use core::{
    mem::MaybeUninit,
    ptr::{null, null_mut},
};
use kernel::{
    bindings::{
        self, call_rcu, callback_head, debugobjects::ModuleText, jiffies, kmalloc_obj, mod_timer,
        timer_delete_sync, timer_init_key, timer_list,
    },
    ffi::{c_int, c_void},
    impl_has_delayed_work, impl_has_hr_timer, impl_has_work, kfree_rcu, new_delayed_work,
    new_mutex, new_work,
    prelude::*,
    sync::{Arc, ArcBorrow, Completion, Mutex},
    testing::{device_gone, insmod, memory::rcu_barrier, report::reports_of, vcpu},
    time::{
        delay::fsleep,
        hrtimer::{
            HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer, HrTimerRestart,
            RelativeMode,
        },
        Delta, Monotonic,
    },
    workqueue::{self, DelayedWork, Work, WorkItem},
};
use std::{boxed::Box, thread};

struct Driver;

impl kernel::Module for Driver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

module! {
    type: Driver,
    name: "driver",
    license: "GPL",
}

#[pin_data]
struct Ring {
    #[pin]
    work: Work<Ring, 1>,
    #[pin]
    later: DelayedWork<Ring, 2>,
    #[pin]
    timer: HrTimer<Self>,
    /// What the work function sleeps for.
    #[pin]
    lock: Mutex<()>,
    #[pin]
    done: Completion,
}

impl_has_work! {
    impl HasWork<Self, 1> for Ring { self.work }
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self, 2> for Ring { self.later }
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Ring { mode: RelativeMode<Monotonic>, field: self.timer }
}

impl WorkItem<1> for Ring {
    type Pointer = Arc<Ring>;

    fn run(this: Arc<Ring>) {
        drop(this.lock.lock());
        this.done.complete_all();
    }
}

impl WorkItem<2> for Ring {
    type Pointer = Arc<Ring>;

    fn run(this: Arc<Ring>) {
        <Self as WorkItem<1>>::run(this);
    }
}

impl HrTimerCallback for Ring {
    type Pointer<'a> = Arc<Ring>;

    fn run(_: ArcBorrow<'_, Ring>, _: HrTimerCallbackContext<'_, Ring>) -> HrTimerRestart {
        HrTimerRestart::NoRestart
    }
}

fn ring() -> Arc<Ring> {
    let ring = pin_init!(Ring {
        work <- new_work!("Ring::work"),
        later <- new_delayed_work!("Ring::later"),
        timer <- HrTimer::new(),
        lock <- new_mutex!((), "Ring::lock"),
        done <- Completion::new(),
    });
    Arc::pin_init(ring, GFP_KERNEL).unwrap()
}

/// # Safety
///
/// It has no preconditions.
unsafe extern "C" fn handled(_: c_int, _: *mut c_void) -> bindings::irqreturn_t {
    bindings::irqreturn_IRQ_HANDLED
}

fn handler() -> End {
    let line = bindings::debug_irq_line();
    // SAFETY: The line goes when the handler has. The function has no preconditions.
    let irq = unsafe {
        let irq = bindings::debug_irq_number(line);
        let name = c"ring".as_char_ptr();
        assert_eq!(
            bindings::request_irq(irq, Some(handled), 0, name, null_mut()),
            0
        );
        irq
    };
    Box::new(move || {
        // SAFETY: As above.
        unsafe {
            bindings::free_irq(irq, null_mut());
            bindings::debug_irq_line_goes(line);
        }
    })
}

type End = Box<dyn FnOnce()>;

/// Something that is started, and what ends it and waits for that.
type Start = fn() -> End;

fn queued() -> End {
    let ring = ring();
    let _ = workqueue::system().enqueue::<_, 1>(ring.clone());
    Box::new(move || ring.done.wait_for_completion())
}

/// A work function that sleeps for a lock, which the caller has.
fn asleep(queue: fn(Arc<Ring>)) -> End {
    let ring = ring();
    let taken = ring.clone();
    let guard = Box::leak(Box::new(taken)).lock.lock();
    queue(ring.clone());
    fsleep(Delta::from_millis(100));
    Box::new(move || {
        drop(guard);
        ring.done.wait_for_completion();
    })
}

fn work_asleep() -> End {
    asleep(|ring| drop(workqueue::system().enqueue::<_, 1>(ring)))
}

fn delayed_asleep() -> End {
    asleep(|ring| drop(workqueue::system().enqueue_delayed::<_, 2>(ring, 1)))
}

fn delayed() -> End {
    let ring = ring();
    let _ = workqueue::system().enqueue_delayed::<_, 2>(ring.clone(), 8);
    Box::new(move || ring.done.wait_for_completion())
}

fn hrtimer() -> End {
    let handle = ring().start(Delta::from_millis(1));
    Box::new(move || drop(handle))
}

/// # Safety
///
/// It has no preconditions.
unsafe extern "C" fn expired(_: *mut timer_list) {}

/// A timer in memory of which the kernel does not know that it is freed.
fn timer() -> End {
    let mut timer = Box::new(MaybeUninit::<timer_list>::uninit());
    // SAFETY: The timer stays where it is until it was deleted.
    unsafe {
        timer_init_key(timer.as_mut_ptr(), Some(expired), 0, null(), null_mut());
        mod_timer(timer.as_mut_ptr(), jiffies().wrapping_add(8));
    }
    Box::new(move || {
        // SAFETY: It is initialised.
        unsafe { timer_delete_sync(timer.as_mut_ptr()) };
    })
}

/// # Safety
///
/// `head` is a block of its own, which nothing uses any more.
unsafe extern "C" fn free(head: *mut callback_head) {
    // SAFETY: The block is not used any more: the caller's guarantee.
    unsafe { bindings::kfree(head.cast()) };
}

fn head() -> *mut callback_head {
    // SAFETY: The function has no preconditions.
    unsafe { kmalloc_obj(bindings::GFP_KERNEL) }
}

fn rcu() -> End {
    // SAFETY: The head is ours, and given away.
    unsafe { call_rcu(head(), Some(free)) };
    Box::new(rcu_barrier)
}

#[repr(C)]
struct Head(callback_head);

/// A callback for which the module is not needed.
fn rcu_frees() -> End {
    // SAFETY: As above.
    unsafe { kfree_rcu!(head().cast::<Head>(), Head, 0) };
    Box::new(rcu_barrier)
}

/// Starts something, and ends it before the module goes, or after that if it is `wrong`; `unplug` has
/// the device go alone.
fn remove(start: Start, wrong: bool, unplug: bool) {
    let module = insmod::<Driver>().unwrap();
    let mut end = Some(start());
    let mut finish = || {
        if let Some(end) = end.take() {
            end();
        }
    };
    if !wrong {
        finish();
    }
    if unplug {
        device_gone::<Driver>();
        finish();
    }
    drop(module);
    finish();
}

/// The module is loaded in one test at a time.
#[test]
fn each_kind_is_reported_once() {
    let kinds: [(Start, &str, bool); 9] = [
        (queued, "work item is queued", true),
        (work_asleep, "work item runs, and sleeps", true),
        (delayed, "delayed work waits for its time", true),
        (delayed_asleep, "work item runs, and sleeps", true),
        (hrtimer, "timer is armed", true),
        (timer, "timer is armed", true),
        (handler, "interrupt handler is requested", true),
        (rcu, "RCU callback is queued", false),
        (rcu_frees, "", false),
    ];
    for (start, left, device) in kinds {
        for (wrong, unplug) in [(false, false), (false, true), (true, false), (true, true)] {
            let (reports, end) = reports_of(move || remove(start, wrong, unplug));
            assert_eq!(end, Ok(()));
            if !wrong || left.is_empty() || (unplug && !device) {
                assert_eq!(reports, []);
                continue;
            }
            let [report] = &reports[..] else {
                panic!("{left}: {reports:#?}");
            };
            let gone = match unplug {
                true => "the device of driver is gone",
                false => "driver is unloaded",
            };
            let first = format!("BUG: module: {gone} while its {left}\n");
            let file = "rust-kernel-shim/tests/nothing_after_remove.rs:";
            assert!(report.text.starts_with(&first), "{first}: {}", report.text);
            assert_eq!(report.text.matches(file).count(), 2, "{}", report.text);
        }
    }
    // What others have is left alone: another machine, and among threads that run freely another
    // test. A report would end this process with status 1.
    for start in [delayed, rcu, handler] {
        let body = move || {
            let module = insmod::<Driver>().unwrap();
            let end = start();
            thread::spawn(move || drop(module)).join().unwrap();
            end();
        };
        vcpu::fifo(body).unwrap();
        body();
    }
}

/// A module of that file, in a crate of that directory.
fn module(file: &'static str, directory: &'static str) -> ModuleText {
    ModuleText {
        name: c"module",
        file,
        directory,
        loaded: 0,
        stays: false,
    }
}

#[test]
fn a_module_has_files_below_its_own() {
    let crates = [
        // In a workspace, in none, and one that the compiler was given a whole path of.
        ("drivers/gpu/src/lib.rs", "/top/drivers/gpu"),
        ("src/lib.rs", "/top/drivers/gpu"),
        ("/top/drivers/gpu/src/lib.rs", "/top/drivers/gpu"),
    ];
    for (file, directory) in crates {
        let gpu = module(file, directory);
        let above = file.strip_suffix("lib.rs").unwrap();
        for own in ["lib.rs", "ring.rs", "ring/job.rs"] {
            assert!(gpu.has(&format!("{above}{own}")), "{file} {own}");
            assert!(
                gpu.has(&format!("/top/drivers/gpu/src/{own}")),
                "{file} {own}"
            );
        }
        for other in [
            "/top/drivers/net/src/lib.rs",
            "/top/src/lib.rs",
            "/src/lib.rs",
        ] {
            assert!(!gpu.has(other), "{file} {other}");
        }
        assert!(!gpu.has(&above.replace("src", "tests")), "{file}");
    }
    let ring = module("gpu/src/ring.rs", "/top/gpu");
    assert!(ring.has("/top/gpu/src/ring/job.rs") && ring.has("gpu/src/ring.rs"));
    assert!(!ring.has("/top/gpu/src/ring_of_another.rs") && !ring.has("gpu/src/lib.rs"));
}
