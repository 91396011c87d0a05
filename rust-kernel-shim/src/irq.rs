// SPDX-License-Identifier: GPL-2.0-only

//! Interrupts of devices.
//!
//! C header: [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h).
//!
//! Here a line is that of a simulated device: see [`IrqLine`](crate::testing::IrqLine), by which
//! tests raise it. It has edges, as that of a PCI device, and no levels.

mod flags;
mod request;

pub use flags::Flags;
pub use request::{
    Handler, IrqRequest, IrqReturn, Registration, ThreadedHandler, ThreadedIrqReturn,
    ThreadedRegistration,
};
