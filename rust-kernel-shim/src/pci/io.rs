// SPDX-License-Identifier: GPL-2.0-only

//! Base address registers.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h).

use super::Device;
use crate::{
    bindings,
    device::Bound,
    devres::DevresLt,
    ffi::c_int,
    io::{IoBase, Mmio, MmioBackend, MmioRaw, Region},
    prelude::*,
    types::{CovariantForLt, ForLt},
};

/// A base address register, mapped as long as this is there.
///
/// No other is kept from mapping it as well (`pci_request_region()`).
///
/// # Invariants
///
/// It is mapped at the address of `io`.
pub struct Bar<'a, const SIZE: usize = 0> {
    pdev: &'a Device<Bound>,
    io: MmioRaw<Region<SIZE>>,
}

impl<const SIZE: usize> ForLt for Bar<'static, SIZE> {
    type Of<'a> = Bar<'a, SIZE>;
}

// SAFETY: A reference to a device is all that has the lifetime.
unsafe impl<const SIZE: usize> CovariantForLt for Bar<'static, SIZE> {}

/// A base address register that is mapped until the device is unbound, or this is dropped.
pub type DevresBar<const SIZE: usize = 0> = DevresLt<Bar<'static, SIZE>>;

impl<'a, const SIZE: usize> Bar<'a, SIZE> {
    #[track_caller]
    pub(super) fn new(pdev: &'a Device<Bound>, bar: u32, _name: &'static CStr) -> Result<Self> {
        let size = usize::try_from(pdev.resource_len(bar)?)?;
        let bar: c_int = bar.cast_signed();
        // SAFETY: The device is valid.
        let addr = unsafe { bindings::pci_iomap(pdev.as_raw(), bar, 0) };
        if addr.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: Mapped above.
        let io = MmioRaw::new_region(addr.addr(), size)
            .inspect_err(|_| unsafe { bindings::pci_iounmap(pdev.as_raw(), addr) })?;
        // INVARIANT: As above.
        Ok(Self { pdev, io })
    }

    /// Gives the mapping to the device. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn into_devres(self) -> Result<DevresBar<SIZE>> {
        let dev = self.pdev.as_ref();
        // SAFETY: The device, and its mapping, are there until it is unbound.
        unsafe { DevresLt::new(dev, self) }
    }
}

impl<const SIZE: usize> Drop for Bar<'_, SIZE> {
    fn drop(&mut self) {
        let addr = core::ptr::without_provenance_mut(self.io.addr());
        // SAFETY: By the invariant it is mapped there.
        unsafe { bindings::pci_iounmap(self.pdev.as_raw(), addr) }
    }
}

impl<'a, const SIZE: usize> IoBase<'a> for &'a Bar<'_, SIZE> {
    type Backend = MmioBackend;
    type Target = Region<SIZE>;

    #[inline]
    fn as_view(self) -> Mmio<'a, Region<SIZE>> {
        // SAFETY: By the invariant it is mapped as long as this is there; `new_region()` has looked at
        // the alignment.
        unsafe { Mmio::from_raw(self.io) }
    }
}
