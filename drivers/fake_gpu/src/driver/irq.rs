// SPDX-License-Identifier: GPL-2.0-only
//! The interrupt handler.
#![forbid(unsafe_code)]

use super::{
    ring::Ring,
    stats::Stats, //
};
use crate::device::{
    reg,
    Device,
    Interrupt,
    Mmio, //
};
use core::ops::Deref;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// All rings: what the handler gets.
pub(super) struct Rings {
    device: Arc<Device<Rings>>,
    rings: KVec<Arc<Ring>>,
    spurious: Atomic<u64>,
}

impl Rings {
    pub(super) fn new(device: Arc<Device<Rings>>, rings: KVec<Arc<Ring>>) -> Result<Arc<Self>> {
        let rings = Self {
            device,
            rings,
            spurious: Atomic::new(0),
        };
        Ok(Arc::new(rings, GFP_KERNEL)?)
    }

    pub(super) fn stats(&self) -> Stats {
        let all = Stats {
            spurious: self.spurious.load(Relaxed),
            ..Stats::default()
        };
        let rings = self.rings.iter();
        rings.fold(all, |sum, ring| sum + ring.state.lock().stats)
    }
}

impl Deref for Rings {
    type Target = [Arc<Ring>];

    fn deref(&self) -> &[Arc<Ring>] {
        &self.rings
    }
}

impl Interrupt for Rings {
    fn handle(&self) {
        let status = self.device.read32(reg::STATUS);
        if status == 0 {
            self.spurious.add(1u64, Relaxed);
            return;
        }
        // Acknowledged before we look: what happens after that raises another interrupt.
        self.device.write32(reg::STATUS, status);
        for (index, ring) in self.rings.iter().enumerate() {
            if status & 1 << index != 0 {
                Ring::interrupt(ring);
            }
        }
    }
}

impl Ring {
    /// The ring has written something back, or has stopped. In hardirq context.
    fn interrupt(this: &Arc<Self>) {
        let mut state = this.state.lock();
        this.retire(&mut state);
        drop(state);
        this.signal();
        // To make room and start what waits for it; or to reset the ring.
        Ring::kick(this);
        // Last: who has waited for us finds it counted.
        this.state.lock().stats.interrupts += 1;
    }
}
