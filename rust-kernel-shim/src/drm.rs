// SPDX-License-Identifier: GPL-2.0-only

//! Graphics: devices, the files by which clients have them open, and memory objects.
//!
//! C header: [`include/drm/`](srctree/include/drm).
//!
//! Clients are those of [`testing::DrmClient`](crate::testing::DrmClient): they open a device, and
//! have handles. There are no calls of theirs (`ioctl(2)`), so no device is ever in the contexts that
//! Linux has for these; and no memory is behind an object.

pub mod device;
pub mod driver;
pub mod file;
pub mod gem;

pub use device::{Device, DeviceContext, Normal, UnregisteredDevice};
pub use driver::{Driver, DriverInfo, Registration};
pub use file::File;

pub(crate) mod private {
    /// What only this crate implements.
    pub trait Sealed {}
}
