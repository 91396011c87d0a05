// SPDX-License-Identifier: GPL-2.0-only

//! The PCI bus.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h).
//!
//! Here the devices are simulated ones: see [`testing::PciDevice`](crate::testing::PciDevice). They have
//! an identity and base address registers; what is missing of Linux is their configuration space, their
//! interrupts, which the platform bus has, and virtual functions.

use crate::{
    bindings,
    device::{self, Bound, CoreInternal},
    device_id::{RawDeviceId, RawDeviceIdIndex},
    driver,
    error::to_result,
    ffi::c_int,
    prelude::*,
    types::Opaque,
};
use core::{marker::PhantomData, mem::offset_of};

mod id;
mod io;

pub use id::{Class, ClassMask, Vendor};
pub use io::{Bar, DevresBar};

/// What C calls for a driver.
pub struct Adapter<T: Driver>(T);

// SAFETY: It is a field of it; `probe_callback()` sets such data.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::pci_driver;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(Self::DriverType, driver);
}

// SAFETY: C's registration can be undone.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        pdrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: It is initialised, and nothing else uses it yet.
        let drv = unsafe { &mut *pdrv.get() };
        drv.name = name.as_char_ptr();
        drv.probe = Some(Self::probe_callback);
        drv.remove = Some(Self::remove_callback);
        drv.id_table = T::ID_TABLE.as_ptr();
        // SAFETY: It stays where it is: the caller's guarantee.
        to_result(unsafe {
            bindings::__pci_register_driver(pdrv.get(), module.as_ptr(), name.as_char_ptr())
        })
    }

    unsafe fn unregister(pdrv: &Opaque<Self::DriverType>) {
        // SAFETY: It was registered: the caller's guarantee.
        unsafe { bindings::pci_unregister_driver(pdrv.get()) }
    }
}

