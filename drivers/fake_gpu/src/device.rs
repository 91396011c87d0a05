// SPDX-License-Identifier: GPL-2.0-only
//! The hardware: rings, one engine for each, and an interrupt line.
//!
//! A ring is an array of dwords that the driver fills with [`Command`]s. It writes the new end to
//! the ring's `TAIL` register and rings the `DOORBELL`; the engine executes, one unit of work per
//! tick (more if its clock is boosted), and writes the number of each `FENCE` command back to
//! memory. Then it raises the ring's interrupt; but what happens while that is disabled is not
//! remembered, so a driver that enables it has to look at the memory afterwards.
#![forbid(unsafe_code)]

mod clock;
mod command;
mod engine;
mod faults;
mod line;
mod memory;
mod registers;

pub use self::{
    clock::TICK,
    command::Command,
    faults::{
        Fault,
        Faults, //
    },
    line::Interrupt,
    memory::{
        RingMemory,
        DWORDS, //
    },
    registers::{
        reg,
        Mmio,
        RingRegisters, //
    },
};

use self::{
    engine::Engine,
    line::Line, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The rings that a device can have: as many as its interrupt status has bits.
pub const MAX_RINGS: usize = 32;

/// A device, whose interrupts go to an `H`.
pub struct Device<H: Interrupt> {
    line: Arc<Line<H>>,
    engines: KVec<Arc<Engine<H>>>,
}

impl<H: Interrupt> Device<H> {
    /// Switches a device on. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if there are no rings or more than [`MAX_RINGS`]; ENOMEM.
    pub fn new(rings: usize, faults: Faults, seed: u64) -> Result<Arc<Self>> {
        if rings == 0 || rings > MAX_RINGS {
            return Err(EINVAL);
        }
        let mut memory = KVec::with_capacity(rings, GFP_KERNEL)?;
        for _ in 0..rings {
            memory.push(RingMemory::new()?, GFP_KERNEL)?;
        }
        let memory = Arc::new(memory, GFP_KERNEL)?;
        let line = Line::new()?;
        let mut engines = KVec::with_capacity(rings, GFP_KERNEL)?;
        for index in 0..rings {
            let engine = Engine::new(index, memory.clone(), line.clone(), faults, seed)?;
            engines.push(engine, GFP_KERNEL)?;
        }
        Ok(Arc::new(Self { line, engines }, GFP_KERNEL)?)
    }

    fn memory(&self, ring: usize) -> &RingMemory {
        self.engines[ring].memory()
    }

    /// Interrupts go to `handler` from now on.
    #[doc(alias = "request_irq")]
    pub fn connect(&self, handler: Arc<H>) {
        self.line.connect(Some(handler));
    }

    /// Interrupts are lost from now on, but the handler may still be running.
    pub fn disconnect(&self) {
        self.line.connect(None);
    }

    /// Waits until no handler is running. May sleep.
    #[doc(alias = "synchronize_irq")]
    pub fn synchronize(&self) {
        self.line.synchronize();
    }

    /// The engine of a ring, and the ring's register that is at `offset`.
    fn engine(&self, offset: u32) -> Option<(&Arc<Engine<H>>, u32)> {
        let offset = offset.checked_sub(reg::RINGS)?;
        let engine = self.engines.get((offset / reg::STRIDE) as usize)?;
        Some((engine, offset % reg::STRIDE))
    }
}

impl<H: Interrupt> Mmio for Device<H> {
    fn read32(&self, offset: u32) -> u32 {
        match self.engine(offset) {
            Some((engine, register)) => engine.read(register),
            None if offset == reg::STATUS => self.line.status(),
            // There is no such register.
            None => u32::MAX,
        }
    }

    fn write32(&self, offset: u32, value: u32) {
        match self.engine(offset) {
            Some((engine, register)) => Engine::write(engine, register, value),
            None if offset == reg::STATUS => self.line.acknowledge(value),
            None if offset == reg::RESET => self.engines.iter().for_each(|engine| engine.reset()),
            None => {}
        }
    }
}

impl<H: Interrupt> Drop for Device<H> {
    fn drop(&mut self) {
        self.engines.iter().for_each(|engine| engine.switch_off());
    }
}
