// SPDX-License-Identifier: GPL-2.0-only

//! Devices that are a file in `/dev` and nothing more.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h).

use crate::{
    bindings,
    build_assert::build_error,
    error::{code::EIO, to_result, Error, Result, VTABLE_DEFAULT_ERROR},
    ffi::{c_int, c_long, c_uint, c_ulong},
    fs::File,
    prelude::*,
    str::CStr,
    types::{ForeignOwnable, Opaque},
};
use core::marker::PhantomData;

/// What a device is made with.
#[derive(Clone, Copy)]
pub struct MiscDeviceOptions {
    /// The name of its file.
    pub name: &'static CStr,
}

impl MiscDeviceOptions {
    /// C's device, not registered yet.
    pub const fn into_raw<T: MiscDevice>(self) -> bindings::miscdevice {
        let mut device = bindings::miscdevice::NONE;
        device.minor = bindings::MISC_DYNAMIC_MINOR;
        device.name = bindings::as_char_ptr(self.name);
        device.fops = &VTable::<T>::OPS;
        device
    }
}

/// A device that is registered; dropping this removes its file, while those that are open stay so.
///
/// # Invariants
///
/// `inner` is registered.
#[repr(transparent)]
#[pin_data(PinnedDrop)]
pub struct MiscDeviceRegistration<T> {
    #[pin]
    inner: Opaque<bindings::miscdevice>,
    _device: PhantomData<T>,
}

// SAFETY: Any thread may remove a device.
unsafe impl<T> Send for MiscDeviceRegistration<T> {}

// SAFETY: A reference leads to what does not change.
unsafe impl<T> Sync for MiscDeviceRegistration<T> {}

impl<T: MiscDevice> MiscDeviceRegistration<T> {
    /// Registers a device. May sleep.
    ///
    /// # Errors
    ///
    /// EEXIST if there is a file of that name; ENOMEM.
    #[doc(alias = "misc_register")]
    pub fn register(opts: MiscDeviceOptions) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: Registered, if there is no error.
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                // SAFETY: `slot` is valid for writes, and stays where it is until it is
                // deregistered; the operations are static.
                unsafe {
                    slot.write(opts.into_raw::<T>());
                    to_result(bindings::misc_register(slot))
                }
            }),
            _device: PhantomData,
        })
    }

    /// Returns C's pointer.
    pub fn as_raw(&self) -> *mut bindings::miscdevice {
        self.inner.get()
    }
}

#[pinned_drop]
impl<T> PinnedDrop for MiscDeviceRegistration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the invariant.
        unsafe { bindings::misc_deregister(self.inner.get()) }
    }
}

/// What a device does. Of the kernel's functions, those that have a caller here.
#[vtable]
pub trait MiscDevice: Sized {
    /// What belongs to an open file.
    type Ptr: ForeignOwnable + Send + Sync;

    /// A program opens the device. May sleep.
    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Self::Ptr>;

    /// The last reference to a file is gone. May sleep.
    fn release(device: Self::Ptr, _file: &File) {
        drop(device);
    }

    /// A program makes a call; `arg` is an address in its memory, or a number. May sleep.
    fn ioctl(
        _device: <Self::Ptr as ForeignOwnable>::Borrowed<'_>,
        _file: &File,
        _cmd: u32,
        _arg: usize,
    ) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

struct VTable<T>(PhantomData<T>);

impl<T: MiscDevice> VTable<T> {
    const OPS: bindings::file_operations = bindings::file_operations {
        open: Some(Self::open),
        release: Some(Self::release),
        unlocked_ioctl: if T::HAS_IOCTL {
            Some(Self::ioctl)
        } else {
            None
        },
        compat_ioctl: if T::HAS_IOCTL {
            Some(bindings::compat_ptr_ioctl)
        } else {
            None
        },
        ..bindings::file_operations::NONE
    };

    /// # Safety
    ///
    /// The file is being opened, by the name of a registered device with a `T`.
    unsafe extern "C" fn open(_inode: *mut bindings::inode, raw: *mut bindings::file) -> c_int {
        // SAFETY: The file is valid; C has set its private data to the device, which is not removed
        // during the call.
        let (file, misc) = unsafe {
            (
                File::from_raw_file(raw),
                &*(*raw).private_data.cast::<MiscDeviceRegistration<T>>(),
            )
        };
        match bindings::driver_code("a device's open", || T::open(file, misc)) {
            Some(Ok(ptr)) => {
                // SAFETY: The private data is ours from here on.
                unsafe { (*raw).private_data = ptr.into_foreign() };
                0
            }
            Some(Err(error)) => error.to_errno(),
            None => EIO.to_errno(),
        }
    }

    /// # Safety
    ///
    /// The last reference to a file is gone that `open` has opened.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, raw: *mut bindings::file) -> c_int {
        // SAFETY: The caller's guarantee: `open` has made the data, which is not used any more.
        let (ptr, file) = unsafe {
            (
                T::Ptr::from_foreign((*raw).private_data),
                File::from_raw_file(raw),
            )
        };
        let _ = bindings::driver_code("a device's release", || T::release(ptr, file));
        0
    }

    /// # Safety
    ///
    /// `open` has opened the file, to which there is a reference.
    unsafe extern "C" fn ioctl(raw: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: The caller's guarantee: `open` has made the data, which lives as long as the file.
        let (device, file) = unsafe {
            (
                T::Ptr::borrow((*raw).private_data),
                File::from_raw_file(raw),
            )
        };
        match bindings::driver_code("a device's ioctl", || T::ioctl(device, file, cmd, arg)) {
            Some(Ok(result)) => result,
            Some(Err(error)) => error.to_errno() as c_long,
            None => EIO.to_errno() as c_long,
        }
    }
}
