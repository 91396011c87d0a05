// SPDX-License-Identifier: GPL-2.0-only
// Works and timers are used by reference, so they are aligned: a structure that is packed has none.

use kernel::{
    impl_has_hr_timer, impl_has_work,
    sync::Arc,
    time::{
        hrtimer::{
            HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerRestart, RawHrTimerCallback,
            RelativeMode,
        },
        Monotonic,
    },
    workqueue::{impl_has_delayed_work, DelayedWork, Work, WorkItem},
};

#[repr(packed)]
struct Working {
    _byte: u8,
    work: Work<Working>,
}

impl_has_work! {
    impl HasWork<Self> for Working { self.work }
}

impl WorkItem for Working {
    type Pointer = Arc<Self>;

    fn run(_this: Arc<Self>) {}
}

#[repr(packed)]
struct Delayed {
    _byte: u8,
    work: DelayedWork<Delayed>,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self> for Delayed { self.work }
}

impl WorkItem for Delayed {
    type Pointer = Arc<Self>;

    fn run(_this: Arc<Self>) {}
}

#[repr(packed)]
struct Timed {
    _byte: u8,
    timer: HrTimer<Timed>,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Timed {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

impl HrTimerCallback for Timed {
    type Pointer<'a> = Arc<Self>;

    fn run(
        _this: <Arc<Self> as RawHrTimerCallback>::CallbackTarget<'_>,
        _ctx: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart {
        HrTimerRestart::NoRestart
    }
}

fn main() {}
