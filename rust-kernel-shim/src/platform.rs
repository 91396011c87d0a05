// SPDX-License-Identifier: GPL-2.0-only

//! The bus of devices that only firmware, or a board, knows of.
//!
//! C header: [`include/linux/platform_device.h`](srctree/include/linux/platform_device.h).
//!
//! Here the devices are simulated ones: see [`testing::PlatformDevice`](crate::testing::PlatformDevice).

use crate::{
    acpi, bindings,
    device::{self, Bound, CoreInternal},
    driver,
    error::to_result,
    ffi::c_int,
    io::{mem::IoRequest, Resource},
    irq::{self, IrqRequest},
    of,
    prelude::*,
    types::Opaque,
};
use core::{marker::PhantomData, mem::offset_of};

/// What C calls for a driver.
pub struct Adapter<T: Driver>(T);

// SAFETY: It is a field of it; `probe_callback()` sets such data.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::platform_driver;
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
        drv.driver.name = name.as_char_ptr();
        drv.probe = Some(Self::probe_callback);
        drv.remove = Some(Self::remove_callback);
        drv.driver.of_match_table =
            T::OF_ID_TABLE.map_or(core::ptr::null(), |table| table.as_ptr());
        drv.driver.acpi_match_table =
            T::ACPI_ID_TABLE.map_or(core::ptr::null(), |table| table.as_ptr());
        // SAFETY: It stays where it is: the caller's guarantee.
        to_result(unsafe {
            bindings::__platform_driver_register(pdrv.get(), module.as_ptr(), name.as_char_ptr())
        })
    }

    unsafe fn unregister(pdrv: &Opaque<Self::DriverType>) {
        // SAFETY: It was registered: the caller's guarantee.
        unsafe { bindings::platform_driver_unregister(pdrv.get()) }
    }
}

impl<T: Driver> Adapter<T> {
    /// # Safety
    ///
    /// `pdev` is valid, and gets this driver.
    unsafe extern "C" fn probe_callback(pdev: *mut bindings::platform_device) -> c_int {
        // SAFETY: The caller says so; it is a callback of the bus.
        let pdev = unsafe { &*pdev.cast::<Device<CoreInternal<'_>>>() };
        // SAFETY: The device has this driver.
        let info = unsafe { <Self as driver::Adapter>::id_info(pdev.as_ref()) };
        driver::probed(pdev.as_ref(), || T::probe(pdev, info))
    }

    /// # Safety
    ///
    /// `pdev` is valid, and has this driver.
    unsafe extern "C" fn remove_callback(pdev: *mut bindings::platform_device) {
        // SAFETY: The caller says so; it is a callback of the bus.
        let pdev = unsafe { &*pdev.cast::<Device<CoreInternal<'_>>>() };
        // SAFETY: Its probe has succeeded, and set such data.
        let data = unsafe { pdev.as_ref().drvdata_borrow::<T::Data<'_>>() };
        bindings::driver_code("a driver's unbind", || T::unbind(pdev, data));
    }
}

impl<T: Driver> driver::Adapter for Adapter<T> {
    type IdInfo = T::IdInfo;

    fn of_id_table() -> Option<of::IdTable<Self::IdInfo>> {
        T::OF_ID_TABLE
    }

    fn acpi_id_table() -> Option<acpi::IdTable<Self::IdInfo>> {
        T::ACPI_ID_TABLE
    }
}

/// Declares a module that is no more than a driver of this bus.
///
/// # Examples
///
/// ```
/// use kernel::{device::Core, of, platform, prelude::*, testing::{insmod, PlatformDevice}};
///
/// struct Lamp;
///
/// kernel::of_device_table!(TABLE, u32, [(of::DeviceId::new(c"acme,lamp"), 60)]);
///
/// impl platform::Driver for Lamp {
///     type IdInfo = u32;
///     type Data<'bound> = Self;
///     const OF_ID_TABLE: Option<of::IdTable<u32>> = Some(&TABLE);
///
///     fn probe<'bound>(
///         dev: &'bound platform::Device<Core<'_>>,
///         watts: Option<&'bound u32>,
///     ) -> impl PinInit<Self, Error> + 'bound {
///         dev_info!(dev, "{} W\n", watts.ok_or(ENODEV)?);
///         Ok(Lamp)
///     }
/// }
///
/// kernel::module_platform_driver! {
///     type: Lamp,
///     name: "lamp",
///     license: "GPL",
/// }
///
/// # fn main() -> Result {
/// let driver = insmod::<DriverModule>()?;
/// let device = PlatformDevice::new(c"desk").compatible(c"acme,lamp").add()?;
/// assert!(device.is_bound());
/// drop(driver);
/// assert!(!device.is_bound());
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! module_platform_driver {
    ($($module:tt)*) => {
        $crate::module_driver!(<T>, $crate::platform::Adapter<T>, { $($module)* });
    };
}

/// A driver of this bus.
///
/// It is for the devices that its tables name, and for those of its own name.
pub trait Driver {
    /// What it says of a device in its tables.
    type IdInfo: 'static;

    /// Its data of a device that is bound.
    type Data<'bound>: Send + 'bound;

    /// The devices of a device tree that it is for.
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = None;

    /// The devices of ACPI that it is for.
    const ACPI_ID_TABLE: Option<acpi::IdTable<Self::IdInfo>> = None;

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
    #[doc(alias = "platform_device")]
    platform_device, dev_is_platform
}

impl<Ctx: device::DeviceContext> Device<Ctx> {
    /// Returns the registers with this number; `None` if there are not so many.
    pub fn resource_by_index(&self, index: u32) -> Option<&Resource> {
        // SAFETY: The device is valid.
        let resource = unsafe {
            bindings::platform_get_resource(self.as_raw(), bindings::IORESOURCE_MEM, index)
        };
        // SAFETY: A resource of the device is there as long as it is.
        (!resource.is_null()).then(|| unsafe { Resource::from_raw(resource) })
    }

    /// Returns the registers with this name; `None` if there are none.
    pub fn resource_by_name(&self, name: &CStr) -> Option<&Resource> {
        let (kind, name) = (bindings::IORESOURCE_MEM, name.as_char_ptr());
        // SAFETY: The device is valid, and the name NUL-terminated.
        let resource = unsafe { bindings::platform_get_resource_byname(self.as_raw(), kind, name) };
        // SAFETY: A resource of the device is there as long as it is.
        (!resource.is_null()).then(|| unsafe { Resource::from_raw(resource) })
    }
}

impl Device<Bound> {
    /// Returns the right to map the registers with this number.
    pub fn io_request_by_index(&self, index: u32) -> Option<IoRequest<'_>> {
        let resource = self.resource_by_index(index)?;
        // SAFETY: It is the device's.
        Some(unsafe { IoRequest::new(self.as_ref(), resource) })
    }

    /// Returns the right to map the registers with this name.
    pub fn io_request_by_name(&self, name: &CStr) -> Option<IoRequest<'_>> {
        let resource = self.resource_by_name(name)?;
        // SAFETY: It is the device's.
        Some(unsafe { IoRequest::new(self.as_ref(), resource) })
    }

    /// The right to a handler of the interrupt with this number; C's errors.
    fn irq_request(&self, irq: c_int) -> Result<IrqRequest<'_>> {
        to_result(irq.min(0))?;
        // SAFETY: It is the device's, whose lines are there as long as it is bound.
        Ok(unsafe { IrqRequest::new(self.as_ref(), irq.cast_unsigned()) })
    }
}

