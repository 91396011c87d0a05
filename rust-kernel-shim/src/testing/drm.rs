// SPDX-License-Identifier: GPL-2.0-only
//! Clients of graphics devices.

use crate::{
    bindings,
    drm::{Device, Driver, File},
    error::{code::EINVAL, to_result, Result},
    transmute::{AsBytes, FromBytes},
};
use core::{marker::PhantomData, ptr::NonNull};

/// A client that has a device open; dropping it closes the file, which may sleep.
///
/// # Invariants
///
/// `file` is one of the driver's that is open, and this is its owner.
pub struct DrmClient<T: Driver> {
    file: NonNull<bindings::drm_file>,
    _driver: PhantomData<T>,
}

// SAFETY: A client may close its file in any thread, if the driver's data may be dropped there.
unsafe impl<T: Driver> Send for DrmClient<T> where T::File: Send {}

// SAFETY: A reference leads to the driver's data, and to what has a lock.
unsafe impl<T: Driver> Sync for DrmClient<T> where T::File: Sync {}

impl<T: Driver> DrmClient<T> {
    /// Opens a device. May sleep.
    ///
    /// # Errors
    ///
    /// ENODEV if it is not registered, or not any more; ENOMEM, and those of the driver.
    pub fn open(device: &Device<T>) -> Result<Self> {
        Self::open_as(device, false)
    }

    /// As [`open`](Self::open), by a client that only renders; ENODEV if the driver has none.
    pub fn open_render(device: &Device<T>) -> Result<Self> {
        Self::open_as(device, true)
    }

    fn open_as(device: &Device<T>, render: bool) -> Result<Self> {
        let mut file = core::ptr::null_mut();
        // SAFETY: The device is valid, and has its driver.
        to_result(unsafe { bindings::debug_drm_open(device.as_raw(), render, &mut file) })?;
        // INVARIANT: Opened above.
        // SAFETY: It is there, since there is no error.
        let file = unsafe { NonNull::new_unchecked(file) };
        Ok(Self {
            file,
            _driver: PhantomData,
        })
    }

    /// Returns the file.
    pub fn file(&self) -> &File<T::File> {
        // SAFETY: By the invariant it is open as long as this is there.
        unsafe { File::from_raw(self.file.as_ptr()) }
    }

    /// Makes a call of the driver's, with its number and argument, and returns its result. May sleep.
    ///
    /// # Errors
    ///
    /// ENODEV if the device is not registered any more; EINVAL if there is no such call, or the argument
    /// is not of the number's size; EACCES if it is none of this client's; and those of the driver.
    #[doc(alias = "drm_ioctl")]
    pub fn ioctl<S: AsBytes + FromBytes>(&self, cmd: u32, argument: &mut S) -> Result<u32> {
        if crate::ioctl::_IOC_SIZE(cmd) != size_of::<S>() {
            return Err(EINVAL);
        }
        let argument = core::ptr::from_mut(argument).cast();
        // SAFETY: The file is open, and the argument as large as the number says. It is plain data.
        let result = unsafe { bindings::debug_drm_ioctl(self.file.as_ptr(), cmd, argument) };
        to_result(result)?;
        Ok(result.cast_unsigned())
    }

    /// Gives a handle back; EINVAL if there is none. May sleep.
    #[doc(alias = "drm_gem_handle_delete")]
    pub fn close_handle(&self, handle: u32) -> Result {
        // SAFETY: By the invariant the file is open.
        to_result(unsafe { bindings::drm_gem_handle_delete(self.file.as_ptr(), handle) })
    }
}

impl<T: Driver> Drop for DrmClient<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is the owner.
        unsafe { bindings::debug_drm_close(self.file.as_ptr()) }
    }
}
