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
    Mmio,
    RingRegisters, //
};
use core::ops::Deref;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
};

/// The registers of a ring, whose interrupts go to the handler of all.
pub(super) type Registers = RingRegisters<Rings>;

/// All rings: what the handler gets.
#[pin_data]
pub(super) struct Rings {
    device: Arc<Device<Rings>>,
    rings: KVec<Arc<Ring>>,
    spurious: Atomic<u64>,
    /// Held while the rings run empty for a suspend, and while they start again.
    #[pin]
    pub(super) sleep: Mutex<()>,
}

impl Rings {
    pub(super) fn new(device: Arc<Device<Rings>>, rings: KVec<Arc<Ring>>) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                device,
                rings,
                spurious: Atomic::new(0),
                sleep <- new_mutex!((), "Rings::sleep"),
            }),
            GFP_KERNEL,
        )
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
        // In Linux a handler returns IRQ_NONE here, and IRQ_HANDLED below.
        if status == 0 {
            self.spurious.add(1u64, Relaxed);
            return;
        }
        // STATUS is write-1-to-clear. Acknowledged before the look: what happens after that raises
        // another interrupt.
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
        // To start jobs in the space that is free now, or to reset the ring.
        Ring::kick(this);
        // Last: a waiter for the handler's end finds it counted.
        this.state.lock().stats.interrupts += 1;
    }
}