/// Declares the ways to an interrupt: by what, as C takes it.
macro_rules! interrupts {
    ($(
        $text:literal $by:ident($arg:ident: $type:ty, $type_a:ty => $c_arg:expr) of $c_function:ident:
        $request:ident, $threaded:ident;
    )*) => {
        impl Device<Bound> {$(
            #[doc = concat!("Returns the right to a handler of the interrupt with this ", $text, "; ENXIO if there is none.")]
            pub fn $by(&self, $arg: $type) -> Result<IrqRequest<'_>> {
                // SAFETY: The device is valid, and a name NUL-terminated.
                self.irq_request(unsafe { bindings::$c_function(self.as_raw(), $c_arg) })
            }

            #[doc = concat!("Registers a handler of the interrupt with this ", $text, ". May sleep.")]
            ///
            /// # Errors
            ///
            /// ENXIO if there is none, and those of [`irq::Registration::new`].
            ///
            /// # Safety
            ///
            /// The registration is dropped, and not forgotten.
            pub unsafe fn $request<'a, T: irq::Handler + 'a>(
                &'a self,
                flags: irq::Flags,
                $arg: $type_a,
                name: &'static CStr,
                handler: impl PinInit<T, Error> + 'a,
            ) -> impl PinInit<irq::Registration<'a, T>, Error> + 'a {
                pin_init::pin_init_scope(move || {
                    let request = self.$by($arg)?;
                    // SAFETY: The caller's guarantee.
                    Ok(unsafe { irq::Registration::new(request, flags, name, handler) })
                })
            }

            #[doc = concat!("Registers a handler with a thread of the interrupt with this ", $text, ". May sleep.")]
            ///
            /// # Errors
            ///
            /// ENXIO if there is none, and those of [`irq::ThreadedRegistration::new`].
            ///
            /// # Safety
            ///
            /// The registration is dropped, and not forgotten.
            pub unsafe fn $threaded<'a, T: irq::ThreadedHandler + 'a>(
                &'a self,
                flags: irq::Flags,
                $arg: $type_a,
                name: &'static CStr,
                handler: impl PinInit<T, Error> + 'a,
            ) -> impl PinInit<irq::ThreadedRegistration<'a, T>, Error> + 'a {
                pin_init::pin_init_scope(move || {
                    let request = self.$by($arg)?;
                    // SAFETY: The caller's guarantee.
                    Ok(unsafe { irq::ThreadedRegistration::new(request, flags, name, handler) })
                })
            }
        )*}
    };
}

interrupts! {
    "number" irq_by_index(index: u32, u32 => index) of platform_get_irq:
        request_irq_by_index, request_threaded_irq_by_index;
    "number" optional_irq_by_index(index: u32, u32 => index) of platform_get_irq_optional:
        request_optional_irq_by_index, request_optional_threaded_irq_by_index;
    "name" irq_by_name(irq_name: &CStr, &'a CStr => irq_name.as_char_ptr())
        of platform_get_irq_byname: request_irq_by_name, request_threaded_irq_by_name;
    "name" optional_irq_by_name(irq_name: &CStr, &'a CStr => irq_name.as_char_ptr())
        of platform_get_irq_byname_optional:
        request_optional_irq_by_name, request_optional_threaded_irq_by_name;
}
