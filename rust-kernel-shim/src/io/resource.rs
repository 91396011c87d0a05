// SPDX-License-Identifier: GPL-2.0-only

//! Ranges of addresses of a device.
//!
//! C header: [`include/linux/ioport.h`](srctree/include/linux/ioport.h).
//!
//! None can be claimed here, where no two devices have the same.

use super::{PhysAddr, ResourceSize};
use crate::{bindings, ffi::c_ulong, prelude::*, types::Opaque};
use core::ops::{BitAnd, BitOr};

/// A range of addresses.
#[doc(alias = "resource")]
#[repr(transparent)]
pub struct Resource(Opaque<bindings::resource>);

// SAFETY: It does not change.
unsafe impl Send for Resource {}

// SAFETY: As above.
unsafe impl Sync for Resource {}

impl Resource {
    /// Sees C's resource as one of ours.
    ///
    /// # Safety
    ///
    /// `ptr` is valid during `'a`.
    pub(crate) const unsafe fn from_raw<'a>(ptr: *mut bindings::resource) -> &'a Self {
        // SAFETY: Valid, says the caller; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns the number of addresses.
    pub fn size(&self) -> ResourceSize {
        // SAFETY: The resource is valid.
        unsafe { bindings::resource_size(self.0.get()) }
    }

    /// Returns the first address.
    pub fn start(&self) -> PhysAddr {
        // SAFETY: The resource is valid, and does not change.
        unsafe { (*self.0.get()).start }
    }

    /// Returns the name, if there is one.
    pub fn name(&self) -> Option<&CStr> {
        // SAFETY: The resource is valid, and does not change.
        let name = unsafe { (*self.0.get()).name };
        // SAFETY: A name that is there is NUL-terminated, and stays as long.
        (!name.is_null()).then(|| unsafe { CStr::from_char_ptr(name) })
    }

    /// Returns what it is.
    pub fn flags(&self) -> Flags {
        // SAFETY: The resource is valid, and does not change.
        Flags(unsafe { (*self.0.get()).flags })
    }
}

/// What a resource is.
#[derive(Clone, Copy, PartialEq)]
pub struct Flags(c_ulong);

impl Flags {
    /// Registers in memory.
    pub const IORESOURCE_MEM: Self = Self(bindings::IORESOURCE_MEM as c_ulong);

    /// Returns whether it is all of `flags`.
    pub fn contains(self, flags: Self) -> bool {
        self & flags == flags
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Flags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
