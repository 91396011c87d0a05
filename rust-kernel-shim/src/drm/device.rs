// SPDX-License-Identifier: GPL-2.0-only

//! Devices of graphics drivers.
//!
//! C header: [`include/drm/drm_device.h`](srctree/include/drm/drm_device.h).

use super::{private::Sealed, Driver, File};
use crate::{
    bindings,
    device::{self, AsBusDevice, Bound},
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::aref::{ARef, AlwaysRefCounted},
    types::{NotThreadSafe, Opaque},
};
use core::{
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

/// A device that clients cannot open yet.
pub struct UnregisteredDevice<T: Driver>(ARef<Device<T>>, NotThreadSafe);

impl<T: Driver> Deref for UnregisteredDevice<T> {
    type Target = Device<T>;

    fn deref(&self) -> &Device<T> {
        &self.0
    }
}

impl<T: Driver> UnregisteredDevice<T> {
    const VTABLE: bindings::drm_driver = bindings::drm_driver {
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
        unsafe { (*Opaque::cast_into(dev)).driver = const { &Self::VTABLE } };
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

// SAFETY: Any thread can drop a reference; the data is `Send`.
unsafe impl<T: Driver, C: DeviceContext> Send for Device<T, C> {}

// SAFETY: What is C's does not change, or has a lock; the data is `Sync`.
unsafe impl<T: Driver, C: DeviceContext> Sync for Device<T, C> {}
