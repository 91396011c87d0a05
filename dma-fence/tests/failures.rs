// SPDX-License-Identifier: GPL-2.0-only
//! A failure of every kind, whose output the page "How to read a failure" shows.
//!
//! `FENCE_BLESS=1` writes the output into `Documentation/failures/`.
#![cfg(all(feature = "debug", not(any(loom, miri, tsan))))]

use dma_fence::{
    testing::{context, register, Plain},
    Fence, FenceCallback,
};
use kernel::{
    new_condvar, new_mutex, new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        rcu, Arc, CondVar, SpinLock,
    },
    testing::{
        console, expect_bug, explore,
        memory::set_rcu_stall_timeout,
        set_hung_task_timeout, spawn,
        vcpu::{fifo, settle},
    },
    time::{delay::fsleep, Delta},
    warn_on, workqueue,
};
use std::{env, fs, path::Path, process::Command, string::String, sync::mpsc};

type Lock = Arc<SpinLock<u32>>;

fn spinlock(value: u32) -> Lock {
    Arc::pin_init(new_spinlock!(value, "Ring::jobs"), GFP_KERNEL).unwrap()
}

/// In ns.
const SECOND: u64 = 1_000_000_000;

/// Computes, without a call into the kernel, until that is said.
fn computes_until(said: &str) {
    while console::said(said) == 0 {
        std::thread::yield_now();
    }
}

