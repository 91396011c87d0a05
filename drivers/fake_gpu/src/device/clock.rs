// SPDX-License-Identifier: GPL-2.0-only
//! The clock of an engine: a timer, whose interrupt stands for all that hardware does by itself.
#![forbid(unsafe_code)]

use super::{
    engine::Engine,
    Interrupt, //
};
use kernel::{
    impl_has_hr_timer, new_mutex,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow,
        Mutex, //
    },
    time::{
        hrtimer::{
            ArcHrTimerHandle,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerPointer,
            HrTimerRestart,
            RelativeMode, //
        },
        Delta,
        Monotonic, //
    },
};

/// The time between two ticks.
pub const TICK: Delta = Delta::from_micros(100);

/// A running clock; dropping it cancels the timer, and sleeps until a tick that runs is over.
pub(super) struct Ticking<H: Interrupt>(Option<ArcHrTimerHandle<Engine<H>>>);

impl_has_hr_timer! {
    impl{H: Interrupt} HasHrTimer<Self> for Engine<H> {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

impl<H: Interrupt> HrTimerCallback for Engine<H> {
    type Pointer<'a> = Arc<Self>;

    fn run(
        this: ArcBorrow<'_, Self>,
        mut context: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart {
        if !this.tick() {
            return HrTimerRestart::NoRestart;
        }
        context.forward_now(TICK);
        HrTimerRestart::Restart
    }
}

/// A clock that does not tick.
pub(super) fn new<H: Interrupt>() -> impl PinInit<Mutex<Ticking<H>>> {
    new_mutex!(Ticking(None), "Engine::ticking")
}

/// Starts the clock of an engine, which is about to stop or has stopped. May sleep.
pub(super) fn start<H: Interrupt>(engine: &Arc<Engine<H>>) {
    let mut ticking = engine.clock.lock();
    // Before the new start: dropping the old handle cancels the timer, which is the same one.
    drop(ticking.0.take());
    ticking.0 = Some(engine.clone().start(TICK));
}

/// Stops the clock of an engine, and waits until a tick is over. May sleep.
pub(super) fn stop<H: Interrupt>(engine: &Engine<H>) {
    let ticking = engine.clock.lock().0.take();
    drop(ticking);
}
