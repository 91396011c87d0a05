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

/// What keeps a clock ticking; dropping it stops the clock and waits until a tick is over.
pub(super) struct Ticking<H: Interrupt>(Option<ArcHrTimerHandle<Engine<H>>>);

// A handle may be moved wherever its object stays.
impl<H: Interrupt> Unpin for Ticking<H> {}

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

/// Starts the clock of an engine, which is about to stop or has stopped. Sleeps.
pub(super) fn start<H: Interrupt>(engine: &Arc<Engine<H>>) {
    let mut ticking = engine.clock.lock();
    // The last tick may be under way still; afterwards, this would stop the new one.
    drop(ticking.0.take());
    ticking.0 = Some(engine.clone().start(TICK));
}

/// Stops the clock of an engine, and waits until a tick is over. Sleeps.
pub(super) fn stop<H: Interrupt>(engine: &Engine<H>) {
    let ticking = engine.clock.lock().0.take();
    drop(ticking);
}