macro_rules! failures {
    ($($(#[$doc:meta])* fn $name:ident() $body:block)*) => {
        $($(#[$doc])*
        #[test]
        #[ignore = "fails, or says so: run by the_page_shows_what_is_said()"]
        fn $name() $body)*

        const FAILURES: &[&str] = &[$(stringify!($name)),*];
    };
}

failures! {
    fn rule() {
        struct Allocates;

        impl FenceCallback for Allocates {
            fn on_signal(&mut self) {
                let _ = KBox::new(1, GFP_KERNEL);
            }
        }
        explore(|| {
            let context = context(Plain).unwrap();
            let issued = context.new_fence_allocation(()).unwrap().new_fence();
            let _registered = register(issued.as_fence(), Allocates).ok();
            issued.signal(Ok(()));
        });
    }

    fn atomic_sleep() {
        fifo(|| {
            let jobs = spinlock(0);
            let _guard = jobs.lock();
            let _ = KBox::new(1, GFP_KERNEL);
        })
        .unwrap();
    }

    fn atomic_schedule() {
        fifo(|| {
            let jobs = spinlock(0);
            let idle = KBox::pin_init(new_condvar!("Ring::idle"), GFP_KERNEL).unwrap();
            let state = KBox::pin_init(new_spinlock!(0, "Ring::state"), GFP_KERNEL).unwrap();
            let mut state = state.lock();
            let _guard = jobs.lock();
            let _ = CondVar::wait_interruptible_timeout(&idle, &mut state, 1);
        })
        .unwrap();
    }

    fn lock_left() {
        fifo(|| {
            let jobs = spinlock(0);
            let job = move || core::mem::forget((jobs.lock(), jobs.clone()));
            workqueue::system().try_spawn(GFP_KERNEL, job).unwrap();
        })
        .unwrap();
    }

    fn stall() {
        set_rcu_stall_timeout(SECOND);
        let context = context(Plain).unwrap();
        let (began, begins) = mpsc::channel();
        let _reader = spawn(move || {
            let _section = rcu::read_lock();
            began.send(()).unwrap();
            computes_until("INFO: stall");
        });
        begins.recv().unwrap();
        drop(context);
    }

    fn deadlock() {
        fifo(|| {
            let context = context(Plain).unwrap();
            let issued = context.new_fence_allocation(()).unwrap().new_fence();
            let fence: ARef<Fence> = issued.as_fence().into();
            let jobs = Arc::pin_init(new_mutex!((), "Ring::jobs"), GFP_KERNEL).unwrap();
            let same = jobs.clone();
            spawn(move || {
                let _guard = same.lock();
                fence.wait();
            });
            settle();
            let _guard = jobs.lock();
            issued.signal(Ok(()));
        })
        .unwrap();
    }

    fn lock_order() {
        fifo(|| {
            let jobs = KBox::pin_init(new_mutex!(0, "Ring::jobs"), GFP_KERNEL).unwrap();
            let clients = KBox::pin_init(new_mutex!(1, "Device::clients"), GFP_KERNEL).unwrap();
            let submit = || {
                let mut jobs = jobs.lock();
                *jobs += *clients.lock();
            };
            let close = || {
                let mut clients = clients.lock();
                *clients -= *jobs.lock();
            };
            submit();
            close();
        })
        .unwrap();
    }

    fn endless() {
        fifo(|| {
            let context = context(Plain).unwrap();
            let issued = context.new_fence_allocation(()).unwrap().new_fence();
            while !issued.as_fence().is_signaled() {
                fsleep(Delta::from_millis(1));
            }
        })
        .unwrap();
    }

    fn hung() {
        set_hung_task_timeout(SECOND);
        let jobs = spinlock(0);
        let same = jobs.clone();
        let (took, takes) = mpsc::channel();
        let _other = spawn(move || {
            let _guard = same.lock();
            took.send(()).unwrap();
            computes_until("waits for spinlock");
        });
        takes.recv().unwrap();
        drop(jobs.lock());
    }

    fn leak() {
        fifo(|| core::mem::forget(KBox::new([0_u32; 4], GFP_KERNEL))).unwrap();
    }

    fn left_at_exit() {
        let context = context(Plain).unwrap();
        let issued = context.new_fence_allocation(()).unwrap().new_fence();
        core::mem::forget(ARef::<Fence>::from(issued.as_fence()));
        issued.signal(Ok(()));
    }

    fn panic() {
        struct Counts;

        impl FenceCallback for Counts {
            fn on_signal(&mut self) {
                let done: [u32; 0] = [];
                done.first().expect("a job is done");
            }
        }
        let context = context(Plain).unwrap();
        let issued = context.new_fence_allocation(()).unwrap().new_fence();
        let _registered = register(issued.as_fence(), Counts).ok();
        issued.signal(Ok(()));
        drop(context);
    }

    fn oops() {
        fifo(|| {
            let context = context(Plain).unwrap();
            let issued = context.new_fence_allocation(()).unwrap().new_fence();
            issued.as_fence().enable_signaling();
            let stale = core::ptr::without_provenance::<u32>(0xdead_0000);
            // SAFETY: None: this is the driver's mistake.
            unsafe { stale.read_volatile() };
        })
        .unwrap();
    }

    fn exit() {
        let pending = 1;
        warn_on!(pending != 0);
    }

    fn seed() {
        explore(|| {
            let count = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
            let same = count.clone();
            let add = |count: &Atomic<i32>| count.store(count.load(Relaxed) + 1, Relaxed);
            let other = spawn(move || add(&same));
            add(&count);
            drop(other);
            settle();
            assert_eq!(count.load(Relaxed), 2, "an addition was lost");
        });
    }

    fn absent() {
        expect_bug("sleeping function called", || {
            let jobs = spinlock(0);
            let _guard = jobs.lock();
            let _ = KBox::new(1, GFP_ATOMIC);
        });
    }

    // Another kind: a function here, `FENCE_BLESS=1`, and a section of the page.
}

/// What a test says when it is run alone, without what differs from run to run.
fn said(test: &str) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let lines = said
        .lines()
        .filter(|line| !line.starts_with("note: run with"));
    let lines: std::vec::Vec<_> = lines.map(alike).collect();
    lines.join("\n").trim().replace("\n\n\n", "\n\n") + "\n"
}

/// A line with the number of the host's thread taken out, and times set to what they are at best.
fn alike(line: &str) -> String {
    if let Some((thread, at)) = line.split_once(") panicked at ") {
        let (thread, _) = thread.rsplit_once(" (").unwrap();
        return [thread, " panicked at ", at].concat();
    }
    // A busy host may look late.
    let line = match line.rsplit_once(" holds up a grace period for ") {
        Some((who, _)) => &[who, " holds up a grace period for 1 s"].concat(),
        None => line,
    };
    match line.split_once("] ") {
        Some((time, rest)) if time.starts_with('[') => ["[   10.000000] ", rest].concat(),
        _ => line.into(),
    }
}

#[test]
fn the_page_shows_what_is_said() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Documentation/failures");
    for failure in FAILURES {
        let file = directory.join(failure).with_extension("txt");
        let said = said(failure);
        if env::var_os("FENCE_BLESS").is_some() {
            fs::write(&file, &said).unwrap();
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), said, "{failure}");
    }
}
