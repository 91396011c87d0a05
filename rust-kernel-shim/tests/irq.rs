// SPDX-License-Identifier: GPL-2.0-only
//! Interrupts: where handlers run, how often, and that none runs when its registration has gone.

use kernel::{
    device::{Bound, Device},
    faux,
    irq::{
        Flags, Handler, IrqReturn, Registration, ThreadedHandler, ThreadedIrqReturn,
        ThreadedRegistration,
    },
    new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{Arc, Completion, Mutex},
    testing::{everywhere, explore, in_hardirq, spawn, vcpu, IrqLine},
    time::{delay::fsleep, Delta},
};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

/// A device with an interrupt.
struct Hardware {
    device: faux::Registration,
    line: IrqLine,
}

impl Hardware {
    fn new() -> Arc<Self> {
        let device = faux::Registration::new(c"device", None).unwrap();
        let line = IrqLine::new().unwrap();
        Arc::new(Self { device, line }, GFP_KERNEL).unwrap()
    }

    fn bound(&self) -> &Device<Bound> {
        self.device.as_ref().as_ref()
    }

    fn register<'a, F: Fn() -> IrqReturn + Sync + 'a>(
        &'a self,
        flags: Flags,
        function: F,
    ) -> Result<Pin<KBox<Registration<'a, Function<F>>>>> {
        let request = self.line.request(self.bound());
        let init = try_pin_init!(Function { function }? Error);
        // SAFETY: Tests drop it.
        let init = unsafe { Registration::new(request, flags, c"handler", init) };
        KBox::pin_init(init, GFP_KERNEL)
    }

    fn register_threaded<'a, T: ThreadedHandler + 'a>(
        &'a self,
        flags: Flags,
        handler: impl PinInit<T, Error> + 'a,
    ) -> Result<Pin<KBox<ThreadedRegistration<'a, T>>>> {
        let request = self.line.request(self.bound());
        // SAFETY: Tests drop it.
        let init = unsafe { ThreadedRegistration::new(request, flags, c"threaded", handler) };
        KBox::pin_init(init, GFP_KERNEL)
    }
}

/// A handler that is a function.
#[pin_data]
struct Function<F> {
    function: F,
}

impl<F: Fn() -> IrqReturn + Sync> Handler for Function<F> {
    fn handle(&self) -> IrqReturn {
        (self.function)()
    }
}

/// Counts calls.
fn counts(count: &AtomicU32) -> impl Fn() -> IrqReturn + Sync + '_ {
    move || {
        assert!(in_hardirq());
        count.fetch_add(1, SeqCst);
        IrqReturn::Handled
    }
}

const NONE: Flags = Flags::TRIGGER_NONE;

#[test]
fn a_handler_is_called_until_its_registration_goes() {
    everywhere(|| {
        let (hardware, count) = (Hardware::new(), AtomicU32::new(0));
        hardware.line.raise();
        let registration = hardware.register(NONE, counts(&count)).unwrap();
        // What came before it is lost.
        assert_eq!(count.load(SeqCst), 0);
        hardware.line.raise();
        hardware.line.raise();
        registration.synchronize();
        assert_eq!(count.load(SeqCst), 2);
        drop(registration);
        hardware.line.raise();
        assert_eq!(count.load(SeqCst), 2);
    });
}

#[test]
fn a_disabled_line_remembers_one() {
    everywhere(|| {
        let (hardware, count) = (Hardware::new(), AtomicU32::new(0));
        let registration = hardware.register(Flags::NO_AUTOEN, counts(&count)).unwrap();
        hardware.line.raise();
        assert_eq!(count.load(SeqCst), 0);
        hardware.line.enable();
        assert_eq!(count.load(SeqCst), 1);
        hardware.line.disable();
        hardware.line.disable();
        hardware.line.raise();
        hardware.line.raise();
        hardware.line.enable();
        assert_eq!(count.load(SeqCst), 1);
        hardware.line.enable();
        assert_eq!(count.load(SeqCst), 2);
        drop(registration);
    });
}

#[test]
fn an_interrupt_waits_until_interrupts_are_enabled() {
    everywhere(|| {
        let (hardware, count) = (Hardware::new(), AtomicU32::new(0));
        let registration = hardware.register(NONE, counts(&count)).unwrap();
        let lock = KBox::pin_init(new_spinlock_irq!(()), GFP_KERNEL).unwrap();
        let guard = lock.lock();
        hardware.line.raise();
        assert_eq!(count.load(SeqCst), 0);
        drop(guard);
        assert_eq!(count.load(SeqCst), 1);
        drop(registration);
    });
}

