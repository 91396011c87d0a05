// SPDX-License-Identifier: GPL-2.0-only
//! Simulated devices of the PCI bus.

use super::{IoRegion, Registers};
use crate::{
    alloc::{flags::GFP_KERNEL, KVec},
    bindings,
    error::{
        code::{EINVAL, ENOMEM},
        to_result, Result,
    },
    pci::{self, Class, Vendor},
    sync::Arc,
};
use core::ptr::NonNull;

/// A simulated device of the PCI bus, until this is dropped: which unbinds it, as if it had been taken
/// out, and may sleep.
///
/// It belongs to the machine in which it was made, and is dropped there.
///
/// # Invariants
///
/// `pdev` is on the bus, and this is its owner. Its registers are there until it is unbound.
pub struct PciDevice {
    pdev: NonNull<bindings::pci_dev>,
    _regions: KVec<IoRegion>,
}

// SAFETY: Any task of the machine can unbind it; one of another finds a BUG.
unsafe impl Send for PciDevice {}

// SAFETY: A reference leads to the device, which is `Sync`, and to nothing else.
unsafe impl Sync for PciDevice {}

impl PciDevice {
    /// A device of a vendor and a class, without registers yet.
    #[allow(clippy::new_ret_no_self, reason = "it is not there before `add()`")]
    pub fn new(vendor: Vendor, device: u16, class: Class) -> PciDeviceBuilder {
        PciDeviceBuilder {
            vendor,
            device,
            class,
            slot: 0,
            parts: Ok((KVec::new(), KVec::new())),
        }
    }

    /// Returns the device.
    pub fn device(&self) -> &pci::Device {
        // SAFETY: By the invariant it is valid; the type is transparent.
        unsafe { self.pdev.cast().as_ref() }
    }

    /// Returns whether a driver has it.
    pub fn is_bound(&self) -> bool {
        // SAFETY: By the invariant it is valid.
        unsafe { bindings::device_is_bound(&raw mut (*self.pdev.as_ptr()).dev) }
    }
}

impl Drop for PciDevice {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is on the bus, and this is its owner.
        unsafe { bindings::pci_stop_and_remove_bus_device(self.pdev.as_ptr()) }
    }
}

/// What a [`PciDevice`] is to be.
#[must_use]
pub struct PciDeviceBuilder {
    vendor: Vendor,
    device: u16,
    class: Class,
    slot: u8,
    parts: Result<(KVec<usize>, KVec<IoRegion>)>,
}

impl PciDeviceBuilder {
    /// Its slot on the bus, of which there are 32.
    pub fn slot(mut self, slot: u8) -> Self {
        self.slot = slot;
        self
    }

    /// Gives it a base address register of `size` bytes, and the device that answers there.
    pub fn bar<T: Registers>(mut self, bar: usize, size: usize, device: Arc<T>) -> Self {
        self.parts = self.parts.and_then(|(mut bars, mut regions)| {
            if bar >= bindings::PCI_NUM_RESOURCES as usize {
                return Err(EINVAL);
            }
            bars.push(bar, GFP_KERNEL)?;
            regions.push(IoRegion::new(size, device)?, GFP_KERNEL)?;
            Ok((bars, regions))
        });
        self
    }

    /// Puts it on the bus, where a driver that is for it binds it. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; EINVAL if there are not so many base address registers, EEXIST if the slot is taken. That a
    /// probe fails is none.
    pub fn add(self) -> Result<PciDevice> {
        let (bars, regions) = self.parts?;
        let pdev = NonNull::new(bindings::debug_pci_alloc_dev()).ok_or(ENOMEM)?;
        // SAFETY: Made above, and nothing else uses it yet.
        let dev = unsafe { &mut *pdev.as_ptr() };
        dev.vendor = self.vendor.as_raw();
        dev.device = self.device;
        dev.class = self.class.as_raw();
        dev.devfn = u32::from(self.slot) << 3;
        for (&bar, region) in bars.iter().zip(regions.iter()) {
            // SAFETY: It is a region, of which the addresses do not change.
            let registers = unsafe { &*bindings::debug_io_resource(region.as_raw()) };
            dev.resource[bar] =
                bindings::debug_platform_resource(Some(registers), 0, core::ptr::null());
        }
        // SAFETY: It is valid, and not on the bus yet.
        if let Err(error) = to_result(unsafe { bindings::debug_pci_device_add(pdev.as_ptr()) }) {
            // SAFETY: It is not on the bus, and the reference is ours.
            unsafe { bindings::put_device(&raw mut (*pdev.as_ptr()).dev) };
            return Err(error);
        }
        // INVARIANT: Added above.
        Ok(PciDevice {
            pdev,
            _regions: regions,
        })
    }
}
