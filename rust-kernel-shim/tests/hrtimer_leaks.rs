// SPDX-License-Identifier: GPL-2.0-only

//! A thousand machines with timers, none of which leaves memory behind; alone
//! in its process, because it counts blocks.

#![forbid(unsafe_code)]

use kernel::{
    impl_has_hr_timer,
    prelude::*,
    sync::{Arc, ArcBorrow, Completion},
    testing::{memory, vcpu},
    time::{
        hrtimer::{
            HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer, HrTimerRestart,
            RelativeMode,
        },
        Delta, Monotonic,
    },
};

#[pin_data]
struct Alarm {
    #[pin]
    timer: HrTimer<Self>,
    #[pin]
    rung: Completion,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Alarm { mode: RelativeMode<Monotonic>, field: self.timer }
}

impl HrTimerCallback for Alarm {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        this.rung.complete_all();
        HrTimerRestart::NoRestart
    }
}

fn alarm() -> Result<Arc<Alarm>> {
    let init = pin_init!(Alarm { timer <- HrTimer::new(), rung <- Completion::new() });
    Arc::pin_init(init, GFP_KERNEL)
}

fn ring() -> Result {
    let alarms = [alarm()?, alarm()?];
    let _handles = alarms.clone().map(|a| a.start(Delta::from_nanos(1)));
    // This one is cancelled.
    let _never = alarm()?.start(Delta::from_secs(1));
    alarms.iter().for_each(|a| a.rung.wait_for_completion());
    Ok(())
}

#[test]
fn machines_leave_no_memory_behind() {
    let before = memory::live_blocks();
    for _ in 0..1000 {
        assert_eq!(vcpu::fifo(ring), Ok(Ok(())));
    }
    assert_eq!(memory::live_blocks(), before);
}
