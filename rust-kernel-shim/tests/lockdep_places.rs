// SPDX-License-Identifier: GPL-2.0-only
//! The lines that reports of lockdep name: those of the driver.
#![cfg(all(feature = "debug", not(any(loom, tsan))))]

use kernel::{
    bindings::{
        __mmu_notifier_invalidate_range_start_map, flush_workqueue, lock_map_acquire,
        lock_map_release, system_wq,
    },
    impl_has_hr_timer, new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{Arc, ArcBorrow, Completion, Mutex, SpinLockIrq},
    testing::{report::reports_of, vcpu::settle},
    time::{
        delay::fsleep,
        hrtimer::{
            HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer, HrTimerRestart,
            RelativeMode,
        },
        Delta, Monotonic,
    },
    workqueue,
};

#[pin_data]
struct Device {
    #[pin]
    m: Mutex<u32>,
    #[pin]
    done: Completion,
}

fn device() -> Arc<Device> {
    let device = pin_init!(Device {
        m <- new_mutex!(0, "m"),
        done <- Completion::new(),
    });
    Arc::pin_init(device, GFP_KERNEL).unwrap()
}

fn work(body: impl FnOnce() + Send + 'static) {
    workqueue::system().try_spawn(GFP_KERNEL, body).unwrap();
}

/// The text of the only report of `body`.
fn report_of(body: impl FnOnce() + Send + 'static) -> std::string::String {
    let (reports, _) = reports_of(body);
    let [report] = &reports[..] else {
        panic!("{reports:#?}");
    };
    report.text.clone()
}

#[test]
fn the_report_names_both_sides() {
    let text = report_of(|| {
        let device = device();
        let other = device.clone();
        work(move || {
            *other.m.lock() += 1; // TAKEN
            other.done.complete_all(); // COMPLETED
        });
        settle();
        let _m = device.m.lock(); // HELD
        device.done.wait_for_completion(); // WAITED
    });
    for (line, source) in (1..).zip(include_str!("lockdep_places.rs").lines()) {
        let marked = ["// TAKEN", "// COMPLETED", "// HELD", "// WAITED"];
        if marked.iter().any(|mark| source.ends_with(mark)) {
            let place = format!("lockdep_places.rs:{line}");
            assert!(text.contains(&place), "{place} is missing:\n{text}");
        }
    }
}

/// `text` has these lines, in this order; of each only a part is named.
#[track_caller]
fn says(text: &str, parts: &[&str]) {
    let mut lines = text.lines();
    for part in parts {
        assert!(
            lines.any(|line| line.contains(part)),
            "{part} is missing:\n{text}"
        );
    }
}

#[test]
fn the_report_says_what_was_done_with_a_completion() {
    let waits_last = report_of(|| {
        let device = device();
        let other = device.clone();
        work(move || {
            *other.m.lock() += 1;
            other.done.complete_all();
        });
        settle();
        let _m = device.m.lock();
        device.done.wait_for_completion();
    });
    let completes_last = report_of(|| {
        let under = device();
        let other = under.clone();
        work(move || other.done.complete_all());
        let m = under.m.lock();
        under.done.wait_for_completion();
        drop(m);
        let device = device();
        *device.m.lock() += 1;
        device.done.complete_all();
    });
    says(
        &waits_last,
        &[
            "is about to wait for:",
            "but task is already holding lock:",
            "taken at",
            "before ((completion)) was completed at",
            "waited for at",
            "while (m) was held since",
            "   lock(m);",
            "                  lock(m);",
            "                  complete((completion));",
            "   wait((completion));",
        ],
    );
    says(
        &completes_last,
        &[
            "is trying to acquire lock:",
            "which is needed for this to happen:",
            "waited for at",
            "while (m) was held since",
            "taken at",
            "before ((completion)) was completed at",
            "                  lock(m);",
            "                  wait((completion));",
            "   lock(m);",
            "   complete((completion));",
        ],
    );
}

#[pin_data]
struct Alarm {
    #[pin]
    timer: HrTimer<Self>,
    #[pin]
    lock: SpinLockIrq<u32>,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Alarm {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

impl HrTimerCallback for Alarm {
    type Pointer<'a> = Arc<Self>;

    fn run(alarm: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        *alarm.lock.lock() += 1;
        HrTimerRestart::NoRestart
    }
}

#[test]
fn what_runs_for_a_driver_has_its_line() {
    let work = report_of(|| {
        let device = device();
        let other = device.clone();
        work(move || drop(other.m.lock()));
        settle();
        let _m = device.m.lock();
        // SAFETY: The queue is the system's.
        unsafe { flush_workqueue(system_wq) };
    });
    let timer = report_of(|| {
        let alarm = pin_init!(Alarm { timer <- HrTimer::new(), lock <- new_spinlock_irq!(0) });
        let alarm = Arc::pin_init(alarm, GFP_KERNEL).unwrap();
        let other = alarm.clone();
        let handle = alarm.start(Delta::from_millis(1));
        fsleep(Delta::from_millis(2));
        let lock = other.lock.lock();
        drop(handle);
        drop(lock);
    });
    for text in [work, timer] {
        assert!(!text.contains("rust-kernel-shim/c/"), "{text}");
        assert!(!text.contains("rust-kernel-shim/src/"), "{text}");
    }
}

#[test]
fn the_order_of_the_kernels_own_maps_is_no_drivers() {
    let text = report_of(|| {
        let device = device();
        let m = device.m.lock();
        drop(KBox::new(0, GFP_KERNEL));
        drop(m);
        let map = &raw const __mmu_notifier_invalidate_range_start_map;
        // SAFETY: The map is static.
        unsafe {
            lock_map_acquire(map);
            *device.m.lock() += 1;
            lock_map_release(map, 0);
        }
    });
    assert!(text.contains("taken at boot"), "{text}");
}
