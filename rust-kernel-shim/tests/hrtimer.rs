// SPDX-License-Identifier: GPL-2.0-only

//! Timers of each kind of pointer, on free threads, a virtual CPU, and in any order.

use kernel::{
    impl_has_hr_timer, new_mutex,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        Arc, ArcBorrow, Completion,
    },
    testing::{everywhere, in_hardirq, in_serving_softirq, vcpu},
    time::{delay::fsleep, hrtimer::*, Delta, Instant, Monotonic},
};

const TICK: Delta = Delta::from_micros(200);

#[pin_data]
struct Shared {
    #[pin]
    done: Completion,
    count: Atomic<i32>,
    hard: Atomic<i32>,
    soft: Atomic<i32>,
}

fn shared() -> Arc<Shared> {
    let init = pin_init!(Shared {
        done <- Completion::new(),
        count: Atomic::new(0),
        hard: Atomic::new(0),
        soft: Atomic::new(0),
    });
    Arc::pin_init(init, GFP_KERNEL).unwrap()
}

impl Shared {
    /// What all the timers here do; the third time is the last.
    fn tick<T: HasHrTimer<T>>(&self, mut ctx: HrTimerCallbackContext<'_, T>) -> HrTimerRestart {
        self.hard.fetch_add(in_hardirq().into(), Relaxed);
        self.soft.fetch_add(in_serving_softirq().into(), Relaxed);
        if self.count.fetch_add(1, Relaxed) < 2 {
            assert!(ctx.forward_now(TICK) >= 1);
            return HrTimerRestart::Restart;
        }
        self.done.complete_all();
        HrTimerRestart::NoRestart
    }

    fn expect(&self, hard: i32, soft: i32) {
        self.done.wait_for_completion();
        assert_eq!(self.count.load(Relaxed), 3);
        assert_eq!(self.hard.load(Relaxed), hard);
        assert_eq!(self.soft.load(Relaxed), soft);
        assert!(!in_hardirq() && !in_serving_softirq());
    }
}

macro_rules! ticker {
    ($name:ident, $mode:ty, $pointer:ty, $target:ty) => {
        #[pin_data]
        struct $name {
            #[pin]
            timer: HrTimer<Self>,
            shared: Arc<Shared>,
        }

        impl_has_hr_timer! {
            impl HasHrTimer<Self> for $name { mode: $mode, field: self.timer }
        }

        impl HrTimerCallback for $name {
            type Pointer<'a> = $pointer;

            fn run(this: $target, ctx: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
                this.shared.tick(ctx)
            }
        }

        impl $name {
            fn new(shared: &Arc<Shared>) -> impl PinInit<Self> {
                let shared = shared.clone();
                pin_init!(Self { timer <- HrTimer::new(), shared })
            }
        }
    };
}

