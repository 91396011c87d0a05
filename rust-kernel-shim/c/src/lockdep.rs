// SPDX-License-Identifier: GPL-2.0-only
//! Lock classes: all locks that are initialised in one place are of one class.
//!
//! C header: [`include/linux/lockdep.h`](srctree/include/linux/lockdep.h)
//!
//! There is no lockdep; keys are accepted and ignored.

/// The address of one names a class.
#[repr(C)]
pub struct lock_class_key {
    _address: u8,
}

/// Registers a dynamically allocated key.
///
/// # Safety
///
/// `key` is valid until [`lockdep_unregister_key`].
pub unsafe fn lockdep_register_key(_key: *mut lock_class_key) {}

/// Unregisters a dynamically allocated key.
///
/// # Safety
///
/// No lock of the class is used any more.
pub unsafe fn lockdep_unregister_key(_key: *mut lock_class_key) {}
