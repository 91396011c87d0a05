// SPDX-License-Identifier: GPL-2.0-only

//! Drivers of devices, whatever their bus.
//!
//! C header: [`include/linux/device/driver.h`](srctree/include/linux/device/driver.h).
//!
//! A driver implements the trait of its bus, as [`platform::Driver`](crate::platform::Driver), and
//! declares itself by the macro of the bus, as
//! [`module_platform_driver!`](crate::module_platform_driver). Its probe initialises its data of a
//! device, which is dropped after its `unbind`, and before what the device owns ([`devres`](crate::devres)).

use crate::{
    acpi, bindings,
    device::{self, CoreInternal},
    ffi::c_int,
    of,
    prelude::*,
    types::Opaque,
};

/// How C's driver is laid out.
///
/// # Safety
///
/// A `DriverType` has a `device_driver` at [`DEVICE_DRIVER_OFFSET`](Self::DEVICE_DRIVER_OFFSET), and the
/// data that its probe sets is a `DriverData`.
pub unsafe trait DriverLayout {
    /// C's driver.
    type DriverType: Default;

    /// The data of a device that is bound.
    type DriverData<'bound>;

    /// The offset of its `device_driver`, in bytes.
    const DEVICE_DRIVER_OFFSET: usize;
}

/// How a driver is registered.
///
/// # Safety
///
/// After `register` has succeeded, `unregister` may be called once.
pub unsafe trait RegistrationOps: DriverLayout {
    /// Registers a driver. May sleep.
    ///
    /// # Safety
    ///
    /// It is initialised, and stays where it is until it is unregistered.
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result;

    /// Unregisters a driver; its devices are unbound when this returns. May sleep.
    ///
    /// # Safety
    ///
    /// It was registered.
    unsafe fn unregister(reg: &Opaque<Self::DriverType>);
}

/// A driver that is registered, until this is dropped; which unbinds its devices, and may sleep.
#[pin_data(PinnedDrop)]
pub struct Registration<T: RegistrationOps> {
    #[pin]
    reg: Opaque<T::DriverType>,
}

// SAFETY: A reference leads to nothing.
unsafe impl<T: RegistrationOps> Sync for Registration<T> {}

// SAFETY: Any task of the machine can unregister it; one of another finds a BUG.
unsafe impl<T: RegistrationOps> Send for Registration<T> {}

impl<T: RegistrationOps> Registration<T> {
    /// # Safety
    ///
    /// `dev` is one of this driver, which has returned from its remove.
    unsafe extern "C" fn post_unbind_callback(dev: *mut bindings::device) {
        // SAFETY: The caller says so; it is a callback of the bus.
        let dev = unsafe { device::Device::<CoreInternal<'_>>::from_raw(dev) };
        // SAFETY: The data is a `DriverData`, says the trait.
        let data = unsafe { dev.drvdata_obtain::<T::DriverData<'_>>() };
        bindings::driver_code("the drop of a driver's data", || drop(data));
    }

    /// Registers a driver, and binds the devices that it is for. May sleep.
    pub fn new(name: &'static CStr, module: &'static ThisModule) -> impl PinInit<Self, Error>
    where
        T: 'static,
    {
        try_pin_init!(Self {
            reg <- Opaque::try_ffi_init(|ptr: *mut T::DriverType| {
                // SAFETY: It is valid for writes.
                unsafe { ptr.write(T::DriverType::default()) };
                let drv = ptr.wrapping_byte_add(T::DEVICE_DRIVER_OFFSET);
                let drv = drv.cast::<bindings::device_driver>();
                // SAFETY: There is one, says the trait.
                unsafe { (*drv).p_cb.post_unbind_rust = Some(Self::post_unbind_callback) };
                // SAFETY: Just initialised; the type is transparent.
                let reg = unsafe { &*ptr.cast::<Opaque<T::DriverType>>() };
                // SAFETY: It is pinned, and unregistered when it is dropped.
                unsafe { T::register(reg, name, module) }
            }),
        })
    }
}

#[pinned_drop]
impl<T: RegistrationOps> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It was registered when it was initialised.
        unsafe { T::unregister(&self.reg) };
    }
}

/// Declares a module that is no more than one driver.
#[macro_export]
macro_rules! module_driver {
    (<$driver:ident>, $adapter:ty, { type: $type:ty, $($rest:tt)* }) => {
        type Ops<$driver> = $adapter;

        #[$crate::prelude::pin_data]
        struct DriverModule {
            #[pin]
            _driver: $crate::driver::Registration<Ops<$type>>,
        }

        impl $crate::InPlaceModule for DriverModule {
            fn init(
                module: &'static $crate::ThisModule,
            ) -> impl ::pin_init::PinInit<Self, $crate::error::Error> {
                let name = <Self as $crate::ModuleMetadata>::NAME;
                $crate::try_pin_init!(Self {
                    _driver <- $crate::driver::Registration::new(name, module),
                })
            }
        }

        $crate::prelude::module! {
            type: DriverModule,
            $($rest)*
        }
    };
}