ticker!(
    InArc,
    RelativeMode<Monotonic>,
    Arc<Self>,
    ArcBorrow<'_, Self>
);
ticker!(
    Soft,
    RelativeSoftMode<Monotonic>,
    Arc<Self>,
    ArcBorrow<'_, Self>
);
ticker!(
    InBox,
    AbsoluteMode<Monotonic>,
    Pin<KBox<Self>>,
    Pin<&mut Self>
);
ticker!(Lent, RelativeMode<Monotonic>, Pin<&'a Self>, Pin<&Self>);
ticker!(
    LentMut,
    RelativeMode<Monotonic>,
    Pin<&'a mut Self>,
    Pin<&mut Self>
);

#[test]
fn in_an_arc() {
    everywhere(|| {
        let shared = shared();
        let ticker = Arc::pin_init(InArc::new(&shared), GFP_KERNEL).unwrap();
        let _handle = ticker.clone().start(TICK);
        shared.expect(3, 0);
    });
}

#[test]
fn soft_ones_are_called_in_soft_interrupts() {
    everywhere(|| {
        let shared = shared();
        let ticker = Arc::pin_init(Soft::new(&shared), GFP_KERNEL).unwrap();
        let _handle = ticker.start(TICK);
        shared.expect(0, 3);
    });
}

#[test]
fn in_a_box() {
    everywhere(|| {
        let shared = shared();
        let ticker = KBox::pin_init(InBox::new(&shared), GFP_KERNEL).unwrap();
        let when = Instant::<Monotonic>::now() + TICK;
        let _handle = ticker.start(when);
        shared.expect(3, 0);
        assert!(when.elapsed() >= TICK * 2);
    });
}

#[test]
fn a_lock_takes_a_handle_and_lets_go_of_it() {
    everywhere(|| {
        let shared = shared();
        let of_arc = KBox::pin_init(new_mutex!(None), GFP_KERNEL).unwrap();
        let of_box = KBox::pin_init(new_mutex!(None), GFP_KERNEL).unwrap();
        let ticker = Arc::pin_init(InArc::new(&shared), GFP_KERNEL).unwrap();
        *of_arc.lock() = Some(ticker.start(TICK * 1_000_000));
        let ticker = KBox::pin_init(InBox::new(&shared), GFP_KERNEL).unwrap();
        *of_box.lock() = Some(ticker.start(Instant::now() + TICK * 1_000_000));
        assert!(of_arc.lock().take().is_some());
        assert!(of_box.lock().take().is_some());
    });
}

#[test]
fn lent() {
    everywhere(|| {
        let shared = shared();
        let ticker = KBox::pin_init(Lent::new(&shared), GFP_KERNEL).unwrap();
        ticker.as_ref().start_scoped(TICK, || shared.expect(3, 0));
        let mut ticker = KBox::pin_init(LentMut::new(&shared), GFP_KERNEL).unwrap();
        ticker.as_mut().start_scoped(TICK * 1_000_000, || ());
        assert_eq!(shared.count.load(Relaxed), 3);
    });
}

#[test]
fn what_was_cancelled_does_not_come() {
    let body = || {
        let shared = shared();
        let ticker = Arc::pin_init(InArc::new(&shared), GFP_KERNEL).unwrap();
        let hour = Delta::from_secs(3600);
        let mut handle = ticker.clone().start(hour);
        let left = ticker.timer.expires() - Instant::<Monotonic>::now();
        assert!(Delta::ZERO < left && left <= hour);
        assert!(handle.cancel());
        assert!(!handle.cancel());
        drop(ticker.clone().start(hour));
        fsleep(TICK);
        // Started twice, it is due once, at the later call's time.
        let _again = ticker.clone().start(hour);
        let _other = ticker.start(TICK);
        shared.expect(3, 0);
    };
    everywhere(body);
}

#[test]
fn a_stopped_one_moves_past_a_time_in_whole_intervals() {
    everywhere(|| {
        let mut timer = KBox::pin_init(HrTimer::<InBox>::new(), GFP_KERNEL).unwrap();
        let start = timer.expires();
        assert_eq!(timer.as_mut().forward(start + TICK * 10, TICK), 11);
        assert_eq!(timer.expires() - start, TICK * 11);
        assert_eq!(timer.as_mut().forward(start + TICK * 10, TICK), 0);
        assert!(timer.as_mut().forward_now(TICK) > 1);
        assert!(timer.expires() - start > TICK * 12);
    });
}

fn relax() {
    // SAFETY: `cpu_relax()` has no preconditions.
    unsafe { kernel::bindings::cpu_relax() }
}

/// A timer whose function is in no hurry.
#[pin_data]
struct Slow {
    #[pin]
    timer: HrTimer<Self>,
    inside: Atomic<i32>,
    returns: Atomic<i32>,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Slow { mode: RelativeMode<Monotonic>, field: self.timer }
}

impl HrTimerCallback for Slow {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        this.inside.store(1, Release);
        for _ in 0..50 {
            relax();
        }
        this.returns.store(1, Release);
        HrTimerRestart::NoRestart
    }
}

fn slow() -> Arc<Slow> {
    let init = pin_init!(Slow {
        timer <- HrTimer::new(),
        inside: Atomic::new(0),
        returns: Atomic::new(0),
    });
    Arc::pin_init(init, GFP_KERNEL).unwrap()
}

fn wait_until_inside(slow: &Slow) {
    while slow.inside.load(Acquire) == 0 {
        relax();
    }
}

#[test]
fn cancelling_waits_for_the_function() {
    everywhere(|| {
        let slow = slow();
        let mut handle = slow.clone().start(TICK);
        wait_until_inside(&slow);
        handle.cancel();
        assert_eq!(slow.returns.load(Acquire), 1);
    });
}

#[test]
fn a_hard_interrupt_holds_up_grace_periods() {
    everywhere(|| {
        let slow = slow();
        let _handle = slow.clone().start(TICK);
        wait_until_inside(&slow);
        kernel::sync::rcu::synchronize_rcu();
        assert_eq!(slow.returns.load(Acquire), 1);
    });
}

#[test]
fn timers_come_in_the_order_of_their_times() {
    #[pin_data]
    struct One {
        #[pin]
        timer: HrTimer<Self>,
        number: i32,
        last: Arc<Shared>,
    }

    impl_has_hr_timer! {
        impl HasHrTimer<Self> for One { mode: RelativeMode<Monotonic>, field: self.timer }
    }

    impl HrTimerCallback for One {
        type Pointer<'a> = Pin<KBox<Self>>;

        fn run(this: Pin<&mut Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
            let order = this.last.count.load(Relaxed) * 10 + this.number;
            this.last.count.store(order, Relaxed);
            HrTimerRestart::NoRestart
        }
    }

    let order = vcpu::fifo(|| {
        let last = shared();
        let start = |number, nanos| {
            let last = last.clone();
            let init = pin_init!(One { timer <- HrTimer::new(), number, last });
            KBox::pin_init(init, GFP_KERNEL)
                .unwrap()
                .start(Delta::from_nanos(nanos))
        };
        let _handles = [
            start(4, 9),
            start(2, 7),
            start(1, -7),
            start(3, 7),
            start(5, 9),
        ];
        fsleep(Delta::from_micros(1));
        last.count.load(Relaxed)
    });
    // What should have come before now comes at once, and nothing before
    // something else that was due at the same time and started first.
    assert_eq!(order, Ok(12345));
}
