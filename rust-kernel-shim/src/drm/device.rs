// SPDX-License-Identifier: GPL-2.0-only

//! Devices of graphics drivers.
//!
//! C header: [`include/drm/drm_device.h`](srctree/include/drm/drm_device.h).

use super::{private::Sealed, Driver, File};
use crate::{
    bindings,
    device::{self, AsBusDevice, Bound},
    ffi::c_int,
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::aref::{ARef, AlwaysRefCounted},
    types::{NotThreadSafe, Opaque},
};
use core::{
    any::TypeId,
    cell::UnsafeCell,
    marker::PhantomData,
    mem::{align_of, offset_of, size_of},
    ops::Deref,
    ptr::NonNull,
};

/// What is known of a device.
pub trait DeviceContext: Sealed + Send + Sync + 'static {}

/// Nothing is known.
pub struct Normal;

impl Sealed for Normal {}
impl DeviceContext for Normal {}

/// It is registered, and the device of its bus bound, as long as the reference is used.
pub struct Registered;

impl Sealed for Registered {}
impl DeviceContext for Registered {}

/// It was registered, and may not be any more: a client has made a call.
pub struct Ioctl;

impl Sealed for Ioctl {}
impl DeviceContext for Ioctl {}

/// A device that clients cannot open yet.
pub struct UnregisteredDevice<T: Driver>(ARef<Device<T>>, NotThreadSafe);

impl<T: Driver> Deref for UnregisteredDevice<T> {
    type Target = Device<T>;

    fn deref(&self) -> &Device<T> {
        &self.0
    }
}

/// C's driver, and which it is.
#[repr(C)]
struct Vtable(bindings::drm_driver, TypeId);

/// Returns the type of the driver.
///
/// # Safety
///
/// The device is from [`UnregisteredDevice::new`].
pub(super) unsafe fn driver_of(dev: *const bindings::drm_device) -> TypeId {
    // SAFETY: It was given such a one, says the caller.
    unsafe { (*(*dev).driver.cast::<Vtable>()).1 }
}

impl<T: Driver> UnregisteredDevice<T> {
    const VTABLE: Vtable = Vtable(Self::DRIVER, TypeId::of::<T>());

    const DRIVER: bindings::drm_driver = bindings::drm_driver {
        open: Some(File::<T::File>::open_callback),
        postclose: Some(File::<T::File>::postclose_callback),
        release: Some(Device::<T>::release),
        major: T::INFO.major,
        minor: T::INFO.minor,
        patchlevel: T::INFO.patchlevel,
        name: as_char_ptr_in_const_context(T::INFO.name),
        desc: as_char_ptr_in_const_context(T::INFO.desc),
        driver_features: bindings::drm_driver_feature_DRIVER_GEM
            | if T::FEAT_RENDER {
                bindings::drm_driver_feature_DRIVER_RENDER
            } else {
                0
            },
        // The type is transparent.
        ioctls: T::IOCTLS.as_ptr().cast(),
        // CAST: There are few.
        num_ioctls: T::IOCTLS.len() as c_int,
    };

    /// Makes a device. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, and those of the initialiser.
    pub fn new(dev: &T::ParentDevice<Bound>, data: impl PinInit<T::Data, Error>) -> Result<Self> {
        let parent = dev.as_ref().as_raw();
        let (size, align) = (size_of::<Device<T>>(), align_of::<Device<T>>());
        // SAFETY: The parent is valid, and the device within the block.
        let raw =
            unsafe { bindings::__drm_dev_alloc(parent, size, align, offset_of!(Device<T>, dev)) };
        let raw = NonNull::new(raw.cast::<Device<T>>()).ok_or(ENOMEM)?;
        // SAFETY: As large as such a device.
        let (dev, slot) = unsafe { (&raw mut (*raw.as_ptr()).dev, &raw mut (*raw.as_ptr()).data) };
        // SAFETY: The memory is valid, and stays where it is.
        if let Err(error) = unsafe { pin_init::raw_try_init(slot, data) } {
            // SAFETY: The reference is ours; without a driver nothing is dropped.
            unsafe { bindings::drm_dev_put(Opaque::cast_into(dev)) };
            return Err(error);
        }
        // SAFETY: Nothing else uses it yet.
        unsafe { (*Opaque::cast_into(dev)).driver = (&raw const *const { &Self::VTABLE }).cast() };
        // SAFETY: As above.
        unsafe {
            let data = &raw mut (*raw.as_ptr()).registration_data;
            data.write(UnsafeCell::new(NonNull::dangling()));
        }
        // SAFETY: All is initialised, and the reference is ours.
        Ok(Self(unsafe { ARef::from_raw(raw) }, PhantomData))
    }
}

/// A device of a driver, with the driver's data.
///
/// # Invariants
///
/// It has a reference count, and is valid while that is not zero.
#[doc(alias = "drm_device")]
#[repr(C)]
pub struct Device<T: Driver, C: DeviceContext = Normal> {
    dev: Opaque<bindings::drm_device>,
    data: T::Data,
    /// That of the registration: written before that, and read in its sections.
    pub(super) registration_data: UnsafeCell<NonNull<T::RegistrationData<'static>>>,
    _ctx: PhantomData<C>,
}

impl<T: Driver, C: DeviceContext> Device<T, C> {
    /// C's pointer.
    pub(crate) fn as_raw(&self) -> *mut bindings::drm_device {
        self.dev.get()
    }