/// A driver whose devices firmware may describe.
pub trait Adapter {
    /// What the driver says of a device.
    type IdInfo: 'static;

    /// The devices of ACPI that it is for.
    fn acpi_id_table() -> Option<acpi::IdTable<Self::IdInfo>>;

    /// The devices of a device tree that it is for.
    fn of_id_table() -> Option<of::IdTable<Self::IdInfo>>;

    /// Returns what the driver says of a device; `None` if its name alone has matched.
    ///
    /// # Safety
    ///
    /// The device is bound to this driver.
    #[inline]
    unsafe fn id_info(dev: &device::Device) -> Option<&'static Self::IdInfo> {
        // SAFETY: The device is valid, and bound.
        let info = unsafe { bindings::device_get_match_data(dev.as_raw()) };
        // SAFETY: From a table of this driver, or null.
        unsafe { info.cast::<Self::IdInfo>().as_ref() }
    }
}

/// Calls a probe, and makes what it returns the data of the device.
pub(crate) fn probed<T, I: PinInit<T, Error>>(
    dev: &device::Device<CoreInternal<'_>>,
    probe: impl FnOnce() -> I,
) -> c_int {
    match bindings::driver_code("a driver's probe", || dev.set_drvdata(probe())) {
        Some(Ok(())) => 0,
        Some(Err(error)) => error.to_errno(),
        // It has panicked.
        None => EIO.to_errno(),
    }
}

/// Declares the devices of a bus: C's type, and C's function that says whether a device is one.
macro_rules! bus_device {
    ($(#[$doc:meta])* $c_type:ident, $is:ident) => {
        $(#[$doc])*
        ///
        /// # Invariants
        ///
        /// It has a reference count, and is valid while that is not zero.
        #[repr(transparent)]
        pub struct Device<Ctx: device::DeviceContext = device::Normal>(
            Opaque<bindings::$c_type>,
            PhantomData<Ctx>,
        );

        impl<Ctx: device::DeviceContext> Device<Ctx> {
            /// C's pointer.
            #[allow(dead_code)]
            pub(crate) fn as_raw(&self) -> *mut bindings::$c_type {
                self.0.get()
            }
        }

        // SAFETY: It is a field of it.
        unsafe impl<Ctx: device::DeviceContext> device::AsBusDevice<Ctx> for Device<Ctx> {
            const OFFSET: usize = core::mem::offset_of!(bindings::$c_type, dev);
        }

        // SAFETY: A device is transparent, and its context no more than a type.
        crate::impl_device_context_deref!(unsafe { Device });
        crate::impl_device_context_into_aref!(Device);

        // SAFETY: By the invariant it is valid while there are references; these are C's.
        unsafe impl crate::sync::aref::AlwaysRefCounted for Device {
            fn inc_ref(&self) {
                // SAFETY: The reference that is used says that the count is not zero.
                unsafe { bindings::get_device(self.as_ref().as_raw()) };
            }

            unsafe fn dec_ref(obj: core::ptr::NonNull<Self>) {
                // SAFETY: The caller gives its reference, so that it is valid until then.
                let dev = unsafe { &raw mut (*obj.as_ref().as_raw()).dev };
                // SAFETY: As above.
                unsafe { bindings::put_device(dev) }
            }
        }

        impl<Ctx: device::DeviceContext> AsRef<device::Device<Ctx>> for Device<Ctx> {
            fn as_ref(&self) -> &device::Device<Ctx> {
                // SAFETY: By the invariant it is valid, and so is what is in it.
                let dev = unsafe { &raw mut (*self.as_raw()).dev };
                // SAFETY: As above; it is in the same context.
                unsafe { device::Device::from_raw(dev) }
            }
        }

        /// EINVAL if the device is of another bus.
        impl<'a, Ctx: device::DeviceContext> TryFrom<&'a device::Device<Ctx>> for &'a Device<Ctx> {
            type Error = Error;

            fn try_from(dev: &'a device::Device<Ctx>) -> Result<Self> {
                // SAFETY: The device is valid.
                if !unsafe { bindings::$is(dev.as_raw()) } {
                    return Err(EINVAL);
                }
                // SAFETY: It is one of this bus, as just seen.
                Ok(unsafe { device::AsBusDevice::from_device(dev) })
            }
        }

        // SAFETY: Any thread can drop a reference.
        unsafe impl Send for Device {}

        // SAFETY: What is C's does not change, or has a lock.
        unsafe impl Sync for Device {}

        // SAFETY: As above.
        unsafe impl Sync for Device<device::Bound> {}
    };
}
pub(crate) use bus_device;
