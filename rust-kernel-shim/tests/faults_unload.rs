// SPDX-License-Identifier: GPL-2.0-only
//! Modules that are unloaded late: their exit meets what it has to wait for.
#![cfg(all(feature = "debug", not(tsan)))]

use kernel::testing::{Explorer, Outcome};

const PLAIN: Explorer = Explorer::new().schedules(100);

/// The failure of `body`, which its seed replays.
fn found(explorer: Explorer, body: fn()) -> Option<Outcome> {
    let failure = explorer.run(body).err()?;
    let again = explorer.seed(failure.seed).schedules(1).run(body).err();
    assert_eq!(again.map(|f| f.outcome), Some(failure.outcome.clone()));
    Some(failure.outcome)
}

fn only_late(explorer: Explorer, body: fn()) {
    assert_eq!(found(explorer, body), None);
    let outcome = found(explorer.late_unload(), body);
    assert_eq!(outcome, Some(Outcome::Broken("nothing-after-remove")));
}

/// A driver that has callbacks of its own.
mod callbacks {
    use super::{found, only_late, PLAIN};
    use core::ptr::null_mut;
    use kernel::{
        bindings::{self, call_rcu, callback_head, kfree, kmalloc_obj},
        prelude::*,
        sync::{
            atomic::{Atomic, Relaxed},
            rcu,
        },
        testing::{insmod, Explorer},
        time::{delay::fsleep, Delta},
    };

    const BARRIER: i32 = 0;
    const GRACE_PERIOD: i32 = 1;
    const NOTHING: i32 = 2;

    /// What its exit waits for.
    struct Driver(Atomic<i32>);

    impl kernel::Module for Driver {
        fn init(_module: &'static ThisModule) -> Result<Self> {
            Ok(Self(Atomic::new(BARRIER)))
        }
    }

    impl Drop for Driver {
        fn drop(&mut self) {
            match self.0.load(Relaxed) {
                BARRIER => rcu::rcu_barrier(),
                GRACE_PERIOD => rcu::synchronize_rcu(),
                _ => {}
            }
        }
    }

    module! {
        type: Driver,
        name: "callbacks",
        license: "GPL",
    }

    /// # Safety
    ///
    /// `head` is a block of `kmalloc()`'s, and the caller's.
    unsafe extern "C" fn free(head: *mut callback_head) {
        // SAFETY: The caller's guarantee.
        unsafe { kfree(head.cast()) };
    }

    impl Driver {
        /// Something goes that readers may have found.
        fn retire(&self) {
            // SAFETY: The head is ours until it is given away.
            unsafe {
                let head: *mut callback_head = kmalloc_obj(bindings::GFP_KERNEL);
                assert_ne!(head, null_mut());
                call_rcu(head, Some(free));
            }
        }
    }

    fn unload<const WAITS_FOR: i32>() {
        let module = insmod::<Driver>().unwrap();
        module.0.store(WAITS_FOR, Relaxed);
        module.retire();
        // Longer than any grace period.
        fsleep(Delta::from_secs(1));
    }

    #[test]
    fn an_exit_waits_for_callbacks() {
        only_late(PLAIN, unload::<NOTHING>);
        only_late(PLAIN, unload::<GRACE_PERIOD>);
        assert_eq!(found(PLAIN.late_unload(), unload::<BARRIER>), None);
        // A search has them late for one preemption.
        let search = |preemptions, body: fn()| {
            let explorer = Explorer::new().schedules(3000).timers_wait().late_unload();
            explorer.search(preemptions, body)
        };
        assert!(search(0, unload::<NOTHING>).is_ok());
        assert!(search(1, unload::<NOTHING>).is_err());
        assert!(search(1, unload::<BARRIER>).is_ok());
    }
}

/// A driver whose timer queues work.
mod timer {
    use super::{found, only_late, PLAIN};
    use kernel::{
        impl_has_hr_timer, impl_has_work, new_work,
        prelude::*,
        sync::{
            atomic::{Atomic, Relaxed},
            Arc, ArcBorrow, Completion,
        },
        testing::insmod,
        time::{
            delay::fsleep,
            hrtimer::{
                ArcHrTimerHandle, HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer,
                HrTimerRestart, RelativeMode,
            },
            Delta, Monotonic,
        },
        workqueue::{self, Work, WorkItem},
    };

    #[pin_data]
    struct Watchdog {
        #[pin]
        timer: HrTimer<Self>,
        #[pin]
        work: Work<Self>,
        #[pin]
        done: Completion,
        queued: Atomic<i32>,
    }

    impl_has_hr_timer! {
        impl HasHrTimer<Self> for Watchdog { mode: RelativeMode<Monotonic>, field: self.timer }
    }

    impl_has_work! {
        impl HasWork<Self> for Watchdog { self.work }
    }

    impl HrTimerCallback for Watchdog {
        type Pointer<'a> = Arc<Self>;

        fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
            this.queued.store(1, Relaxed);
            let _ = workqueue::system().enqueue(Arc::from(this));
            HrTimerRestart::NoRestart
        }
    }

    impl WorkItem for Watchdog {
        type Pointer = Arc<Self>;

        fn run(this: Arc<Self>) {
            fsleep(Delta::from_millis(20));
            this.done.complete_all();
        }
    }

    struct Driver {
        handle: Option<ArcHrTimerHandle<Watchdog>>,
        watchdog: Arc<Watchdog>,
        wrong: Atomic<i32>,
    }

    impl kernel::Module for Driver {
        fn init(_module: &'static ThisModule) -> Result<Self> {
            let watchdog = pin_init!(Watchdog {
                timer <- HrTimer::new(),
                work <- new_work!("Watchdog::work"),
                done <- Completion::new(),
                queued: Atomic::new(0),
            });
            let watchdog = Arc::pin_init(watchdog, GFP_KERNEL)?;
            Ok(Self {
                handle: Some(watchdog.clone().start(Delta::from_millis(1))),
                watchdog,
                wrong: Atomic::new(0),
            })
        }
    }

    impl Drop for Driver {
        fn drop(&mut self) {
            drop(self.handle.take());
            if self.wrong.load(Relaxed) == 0 && self.watchdog.queued.load(Relaxed) == 1 {
                self.watchdog.done.wait_for_completion();
            }
        }
    }

    module! {
        type: Driver,
        name: "timer",
        license: "GPL",
    }

    fn unload<const WRONG: i32>() {
        let module = insmod::<Driver>().unwrap();
        module.wrong.store(WRONG, Relaxed);
    }

    /// Unloaded at once, it is never late enough.
    #[test]
    fn an_exit_waits_for_what_a_timer_has_queued() {
        only_late(PLAIN.timers_wait(), unload::<1>);
        assert_eq!(found(PLAIN.late_unload(), unload::<0>), None);
    }
}
