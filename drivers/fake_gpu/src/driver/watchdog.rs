// SPDX-License-Identifier: GPL-2.0-only
//! The watchdog: looks at a busy ring now and then, and resets it if it hangs.
#![forbid(unsafe_code)]

use super::{
    ring::Ring,
    state::State, //
};
use crate::device::reg;
use kernel::{
    impl_has_delayed_work,
    prelude::*,
    sync::Arc,
    time::Jiffies,
    workqueue::{
        self,
        WorkItem, //
    },
};

/// The time between two looks, unless the configuration says otherwise.
pub(super) const PERIOD: Jiffies = 8;

/// A ring hangs that stands still for more looks than this, counting the one that last saw it move.
const PATIENCE: u32 = 3;

impl_has_delayed_work! {
    impl HasDelayedWork<Self, 2> for Ring { self.watchdog_work }
}

impl WorkItem<2> for Ring {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.recover_fault();
        let mut state = this.state.lock();
        // What an interrupt has not told.
        this.retire(&mut state);
        let hangs = this.seems_to_hang(&mut state);
        drop(state);
        if hangs {
            this.recover(ETIME, |ring, state| ring.seems_stuck(state));
        }
        this.signal();
        Ring::start(&this);
        this.reap();
        let mut state = this.state.lock();
        state.watched = false;
        if state.is_busy() {
            Ring::watch(&this, &mut state);
        }
        drop(state);
        Ring::end_work(this);
    }
}

impl Ring {
    /// Watches the ring from now on, if that is wanted.
    pub(super) fn watch(this: &Arc<Self>, state: &mut State) {
        let Some(period) = this.watchdog else {
            return;
        };
        if state.watched {
            return;
        }
        // UNTIL(owned-queue): this belongs on a `WQ_MEM_RECLAIM` queue of the driver's own.
        let queue = workqueue::system_highpri();
        let enqueue = || queue.enqueue_delayed::<_, 2>(this.clone(), period);
        state.watched = this.works.queue(state, enqueue);
    }

    /// True if a busy ring has not moved for some time.
    fn seems_to_hang(&self, state: &mut State) -> bool {
        let activity = self.registers.read(reg::ACTIVITY);
        if activity != state.activity || !state.is_busy() {
            state.activity = activity;
            state.idle_looks = 0;
        }
        state.idle_looks += 1;
        state.idle_looks > PATIENCE
    }

    /// True if the ring has not moved since we last looked, nor been reset.
    fn seems_stuck(&self, state: &State) -> bool {
        self.registers.read(reg::ACTIVITY) == state.activity && state.idle_looks > PATIENCE
    }

    /// Resets the ring if it has stopped at something that it does not understand.
    pub(super) fn recover_fault(&self) {
        let faulted = |ring: &Self, _: &State| ring.registers.read(reg::FAULTED) == 1;
        if self.registers.read(reg::FAULTED) == 1 {
            self.recover(EIO, faulted);
        }
    }

    /// Resets the ring if it is `stuck`, and blames the job at which it was, with `error`.
    fn recover(&self, error: Error, stuck: impl Fn(&Self, &State) -> bool) {
        let mut state = self.state.lock();
        // It may have got further since we looked.
        // Planted fault, see lib.rs; not part of a copy.
        #[cfg(not(fault = "reset"))]
        if !stuck(self, &state) {
            return;
        }
        self.registers.write(reg::ENGINE_RESET, 1);
        // It stands still now, so that this is the last that it has written back.
        #[cfg(not(fault = "reset"))]
        self.retire(&mut state);
        #[cfg(fault = "reset")]
        let _ = stuck;
        state.idle_looks = 0;
        state.stats.resets += 1;
        state.blame(error);
        self.relax(&state);
        drop(state);
        self.signal();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{
        Config,
        FakeGpu,
        Job, //
    };
    use kernel::{
        testing::vcpu,
        time::{
            delay::fsleep,
            Delta, //
        },
    };

    /// Whether a ring is reset that stood still for the watchdog, and then did so, or did not, until
    /// it was to be reset.
    fn is_reset(moves: bool) -> bool {
        let body = move || -> Result<bool> {
            let gpu = FakeGpu::new(Config {
                rings: 1,
                watchdog: None,
                ..Config::default()
            })?;
            let fence = gpu.context(0, c"client")?.submit(Job::Work(1000), &[])?;
            fsleep(Delta::from_millis(1));
            let ring = &gpu.rings[0];
            // No time passes between these looks.
            let looks = [(); PATIENCE as usize + 1];
            let hangs = looks.map(|()| ring.seems_to_hang(&mut ring.state.lock()));
            assert_eq!(hangs, [false, false, false, true]);
            if moves {
                fsleep(Delta::from_millis(1));
            }
            ring.recover(ETIME, |ring, state| ring.seems_stuck(state));
            assert_eq!(fence.status(), (!moves).then_some(Err(ETIME)));
            Ok(gpu.stats().resets == 1)
        };
        vcpu::fifo(body).expect("it ends").expect("there is memory")
    }

    #[test]
    fn a_ring_that_has_moved_since_the_look_is_not_reset() {
        assert!(is_reset(false));
        assert!(!is_reset(true));
    }
}
