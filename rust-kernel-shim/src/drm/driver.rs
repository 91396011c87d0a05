// SPDX-License-Identifier: GPL-2.0-only

//! Drivers, and the registration of their devices.
//!
//! C header: [`include/drm/drm_drv.h`](srctree/include/drm/drm_drv.h).

use super::{file::DriverFile, gem::IntoGEMObject, private::Sealed, Device, UnregisteredDevice};
use crate::{
    bindings,
    device::{self, AsBusDevice, Bound},
    error::to_result,
    macros::vtable,
    prelude::*,
    sync::aref::ARef,
};
use core::ptr::NonNull;

/// What a driver says of itself.
pub struct DriverInfo {
    /// The version.
    pub major: i32,
    /// The version.
    pub minor: i32,
    /// The version.
    pub patchlevel: i32,
    /// The name.
    pub name: &'static CStr,
    /// What it drives.
    pub desc: &'static CStr,
}

/// A kind of memory object.
pub trait AllocImpl: Sealed + IntoGEMObject {
    /// The driver.
    type Driver: Driver;
}

/// A driver.
#[vtable]
pub trait Driver: Sized + 'static {
    /// The data of a device.
    type Data: Sync + Send;

    /// The data of a registration.
    type RegistrationData<'a>: Send + Sync + 'a;

    /// Its memory objects.
    type Object: AllocImpl;

    /// The data of a file.
    type File: DriverFile<Driver = Self>;

    /// The device of a bus, in some context.
    type ParentDevice<Ctx: device::DeviceContext>: AsBusDevice<Ctx>;

    /// What it says of itself.
    const INFO: DriverInfo;

    /// Its calls: see [`declare_drm_ioctls!`](crate::declare_drm_ioctls).
    const IOCTLS: &'static [super::ioctl::DrmIoctlDescriptor];

    /// Those who only render may open it.
    const FEAT_RENDER: bool = false;
}

/// A device that clients can open, until this is dropped; files stay open longer.
pub struct Registration<'a, T: Driver> {
    drm: ARef<Device<T>>,
    _reg_data: Pin<KBox<T::RegistrationData<'a>>>,
}

impl<'a, T: Driver> Registration<'a, T> {
    /// Registers a device. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if it was made for another device; ENOMEM, and those of the initialiser.
    ///
    /// # Safety
    ///
    /// The registration is dropped while the device of its bus is bound, and not forgotten: calls of
    /// clients get at its data, and at that device.
    pub unsafe fn new<E>(
        dev: &'a device::Device<Bound>,
        drm: UnregisteredDevice<T>,
        reg_data: impl PinInit<T::RegistrationData<'a>, E>,
        flags: usize,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        let parent: &T::ParentDevice<device::Normal> = (*drm).as_ref();
        if parent.as_ref().as_raw() != dev.as_raw() {
            return Err(EINVAL);
        }
        let reg_data = KBox::pin_init(reg_data, GFP_KERNEL)?;
        let data = NonNull::from(reg_data.as_ref().get_ref()).cast();
        // SAFETY: It is not registered yet, so no client reads this.
        unsafe { *drm.registration_data.get() = data };
        // SAFETY: The device is valid.
        to_result(unsafe { bindings::drm_dev_register(drm.as_raw(), flags) })?;
        Ok(Self {
            drm: (&*drm).into(),
            _reg_data: reg_data,
        })
    }

    /// Returns the device.
    pub fn device(&self) -> &Device<T> {
        &self.drm
    }
}

// SAFETY: A reference leads to the device only, which is `Sync`.
unsafe impl<T: Driver> Sync for Registration<'_, T> {}

// SAFETY: Any thread can end it; the data is `Send`.
unsafe impl<T: Driver> Send for Registration<'_, T> {}

impl<T: Driver> Drop for Registration<'_, T> {
    fn drop(&mut self) {
        // SAFETY: The device is valid. After this no section is left that uses the data.
        unsafe { bindings::drm_dev_unplug(self.drm.as_raw()) }
    }
}
