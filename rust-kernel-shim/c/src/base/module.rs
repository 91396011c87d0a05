// SPDX-License-Identifier: GPL-2.0-only
//! Modules.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use crate::{as_char_ptr, ffi::c_char};
use core::ffi::CStr;

/// A module.
#[repr(C)]
pub struct module {
    /// Its name, NUL-terminated.
    pub name: *const c_char,
}

impl module {
    /// A module called `name`.
    pub const fn new(name: &'static CStr) -> Self {
        Self {
            name: as_char_ptr(name),
        }
    }
}

// SAFETY: The name is never changed.
unsafe impl Sync for module {}