impl<T: Driver> Adapter<T> {
    /// # Safety
    ///
    /// `pdev` is valid, and gets this driver; `id` is in its table.
    unsafe extern "C" fn probe_callback(
        pdev: *mut bindings::pci_dev,
        id: *const bindings::pci_device_id,
    ) -> c_int {
        // SAFETY: The caller says so; it is a callback of the bus.
        let pdev = unsafe { &*pdev.cast::<Device<CoreInternal<'_>>>() };
        // SAFETY: The caller says so; the type is transparent.
        let id = unsafe { &*id.cast::<DeviceId>() };
        // SAFETY: It is in a table with such data.
        let info = unsafe { id.info_unchecked_opt::<T::IdInfo>() };
        driver::probed(pdev.as_ref(), || T::probe(pdev, info))
    }

    /// # Safety
    ///
    /// `pdev` is valid, and has this driver.
    unsafe extern "C" fn remove_callback(pdev: *mut bindings::pci_dev) {
        // SAFETY: The caller says so; it is a callback of the bus.
        let pdev = unsafe { &*pdev.cast::<Device<CoreInternal<'_>>>() };
        // SAFETY: Its probe has succeeded, and set such data.
        let data = unsafe { pdev.as_ref().drvdata_borrow::<T::Data<'_>>() };
        bindings::driver_code("a driver's unbind", || T::unbind(pdev, data));
    }
}

/// Declares a module that is no more than a driver of this bus.
#[macro_export]
macro_rules! module_pci_driver {
    ($($module:tt)*) => {
        $crate::module_driver!(<T>, $crate::pci::Adapter<T>, { $($module)* });
    };
}

/// A device, as a driver names it.
#[doc(alias = "pci_device_id")]
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(bindings::pci_device_id);

impl DeviceId {
    const ANY: u32 = !0;

    const fn new(vendor: u32, device: u32, class: u32, class_mask: u32) -> Self {
        Self(bindings::pci_device_id {
            vendor,
            device,
            subvendor: Self::ANY,
            subdevice: Self::ANY,
            class,
            class_mask,
            driver_data: 0,
            override_only: 0,
        })
    }

    /// A device of a vendor.
    #[inline]
    pub const fn from_id(vendor: Vendor, device: u32) -> Self {
        Self::new(vendor.as_raw() as u32, device, 0, 0)
    }

    /// Devices of a class, of which the bits in the mask are looked at.
    #[inline]
    pub const fn from_class(class: u32, class_mask: u32) -> Self {
        Self::new(Self::ANY, Self::ANY, class, class_mask)
    }

    /// Devices of a class, and of a vendor.
    #[inline]
    pub const fn from_class_and_vendor(
        class: Class,
        class_mask: ClassMask,
        vendor: Vendor,
    ) -> Self {
        let (class, mask) = (class.as_raw(), class_mask.as_raw());
        Self::new(vendor.as_raw() as u32, Self::ANY, class, mask)
    }
}

// SAFETY: Transparent; a table ends with one that is all zero.
unsafe impl RawDeviceId for DeviceId {
    type RawType = bindings::pci_device_id;
}

// SAFETY: It is as large as a pointer.
unsafe impl RawDeviceIdIndex for DeviceId {
    const DRIVER_DATA_OFFSET: usize = offset_of!(bindings::pci_device_id, driver_data);
}

/// A table of such devices.
pub type IdTable<T> = &'static dyn crate::device_id::IdTable<DeviceId, T>;

/// Declares a table of such devices.
#[macro_export]
macro_rules! pci_device_table {
    ($($table:tt)*) => {
        $crate::module_device_table!("pci", $crate::pci::DeviceId, $($table)*);
    };
}

/// A driver of this bus.
pub trait Driver {
    /// What it says of a device in its table.
    type IdInfo: 'static;

    /// Its data of a device that is bound.
    type Data<'bound>: Send + 'bound;

    /// The devices that it is for.
    const ID_TABLE: IdTable<Self::IdInfo>;

    /// A device is there: initialises the data of it. May sleep.
    fn probe<'bound>(
        dev: &'bound Device<device::Core<'_>>,
        id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// The device, or the driver, goes; the data is dropped after this. May sleep.
    fn unbind<'bound>(dev: &'bound Device<device::Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }
}

driver::bus_device! {
    /// A device of this bus, in a context that says what may be done with it.
    #[doc(alias = "pci_dev")]
    pci_dev, dev_is_pci
}

/// Declares what a device says of itself.
macro_rules! identity {
    ($($text:literal $method:ident: $field:ident, $type:ty;)*) => {
        impl Device {$(
            #[doc = concat!("Returns ", $text, ".")]
            #[inline]
            pub fn $method(&self) -> $type {
                // SAFETY: The device is valid, and this never changes.
                unsafe { (*self.as_raw()).$field }
            }
        )*}
    };
}

identity! {
    "what it is" device_id: device, u16;
    "its revision" revision_id: revision, u8;
    "who has built it in" subsystem_vendor_id: subsystem_vendor, u16;
    "what it was built in" subsystem_device_id: subsystem_device, u16;
}

impl Device {
    /// Returns who makes it.
    #[inline]
    pub fn vendor_id(&self) -> Vendor {
        // SAFETY: The device is valid, and this never changes.
        Vendor::from_raw(unsafe { (*self.as_raw()).vendor })
    }

    /// Returns its class.
    #[inline]
    pub fn pci_class(&self) -> Class {
        // SAFETY: The device is valid, and this never changes.
        Class::from_raw(unsafe { (*self.as_raw()).class })
    }

    /// C's number of a base address register; EINVAL if no device has so many.
    fn bar(bar: u32) -> Result<c_int> {
        if bar >= bindings::PCI_NUM_RESOURCES {
            return Err(EINVAL);
        }
        Ok(bar.cast_signed())
    }

    /// Returns the first address of a base address register, 0 if it is not there; EINVAL if no device
    /// has so many.
    pub fn resource_start(&self, bar: u32) -> Result<bindings::resource_size_t> {
        let bar = Self::bar(bar)?;
        // SAFETY: The device is valid.
        Ok(unsafe { bindings::pci_resource_start(self.as_raw(), bar) })
    }

    /// Returns the number of addresses of a base address register, 0 if it is not there; EINVAL if no
    /// device has so many.
    pub fn resource_len(&self, bar: u32) -> Result<bindings::resource_size_t> {
        let bar = Self::bar(bar)?;
        // SAFETY: The device is valid.
        Ok(unsafe { bindings::pci_resource_len(self.as_raw(), bar) })
    }
}

impl Device<Bound> {
    /// Maps a base address register of `SIZE` bytes at least. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if it is smaller, no words, or no device has so many; ENOMEM if it is not there, or
    /// without memory.
    #[track_caller]
    pub fn iomap_region_sized<'a, const SIZE: usize>(
        &'a self,
        bar: u32,
        name: &'static CStr,
    ) -> Result<Bar<'a, SIZE>> {
        Bar::new(self, bar, name)
    }

    /// As [`iomap_region_sized`](Self::iomap_region_sized), of any size.
    #[track_caller]
    pub fn iomap_region<'a>(&'a self, bar: u32, name: &'static CStr) -> Result<Bar<'a>> {
        self.iomap_region_sized::<0>(bar, name)
    }
}