#[test]
fn a_line_is_shared_by_those_that_agree() {
    everywhere(|| {
        let (hardware, count) = (Hardware::new(), AtomicU32::new(0));
        let alone = hardware.register(NONE, counts(&count)).unwrap();
        assert_eq!(
            hardware.register(Flags::SHARED, counts(&count)).err(),
            Some(EBUSY)
        );
        drop(alone);
        let first = hardware.register(Flags::SHARED, counts(&count)).unwrap();
        assert_eq!(hardware.register(NONE, counts(&count)).err(), Some(EBUSY));
        let rising = Flags::SHARED | Flags::TRIGGER_RISING;
        assert_eq!(hardware.register(rising, counts(&count)).err(), Some(EBUSY));
        let second = hardware.register(Flags::SHARED, counts(&count)).unwrap();
        hardware.line.raise();
        assert_eq!(count.load(SeqCst), 2);
        drop(first);
        hardware.line.raise();
        assert_eq!(count.load(SeqCst), 3);
        drop(second);
        for bad in [Flags::TRIGGER_HIGH, Flags::SHARED | Flags::NO_AUTOEN] {
            assert_eq!(hardware.register(bad, counts(&count)).err(), Some(EINVAL));
        }
    });
}

/// Says whether calls of a handler overlap, and whether it is there.
#[derive(Default)]
struct Watched {
    runs: AtomicBool,
    gone: AtomicBool,
    count: AtomicU32,
}

impl Watched {
    fn run(&self) {
        assert!(
            !self.runs.swap(true, SeqCst),
            "a handler runs twice at once"
        );
        self.count.fetch_add(1, SeqCst);
        // Another task may run here.
        drop(kernel::sync::rcu::read_lock());
        assert!(!self.gone.load(SeqCst), "a handler runs that has gone");
        self.runs.store(false, SeqCst);
    }
}

#[test]
fn a_handler_never_runs_twice_at_once_nor_after_its_end() {
    explore(|| {
        let (hardware, watched) = (Hardware::new(), std::sync::Arc::new(Watched::default()));
        for _ in 0..2 {
            let hardware = hardware.clone();
            spawn(move || hardware.line.raise());
        }
        let handler = || {
            watched.run();
            IrqReturn::Handled
        };
        let registration = hardware.register(NONE, handler).unwrap();
        hardware.line.raise();
        drop(registration);
        watched.gone.store(true, SeqCst);
    });
}

#[test]
fn what_the_device_did_is_seen_by_a_handler() {
    explore(|| {
        let hardware = Hardware::new();
        let [did, saw] = [(); 2].map(|()| std::sync::Arc::new(AtomicU32::new(0)));
        let sees = || {
            saw.store(did.load(SeqCst), SeqCst);
            IrqReturn::Handled
        };
        let registration = hardware.register(NONE, sees).unwrap();
        let raised = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
        let ends = std::sync::Arc::new(AtomicU32::new(0));
        for _ in 0..2 {
            let (hardware, did) = (hardware.clone(), did.clone());
            let (raised, ends) = (raised.clone(), ends.clone());
            spawn(move || {
                did.fetch_add(1, SeqCst);
                hardware.line.raise();
                if ends.fetch_add(1, SeqCst) == 1 {
                    raised.complete_all();
                }
            });
        }
        raised.wait_for_completion();
        assert_eq!(saw.load(SeqCst), 2);
        drop(registration);
    });
}

#[pin_data]
struct Threaded {
    #[pin]
    done: Mutex<u32>,
    watched: std::sync::Arc<Watched>,
    wakes: bool,
}

impl Threaded {
    fn new(wakes: bool, watched: std::sync::Arc<Watched>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            done <- new_mutex!(0),
            watched,
            wakes,
        }? Error)
    }
}

impl ThreadedHandler for Threaded {
    fn handle(&self) -> ThreadedIrqReturn {
        assert!(in_hardirq());
        match self.wakes {
            true => ThreadedIrqReturn::WakeThread,
            false => ThreadedIrqReturn::Handled,
        }
    }

    fn handle_threaded(&self) -> IrqReturn {
        assert!(!in_hardirq());
        fsleep(Delta::from_millis(1));
        *self.done.lock() += 1;
        self.watched.run();
        IrqReturn::Handled
    }
}

#[test]
fn a_thread_does_the_rest_and_is_waited_for() {
    everywhere(|| {
        let (hardware, watched) = (Hardware::new(), std::sync::Arc::new(Watched::default()));
        let quiet = hardware
            .register_threaded(NONE, Threaded::new(false, watched.clone()))
            .unwrap();
        hardware.line.raise();
        quiet.synchronize();
        assert_eq!(*quiet.handler().done.lock(), 0);
        drop(quiet);

        let init = Threaded::new(true, watched.clone());
        let registration = hardware.register_threaded(Flags::ONESHOT, init).unwrap();
        for n in 1..4 {
            hardware.line.raise();
            registration.synchronize();
            assert_eq!(*registration.handler().done.lock(), n);
        }
        hardware.line.raise();
        drop(registration);
        watched.gone.store(true, SeqCst);
        // One that was raised is done before the end.
        assert_eq!(watched.count.load(SeqCst), 4);
    });
}

