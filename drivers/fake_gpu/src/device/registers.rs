// SPDX-License-Identifier: GPL-2.0-only
//! The registers, and how a driver reads and writes them.
#![forbid(unsafe_code)]

use super::{
    Device,
    Interrupt,
    RingMemory, //
};
use kernel::sync::Arc;

/// Access to a device's registers.
pub trait Mmio {
    /// Reads the register at `offset`; all bits are set if there is none. From any context.
    fn read32(&self, offset: u32) -> u32;

    /// Writes the register at `offset`. From any context, but a `DOORBELL` sleeps: with the
    /// simulated hardware it is what starts its clock.
    fn write32(&self, offset: u32, value: u32);
}

/// The registers of one ring, and the memory that it shares with its engine.
pub struct RingRegisters<H: Interrupt> {
    device: Arc<Device<H>>,
    ring: usize,
}

impl<H: Interrupt> RingRegisters<H> {
    /// Those of `ring`.
    pub fn new(device: &Arc<Device<H>>, ring: usize) -> Self {
        let device = device.clone();
        Self { device, ring }
    }

    /// Reads a register of the ring; all bits are set if there is no such ring. From any context.
    pub fn read(&self, register: u32) -> u32 {
        self.device.read32(reg::of(self.ring, register))
    }

    /// Writes a register of the ring, in the contexts of [`Mmio::write32`].
    pub fn write(&self, register: u32, value: u32) {
        self.device.write32(reg::of(self.ring, register), value);
    }

    /// The memory that the driver and the engine share.
    ///
    /// # Panics
    ///
    /// If there is no such ring.
    pub fn memory(&self) -> &RingMemory {
        self.device.memory(self.ring)
    }
}

/// The offsets of the registers, and their values.
pub mod reg {
    /// Interrupts that have not been acknowledged, a bit for each ring; write-1-to-clear.
    pub const STATUS: u32 = 0x00;
    /// Writing resets all engines; the other registers keep what they have.
    pub const RESET: u32 = 0x04;
    /// The offset of the first ring's registers.
    pub const RINGS: u32 = 0x1000;
    /// The distance from the registers of one ring to those of the next.
    pub const STRIDE: u32 = 0x20;

    /// The end of the commands, in dwords that were ever written.
    pub const TAIL: u32 = 0x00;
    /// The end of the commands that the engine has read, in dwords as `TAIL`. Read-only.
    pub const HEAD: u32 = 0x04;
    /// Writing lets the engine look at `TAIL`. May sleep.
    pub const DOORBELL: u32 = 0x08;
    /// 1 if the ring's interrupts are delivered; what happens while it is 0 is forgotten, except
    /// for a fault, whose interrupt is always delivered.
    pub const IRQ_ENABLE: u32 = 0x0c;
    /// Units of work per tick: [`NORMAL`] or [`BOOST`].
    pub const CLOCK: u32 = 0x10;
    /// Writing resets the engine: it stops, forgets all commands up to `TAIL`, and finishes what
    /// it has begun to write to memory. Afterwards it writes nothing that was asked for before.
    pub const ENGINE_RESET: u32 = 0x14;
    /// 1 if the engine has stopped at a command that it does not understand, or because there
    /// cannot be one that ends at `TAIL`. Read-only.
    pub const FAULTED: u32 = 0x18;
    /// Counts the steps of the engine; a hung engine makes none. Read-only.
    pub const ACTIVITY: u32 = 0x1c;

    /// The clock at its usual speed.
    pub const NORMAL: u32 = 1;
    /// The clock while a deadline is near.
    pub const BOOST: u32 = 4;

    /// The `register` of a ring.
    pub const fn of(ring: usize, register: u32) -> u32 {
        RINGS + ring as u32 * STRIDE + register
    }
}
