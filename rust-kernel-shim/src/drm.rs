// SPDX-License-Identifier: GPL-2.0-only

//! Graphics: devices, the files by which clients have them open, and memory objects.
//!
//! C header: [`include/drm/`](srctree/include/drm).
//!
//! Clients are those of [`testing::DrmClient`](crate::testing::DrmClient): they open a device, and
//! have handles, and make the calls that a driver declares. No memory is behind an object.

pub mod device;
pub mod driver;
pub mod file;
pub mod gem;
pub mod ioctl;

pub use device::{
    Device, DeviceContext, Ioctl, Normal, Registered, RegistrationGuard, UnregisteredDevice,
};
pub use driver::{Driver, DriverInfo, Registration};
pub use file::File;

pub(crate) mod private {
    /// What only this crate implements.
    pub trait Sealed {}
}
