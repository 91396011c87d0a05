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
    irq::{
        Handler,
        IrqReturn, //
    },
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

impl Interrupt for Rings {}

impl Handler for Rings {
    fn handle(&self) -> IrqReturn {
        let status = self.device.read32(reg::STATUS);
        if status == 0 {
            self.spurious.add(1u64, Relaxed);
            return IrqReturn::None;
        }
        // STATUS is write-1-to-clear. Acknowledged before the look: what happens after that raises
        // another interrupt.
        self.device.write32(reg::STATUS, status);
        for (index, ring) in self.rings.iter().enumerate() {
            if status & 1 << index != 0 {
                Ring::interrupt(ring);
            }
        }
        IrqReturn::Handled
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{
        Config,
        FakeGpu,
        Job, //
    };
    use dma_fence::{
        testing::register,
        FenceCallback, //
    };
    use kernel::testing::vcpu;

    /// Keeps what STATUS was when the fence signalled.
    struct Look(Arc<Device<Rings>>, Arc<Atomic<u32>>);

    impl FenceCallback for Look {
        fn on_signal(&mut self) {
            self.1.store(self.0.read32(reg::STATUS), Relaxed);
        }
    }

    /// If it did so later, it would forget what the engine tells from its look on.
    #[test]
    fn the_handler_acknowledges_before_it_looks() {
        let body = || -> Result {
            let gpu = FakeGpu::new(Config {
                watchdog: None,
                ..Config::default()
            })?;
            let fence = gpu.context(0, c"client")?.submit(Job::Work(1), &[])?;
            let status = Arc::new(Atomic::new(u32::MAX), GFP_KERNEL)?;
            let look = Look(gpu.device.clone(), status.clone());
            let _registration = register(&fence, look).map_err(|_| EINVAL)?;
            fence.wait();
            assert_eq!(gpu.stats().interrupts, 1, "the handler has signalled it");
            assert_eq!(status.load(Relaxed), 0);
            Ok(())
        };
        vcpu::fifo(body).expect("it ends").expect("all went well");
    }
}
