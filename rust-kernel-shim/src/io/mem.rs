// SPDX-License-Identifier: GPL-2.0-only

//! Registers in memory, while they are mapped.
//!
//! C header: [`include/linux/io.h`](srctree/include/linux/io.h).

use super::{IoBase, Mmio, MmioBackend, MmioRaw, Region, Resource};
use crate::{
    bindings,
    device::{Bound, Device},
    devres::DevresLt,
    prelude::*,
    types::{CovariantForLt, ForLt},
};

/// The right to map registers of a device, while that is bound.
pub struct IoRequest<'a> {
    device: &'a Device<Bound>,
    resource: &'a Resource,
}

impl<'a> IoRequest<'a> {
    /// # Safety
    ///
    /// The resource is one of the device's.
    pub(crate) unsafe fn new(device: &'a Device<Bound>, resource: &'a Resource) -> Self {
        Self { device, resource }
    }

    /// Maps the registers, which are of `SIZE` bytes at least. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if they are fewer, none, or no words; ENOMEM.
    #[track_caller]
    pub fn iomap_sized<const SIZE: usize>(self) -> Result<IoMem<'a, SIZE>> {
        let size = self.resource.size().try_into()?;
        if size == 0 {
            return Err(EINVAL);
        }
        // SAFETY: They are registers, and more than none.
        let addr = unsafe { bindings::ioremap(self.resource.start(), size) };
        if addr.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: Mapped above.
        let io = MmioRaw::new_region(addr.addr(), size)
            .inspect_err(|_| unsafe { bindings::iounmap(addr) })?;
        // INVARIANT: Mapped above.
        Ok(IoMem {
            dev: self.device,
            io,
        })
    }

    /// Maps the registers, of which no size is known. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if there are none, or no words; ENOMEM.
    #[track_caller]
    pub fn iomap(self) -> Result<IoMem<'a>> {
        self.iomap_sized::<0>()
    }
}

/// Registers of a device, mapped as long as this is there.
///
/// # Invariants
///
/// They are mapped at the address of `io`.
pub struct IoMem<'a, const SIZE: usize = 0> {
    dev: &'a Device<Bound>,
    io: MmioRaw<Region<SIZE>>,
}

impl<const SIZE: usize> ForLt for IoMem<'static, SIZE> {
    type Of<'a> = IoMem<'a, SIZE>;
}

// SAFETY: A reference to a device is all that has the lifetime.
unsafe impl<const SIZE: usize> CovariantForLt for IoMem<'static, SIZE> {}

/// Registers that are mapped until the device is unbound, or this is dropped.
pub type DevresIoMem<const SIZE: usize = 0> = DevresLt<IoMem<'static, SIZE>>;

impl<'a, const SIZE: usize> IoMem<'a, SIZE> {
    /// Gives the mapping to the device. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{
    ///     faux,
    ///     io::Io,
    ///     prelude::*,
    ///     sync::Arc,
    ///     testing::{IoRegion, Registers},
    /// };
    ///
    /// struct Version;
    ///
    /// impl Registers for Version {
    ///     fn read(&self, _offset: usize, _size: usize) -> u64 {
    ///         7
    ///     }
    ///
    ///     fn write(&self, _offset: usize, _size: usize, _value: u64) {}
    /// }
    ///
    /// let region = IoRegion::new(4, Arc::new(Version, GFP_KERNEL)?)?;
    /// let device = faux::Registration::new(c"gpu", None)?;
    /// let registers = region.request(device.as_ref().as_ref()).iomap_sized::<4>()?.into_devres()?;
    /// assert_eq!(registers.try_access().map(|io| io.read32(0)), Some(7));
    /// drop(device);
    /// assert!(registers.try_access().is_none());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn into_devres(self) -> Result<DevresIoMem<SIZE>> {
        let dev = self.dev;
        // SAFETY: The device, and its mapping, are there until it is unbound.
        unsafe { DevresLt::new(dev, self) }
    }
}

impl<const SIZE: usize> Drop for IoMem<'_, SIZE> {
    fn drop(&mut self) {
        let addr = core::ptr::without_provenance_mut(self.io.addr());
        // SAFETY: By the invariant they are mapped there.
        unsafe { bindings::iounmap(addr) }
    }
}

impl<'a, const SIZE: usize> IoBase<'a> for &'a IoMem<'_, SIZE> {
    type Backend = MmioBackend;
    type Target = Region<SIZE>;

    #[inline]
    fn as_view(self) -> Mmio<'a, Region<SIZE>> {
        // SAFETY: By the invariant they are mapped as long as this is there; `new_region()` has
        // looked at the alignment.
        unsafe { Mmio::from_raw(self.io) }
    }
}
