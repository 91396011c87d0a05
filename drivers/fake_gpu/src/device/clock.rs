// SPDX-License-Identifier: GPL-2.0-only
//! The clock of an engine.
#![forbid(unsafe_code)]

use super::{
    engine::Engine,
    Interrupt, //
};
use kernel::{
    prelude::*,
    sync::Arc,
    time::Jiffies,
    workqueue::{
        self,
        impl_has_delayed_work,
        new_delayed_work,
        DelayedWork,
        WorkItem, //
    },
};

/// The time between two ticks.
pub const TICK: Jiffies = 1;

/// What ticks.
pub(super) type Clock<H> = DelayedWork<Engine<H>>;

impl_has_delayed_work! {
    impl{H: Interrupt} HasDelayedWork<Self> for Engine<H> { self.clock }
}

impl<H: Interrupt> WorkItem for Engine<H> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        if this.tick() {
            start(&this);
        }
    }
}

/// A clock that does not tick.
pub(super) fn new<H: Interrupt>() -> impl PinInit<Clock<H>> {
    new_delayed_work!("Engine::clock")
}

/// Starts the clock of an engine, which does not tick. Sleeps.
pub(super) fn start<H: Interrupt>(engine: &Arc<Engine<H>>) {
    let _ = workqueue::system_highpri().enqueue_delayed(engine.clone(), TICK);
}

/// Stops the clock of an engine.
pub(super) fn stop<H: Interrupt>(_engine: &Engine<H>) {}
