// SPDX-License-Identifier: GPL-2.0-only
//! Suspend and resume.
#![forbid(unsafe_code)]

use super::{
    ring::Ring, //
    state::Power,
    FakeGpu,
};
use crate::device::reg;

impl FakeGpu {
    /// Lets the rings run empty, and starts nothing any more; jobs can be submitted, but wait.
    /// May sleep.
    pub fn suspend(&self) {
        let _one_at_a_time = self.rings.sleep.lock();
        for ring in self.rings.iter() {
            let mut state = ring.state.lock();
            if state.power == Power::On {
                state.power = Power::Suspended;
            }
        }
        for ring in self.rings.iter() {
            let mut state = ring.state.lock();
            // We want to be told as well, until the ring is empty.
            state.wanted += 1;
            ring.registers.write(reg::IRQ_ENABLE, 1);
            loop {
                if ring.retire(&mut state) {
                    drop(state);
                    ring.signal();
                    state = ring.state.lock();
                } else if state.is_busy() {
                    ring.progress.wait(&mut state);
                } else {
                    break;
                }
            }
            state.wanted -= 1;
            ring.relax(&state);
        }
    }

    /// Starts what has been waiting since [`suspend`](Self::suspend). May sleep.
    pub fn resume(&self) {
        let _one_at_a_time = self.rings.sleep.lock();
        for ring in self.rings.iter() {
            let mut state = ring.state.lock();
            if state.power != Power::Suspended {
                continue;
            }
            state.power = Power::On;
            // The hardware has forgotten everything.
            ring.registers.write(reg::ENGINE_RESET, 1);
            if state.wanted > 0 || state.wants_room {
                ring.registers.write(reg::IRQ_ENABLE, 1);
            }
            drop(state);
            Ring::kick(ring);
        }
    }
}
