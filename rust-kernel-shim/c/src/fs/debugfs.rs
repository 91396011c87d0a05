// SPDX-License-Identifier: GPL-2.0-only
//! debugfs: files in which drivers show what they know.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)
//!
//! A function that is passed an error pointer as the directory returns it, as in C; so that a
//! driver need not look whether it has got one.

use super::{
    file::file_operations,
    namei::{create, dentry, remove, Root},
};
use crate::{
    ffi::{c_char, c_void},
    is_err,
};
use core::ptr::null;

/// C: `umode_t`.
pub type umode_t = u16;

/// Makes a directory, in `parent` or at the top; or returns an error pointer: -EEXIST, -ENOMEM,
/// -EACCES for a name that no path can have. May sleep.
///
/// # Safety
///
/// `parent` is a directory that is not removed, null, or an error pointer.
#[track_caller]
pub unsafe fn debugfs_create_dir(name: *const c_char, parent: *mut dentry) -> *mut dentry {
    if is_err(parent) {
        return parent;
    }
    // SAFETY: The caller's guarantees.
    unsafe {
        let name = crate::from_char_ptr(name);
        create(Root::Debugfs, parent, name, core::ptr::null_mut(), null())
    }
}

/// Makes a file, whose `inode` has `data`; or returns an error pointer, as [`debugfs_create_dir`].
/// A program that can open it may do with it what it has functions for. May sleep.
///
/// # Safety
///
/// As [`debugfs_create_dir`]; `fops` is valid until the file is removed and closed, and `data` is
/// what its functions need until it is removed.
#[track_caller]
pub unsafe fn debugfs_create_file(
    name: *const c_char,
    _mode: umode_t,
    parent: *mut dentry,
    data: *mut c_void,
    fops: *const file_operations,
) -> *mut dentry {
    if is_err(parent) {
        return parent;
    }
    // SAFETY: The caller's guarantees.
    unsafe {
        create(
            Root::Debugfs,
            parent,
            crate::from_char_ptr(name),
            data,
            fops,
        )
    }
}

/// As [`debugfs_create_file`]. `aux` is for functions of C that there are not.
///
/// # Safety
///
/// As [`debugfs_create_file`].
#[track_caller]
pub unsafe fn debugfs_create_file_full(
    name: *const c_char,
    mode: umode_t,
    parent: *mut dentry,
    data: *mut c_void,
    _aux: *const c_void,
    fops: *const file_operations,
) -> *mut dentry {
    // SAFETY: The caller's guarantees.
    unsafe { debugfs_create_file(name, mode, parent, data, fops) }
}

/// Removes a file, or a directory with all that is in it; null and error pointers are allowed.
/// Waits for the calls that are in them; may sleep.
///
/// # Safety
///
/// It is from one of the functions above, and not used any more.
#[track_caller]
pub unsafe fn debugfs_remove(dentry: *mut dentry) {
    if !dentry.is_null() && !is_err(dentry) {
        // SAFETY: The caller's guarantee.
        unsafe { remove(dentry) };
    }
}
