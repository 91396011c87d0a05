// SPDX-License-Identifier: GPL-2.0-only
//! Interrupt lines of simulated devices.

use crate::{
    bindings,
    device::{Bound, Device},
    error::{code::ENOMEM, Result},
    irq::IrqRequest,
};
use core::ptr::NonNull;

/// The interrupt line of a simulated device.
///
/// It belongs to the machine in which it was made, and so do the tasks that use it.
///
/// # Invariants
///
/// `0` is a line, and this is its owner.
pub struct IrqLine(NonNull<bindings::irq_desc>);

// SAFETY: What can be done with a line, any thread can do, and end it too.
unsafe impl Send for IrqLine {}

// SAFETY: As above; C has a lock for it.
unsafe impl Sync for IrqLine {}

impl IrqLine {
    /// A line without a handler. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new() -> Result<Self> {
        // INVARIANT: Made for this.
        NonNull::new(bindings::debug_irq_line())
            .map(Self)
            .ok_or(ENOMEM)
    }

    /// Returns the number of the interrupt.
    pub fn number(&self) -> u32 {
        // SAFETY: By the invariant it is a line.
        unsafe { bindings::debug_irq_number(self.0.as_ptr()) }
    }

    /// The right to register a handler, as the bus of a device hands it out.
    pub fn request<'a>(&'a self, device: &'a Device<Bound>) -> IrqRequest<'a> {
        let irq = self.number();
        // SAFETY: The line is the device's from now on, and there during the borrow.
        unsafe { IrqRequest::new(device, irq) }
    }

    /// Raises the interrupt: its handlers have run when this returns, in hardirq context, unless
    /// interrupts are disabled here, or another task has raised it just now and runs them. From any
    /// context.
    ///
    /// If the line is disabled it comes when it is enabled; if there is no handler, never.
    pub fn raise(&self) {
        // SAFETY: The line is there until the drop, which waits for what was raised.
        unsafe { bindings::debug_irq_raise(self.0.as_ptr()) }
    }

    /// Disables the line, and waits until its handlers do not run any more. May sleep.
    #[doc(alias = "disable_irq")]
    #[track_caller]
    pub fn disable(&self) {
        // SAFETY: By the invariant it is a line.
        unsafe { bindings::disable_irq(self.number()) }
    }

    /// Undoes one [`disable`](Self::disable). From any context.
    #[doc(alias = "enable_irq")]
    pub fn enable(&self) {
        // SAFETY: By the invariant it is a line.
        unsafe { bindings::enable_irq(self.number()) }
    }
}

impl Drop for IrqLine {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is the owner; registrations have borrowed it.
        unsafe { bindings::debug_irq_line_goes(self.0.as_ptr()) }
    }
}
