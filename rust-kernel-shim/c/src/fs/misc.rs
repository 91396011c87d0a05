// SPDX-License-Identifier: GPL-2.0-only
//! Devices that are a file in `/dev` and nothing more.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)

use super::{
    file::file_operations,
    namei::{create, dentry, remove, Root},
};
use crate::{
    devices::device,
    ffi::{c_char, c_int},
    is_err,
};
use core::ptr::{addr_of_mut, null, null_mut};

/// Says that any number will do.
pub const MISC_DYNAMIC_MINOR: c_int = 255;

/// A device.
#[repr(C)]
pub struct miscdevice {
    /// Its number, of no meaning here.
    pub minor: c_int,
    /// Its name, NUL-terminated.
    pub name: *const c_char,
    /// What can be done with its files.
    pub fops: *const file_operations,
    /// Null: there is no device behind it.
    pub this_device: *mut device,
    name_in_dev: *mut dentry,
}

impl miscdevice {
    /// As C has it before its members are set.
    pub const NONE: Self = Self {
        minor: 0,
        name: null(),
        fops: null(),
        this_device: null_mut(),
        name_in_dev: null_mut(),
    };
}

/// Makes the file: 0, or -EEXIST or -ENOMEM. An `open` finds the device in the file's
/// `private_data`. May sleep.
///
/// # Safety
///
/// It stays valid until it is deregistered; `fops` until no file is open.
#[track_caller]
pub unsafe fn misc_register(misc: *mut miscdevice) -> c_int {
    // SAFETY: The caller's guarantees.
    unsafe {
        let name = crate::from_char_ptr((*misc).name);
        let made = create(Root::Dev, null_mut(), name, misc.cast(), (*misc).fops);
        if is_err(made) {
            // CAST: C's `PTR_ERR()`.
            return made.addr() as c_int;
        }
        addr_of_mut!((*misc).name_in_dev).write(made);
        0
    }
}

/// Removes the file; those that are open stay so. May sleep.
///
/// # Safety
///
/// The device is registered.
#[track_caller]
pub unsafe fn misc_deregister(misc: *mut miscdevice) {
    // SAFETY: The caller's guarantee.
    unsafe { remove((*misc).name_in_dev) }
}