    /// Sees C's device as one of ours.
    ///
    /// # Safety
    ///
    /// `ptr` is valid during `'a`, and one of this driver.
    #[doc(hidden)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::drm_device) -> &'a Self {
        let dev = Opaque::cast_from(ptr).cast_mut();
        // SAFETY: The caller says so.
        unsafe { &*crate::container_of!(dev, Self, dev) }
    }
}

impl<T: Driver, C: DeviceContext> Device<T, C> {
    /// # Safety
    ///
    /// It is in that context as long as the result is used.
    unsafe fn assume_ctx<Other: DeviceContext>(&self) -> &Device<T, Other> {
        let this = core::ptr::from_ref(self).cast();
        // SAFETY: A context is no more than a type; what it stands for, the caller says.
        unsafe { &*this }
    }
}

impl<T: Driver> Device<T, Ioctl> {
    /// Begins a section in which the device is registered; `None` if it is not any more.
    #[doc(alias = "drm_dev_enter")]
    #[must_use]
    pub fn registration_guard(&self) -> Option<RegistrationGuard<'_, T>> {
        let mut idx = 0;
        // SAFETY: The device is valid.
        if !unsafe { bindings::drm_dev_enter(self.as_raw(), &mut idx) } {
            return None;
        }
        Some(RegistrationGuard {
            // SAFETY: Unregistering waits for the end of the section, and comes before unbinding.
            dev: unsafe { self.assume_ctx() },
            idx,
            _not_send: NotThreadSafe,
        })
    }
}

/// A section in which a device is registered.
#[must_use]
pub struct RegistrationGuard<'a, T: Driver> {
    dev: &'a Device<T, Registered>,
    idx: c_int,
    _not_send: NotThreadSafe,
}

impl<T: Driver> Deref for RegistrationGuard<'_, T> {
    type Target = Device<T, Registered>;

    #[inline]
    fn deref(&self) -> &Device<T, Registered> {
        self.dev
    }
}

impl<T: Driver> Drop for RegistrationGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The section was begun with this.
        unsafe { bindings::drm_dev_exit(self.dev.as_raw(), self.idx) };
    }
}

impl<T: Driver> Device<T, Registered> {
    /// Calls `f` with the data of the registration.
    #[inline]
    pub fn registration_data_with<R, F>(&self, f: F) -> R
    where
        F: for<'a> FnOnce(&'a T::RegistrationData<'a>) -> R,
    {
        // SAFETY: Written before it was registered, and not changed until it is not any more.
        let data = unsafe { *self.registration_data.get() };
        // SAFETY: The data is there, since it is registered; `f` takes any lifetime, and so no longer
        // one.
        f(unsafe { data.cast().as_ref() })
    }
}

impl<T: Driver> Device<T> {
    /// # Safety
    ///
    /// `ptr` is that of a device of this driver, to which there is no reference any more.
    unsafe extern "C" fn release(ptr: *mut bindings::drm_device) {
        let dev = Opaque::cast_from(ptr).cast_mut();
        // SAFETY: The caller says so.
        let this = unsafe { crate::container_of!(dev, Self, dev) };
        // SAFETY: As above; C frees the memory.
        unsafe { core::ptr::drop_in_place(this) };
    }
}

impl<T: Driver> Deref for Device<T, Registered> {
    type Target = Device<T>;

    #[inline]
    fn deref(&self) -> &Device<T> {
        // SAFETY: Of it less is known.
        unsafe { self.assume_ctx() }
    }
}

impl<T: Driver> Deref for Device<T, Ioctl> {
    type Target = Device<T>;

    #[inline]
    fn deref(&self) -> &Device<T> {
        // SAFETY: Of it less is known.
        unsafe { self.assume_ctx() }
    }
}

impl<T: Driver> Deref for Device<T> {
    type Target = T::Data;

    fn deref(&self) -> &T::Data {
        &self.data
    }
}

// SAFETY: By the invariant it is valid while there are references; these are C's.
unsafe impl<T: Driver> AlwaysRefCounted for Device<T> {
    fn inc_ref(&self) {
        // SAFETY: The reference that is used says that the count is not zero.
        unsafe { bindings::drm_dev_get(self.as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives its reference.
        unsafe { bindings::drm_dev_put(obj.as_ref().as_raw()) }
    }
}

impl<T: Driver> AsRef<T::ParentDevice<device::Normal>> for Device<T> {
    fn as_ref(&self) -> &T::ParentDevice<device::Normal> {
        // SAFETY: The device is valid, and its parent never changes.
        let dev = unsafe { (*self.as_raw()).dev };
        // SAFETY: It has a reference to its parent.
        let dev = unsafe { device::Device::from_raw(dev) };
        // SAFETY: It was made for such a one.
        unsafe { AsBusDevice::from_device(dev) }
    }
}

impl<T: Driver> AsRef<T::ParentDevice<Bound>> for Device<T, Registered> {
    #[inline]
    fn as_ref(&self) -> &T::ParentDevice<Bound> {
        let dev: &T::ParentDevice<device::Normal> = (**self).as_ref();
        // SAFETY: It is bound, since this is registered.
        let dev = unsafe { dev.as_ref().as_bound() };
        // SAFETY: It was made for such a one.
        unsafe { AsBusDevice::from_device(dev) }
    }
}

// SAFETY: Any thread can drop a reference; the data is `Send`.
unsafe impl<T: Driver, C: DeviceContext> Send for Device<T, C> {}

// SAFETY: What is C's does not change, or has a lock; the data is `Sync`.
unsafe impl<T: Driver, C: DeviceContext> Sync for Device<T, C> {}
