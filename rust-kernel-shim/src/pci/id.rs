// SPDX-License-Identifier: GPL-2.0-only

//! Classes and vendors.
//!
//! C header: [`include/linux/pci_ids.h`](srctree/include/linux/pci_ids.h).
//!
//! Of their names, those of graphics.

use crate::{error::code::EINVAL, fmt, prelude::*};

/// What kind of device it is: class, subclass and interface, a byte each.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Class(u32);

impl Class {
    /// Graphics for a VGA.
    pub const DISPLAY_VGA: Self = Self(0x03_00_00);
    /// Graphics in three dimensions.
    pub const DISPLAY_3D: Self = Self(0x03_02_00);
    /// Other graphics.
    pub const DISPLAY_OTHER: Self = Self(0x03_80_00);

    /// Returns the number.
    #[inline]
    pub const fn as_raw(self) -> u32 {
        self.0
    }

    pub(super) const fn from_raw(class: u32) -> Self {
        Self(class)
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::write!(f, "0x{:06x}", self.0)
    }
}

/// Which bits of a class are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ClassMask {
    /// All.
    Full = 0xffffff,
    /// Class and subclass.
    ClassSubclass = 0xffff00,
}

impl ClassMask {
    /// Returns the number.
    #[inline]
    pub const fn as_raw(self) -> u32 {
        self as u32
    }
}

impl TryFrom<u32> for ClassMask {
    type Error = Error;

    fn try_from(mask: u32) -> Result<Self> {
        match mask {
            0xffffff => Ok(Self::Full),
            0xffff00 => Ok(Self::ClassSubclass),
            _ => Err(EINVAL),
        }
    }
}

/// Who makes a device.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Vendor(u16);

impl Vendor {
    /// AMD's graphics.
    pub const ATI: Self = Self(0x1002);
    /// NVIDIA.
    pub const NVIDIA: Self = Self(0x10de);
    /// Intel.
    pub const INTEL: Self = Self(0x8086);
    /// Red Hat, and so QEMU's devices.
    pub const REDHAT: Self = Self(0x1b36);

    /// Returns the number.
    #[inline]
    pub const fn as_raw(self) -> u16 {
        self.0
    }

    pub(super) const fn from_raw(vendor: u16) -> Self {
        Self(vendor)
    }
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::write!(f, "0x{:04x}", self.0)
    }
}
