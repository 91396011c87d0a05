// SPDX-License-Identifier: GPL-2.0-only

//! Files by which clients have a device open.
//!
//! C header: [`include/drm/drm_file.h`](srctree/include/drm/drm_file.h).

use super::{private::Sealed, Device, Driver};
use crate::{bindings, ffi::c_int, prelude::*, types::Opaque};
use core::marker::PhantomData;

/// The driver's data of a file.
pub trait DriverFile {
    /// The driver.
    type Driver: Driver;

    /// A client opens the device. May sleep.
    fn open(device: &Device<Self::Driver>) -> Result<Pin<KBox<Self>>>;
}

/// A file by which a client has a device open.
///
/// # Invariants
///
/// It is valid, and has a `T`.
#[doc(alias = "drm_file")]
#[repr(transparent)]
pub struct File<T: DriverFile>(Opaque<bindings::drm_file>, PhantomData<T>);

impl<T: DriverFile> File<T> {
    /// Sees C's file as one of ours.
    ///
    /// # Safety
    ///
    /// `ptr` is valid during `'a`, and one of this driver that is open.
    #[doc(hidden)]
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::drm_file) -> &'a File<T> {
        // SAFETY: The caller says so; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// C's pointer.
    pub(crate) fn as_raw(&self) -> *mut bindings::drm_file {
        self.0.get()
    }

    fn driver_priv(&self) -> *mut T {
        // SAFETY: The file is valid, and this does not change.
        unsafe { (*self.as_raw()).driver_priv }.cast()
    }

    /// Returns the driver's data.
    pub fn inner(&self) -> Pin<&T> {
        // SAFETY: By the invariant there is one, as long as the file.
        let inner = unsafe { &*self.driver_priv() };
        // SAFETY: It came pinned, and is not moved.
        unsafe { Pin::new_unchecked(inner) }
    }

    /// # Safety
    ///
    /// Both are valid, of this driver, and the file is not open yet.
    pub(crate) unsafe extern "C" fn open_callback(
        dev: *mut bindings::drm_device,
        file: *mut bindings::drm_file,
    ) -> c_int {
        // SAFETY: The caller says so.
        let device = unsafe { Device::from_raw(dev) };
        match bindings::driver_code("a file's open", || T::open(device)) {
            Some(Ok(inner)) => {
                // SAFETY: It is not moved until the file is closed.
                let inner = KBox::into_raw(unsafe { Pin::into_inner_unchecked(inner) });
                // SAFETY: The file is valid, and not used by any other yet.
                unsafe { (*file).driver_priv = inner.cast() };
                0
            }
            Some(Err(error)) => error.to_errno(),
            // It has panicked.
            None => EIO.to_errno(),
        }
    }

    /// # Safety
    ///
    /// The file is one of this driver that was open, and not used any more.
    pub(crate) unsafe extern "C" fn postclose_callback(
        _dev: *mut bindings::drm_device,
        file: *mut bindings::drm_file,
    ) {
        // SAFETY: The caller says so.
        let inner = unsafe { Self::from_raw(file) }.driver_priv();
        // SAFETY: From `into_raw()`, and not used any more.
        drop(unsafe { KBox::into_pin(KBox::from_raw(inner)) });
    }
}

impl<T: DriverFile> Sealed for File<T> {}