#[test]
fn no_thread_of_a_handler_runs_when_that_has_gone() {
    explore(|| {
        let (hardware, watched) = (Hardware::new(), std::sync::Arc::new(Watched::default()));
        let own = hardware.clone();
        spawn(move || {
            own.line.raise();
            own.line.raise();
        });
        let init = Threaded::new(true, watched.clone());
        drop(hardware.register_threaded(NONE, init).unwrap());
        watched.gone.store(true, SeqCst);
    });
}

#[test]
fn a_handler_that_fails_to_initialise_is_not_registered() {
    everywhere(|| {
        let hardware = Hardware::new();
        let fails = try_pin_init!(Threaded {
            done <- new_mutex!(0),
            watched: Err(EIO)?,
            wakes: true,
        }? Error);
        assert_eq!(hardware.register_threaded(NONE, fails).err(), Some(EIO));
        hardware.line.raise();
    });
}

#[test]
fn a_handler_that_panics_is_that_of_its_machine() {
    let end = std::panic::catch_unwind(|| {
        vcpu::fifo(|| {
            let hardware = Hardware::new();
            let panics = || panic!("in the handler");
            let registration = hardware.register(NONE, panics).unwrap();
            hardware.line.raise();
            drop(registration);
        })
    });
    assert!(end.is_err());
}

#[cfg(feature = "debug")]
mod checks {
    use super::*;
    use kernel::{
        new_spinlock,
        sync::{SpinLock, SpinLockIrq},
        testing::{expect_bug, report::reports_of},
    };

    #[test]
    fn a_handler_must_not_sleep_and_its_thread_may() {
        let hardware = Hardware::new();
        let sleeps = || {
            drop(KBox::new(1, GFP_KERNEL));
            IrqReturn::Handled
        };
        let registration = hardware.register(NONE, sleeps).unwrap();
        expect_bug("sleeping function called from invalid context", || {
            hardware.line.raise()
        });
        drop(registration);
    }

    /// A lock that the handler takes, and a task; with interrupts disabled, or not.
    #[pin_data]
    struct Locked {
        #[pin]
        plain: SpinLock<u32>,
        #[pin]
        irq: SpinLockIrq<u32>,
        wrong: bool,
    }

    impl Locked {
        fn add(&self) {
            match self.wrong {
                true => *self.plain.lock() += 1,
                false => *self.irq.lock() += 1,
            }
        }
    }

    impl Handler for Locked {
        fn handle(&self) -> IrqReturn {
            self.add();
            IrqReturn::Handled
        }
    }

    fn reported(body: impl FnOnce() + Send + 'static) -> std::vec::Vec<std::string::String> {
        let (reports, _end) = reports_of(body);
        reports.iter().map(|report| report.rule.into()).collect()
    }

    #[test]
    fn a_lock_of_a_handler_is_taken_with_interrupts_disabled() {
        for wrong in [true, false] {
            let reports = reported(move || {
                let hardware = Hardware::new();
                let request = hardware.line.request(hardware.bound());
                let init = try_pin_init!(Locked {
                    plain <- new_spinlock!(0, "plain"),
                    irq <- new_spinlock_irq!(0, "irq"),
                    wrong,
                }? Error);
                // SAFETY: Dropped below.
                let init = unsafe { Registration::new(request, NONE, c"locked", init) };
                let registration = KBox::pin_init(init, GFP_KERNEL).unwrap();
                hardware.line.raise();
                registration.handler().add();
                drop(registration);
            });
            let expected: &[&str] = if wrong { &["irq-lock-order"] } else { &[] };
            assert_eq!(reports, expected);
        }
    }

    #[test]
    fn who_waits_for_a_thread_holds_nothing_that_it_takes() {
        for wrong in [true, false] {
            let reports = reported(move || {
                let hardware = Hardware::new();
                let init = Threaded::new(true, Default::default());
                let registration = hardware.register_threaded(NONE, init).unwrap();
                hardware.line.raise();
                registration.synchronize();
                let guard = registration.handler().done.lock();
                if !wrong {
                    drop(guard);
                    registration.synchronize();
                } else {
                    registration.synchronize();
                    drop(guard);
                }
                drop(registration);
            });
            let expected: &[&str] = if wrong { &["lock-order"] } else { &[] };
            assert_eq!(reports, expected);
        }
    }
}
