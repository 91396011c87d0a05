// SPDX-License-Identifier: GPL-2.0-only
//! Hot unload: the GPU goes while others still hold its fences.
#![forbid(unsafe_code)]

use super::{
    state::Power,
    FakeGpu, //
};
use crate::device::{
    reg,
    Mmio, //
};
use kernel::prelude::*;

impl FakeGpu {
    /// Removes the GPU: jobs that are not done end with ENODEV, and no new ones can be submitted.
    /// May sleep.
    ///
    /// When this returns, no handler and no work item of the driver runs any more. Fences that
    /// others hold are theirs; the names go with the last [`Context`](super::Context), after a
    /// grace period.
    pub fn remove(&self) {
        for ring in self.rings.iter() {
            let before = core::mem::replace(&mut ring.state.lock().power, Power::Removed);
            if before != Power::Removed {
                ring.works.end();
            }
        }
        self.device.write32(reg::RESET, 1);
        self.device.disconnect();
        // Planted fault, see lib.rs; not part of a copy.
        #[cfg(not(fault = "unload"))]
        self.device.synchronize();
        for ring in self.rings.iter() {
            ring.works.wait();
            let mut state = ring.state.lock();
            ring.retire(&mut state);
            state.end_all(None, ENODEV);
            state.wants_room = false;
            ring.relax(&state);
            drop(state);
            ring.signal();
            // Another thread may signal, at a suspend or another remove.
            let mut state = ring.state.lock();
            while state.signalling {
                ring.progress.wait(&mut state);
            }
            drop(state);
            ring.reap();
        }
    }
}
