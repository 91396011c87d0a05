// SPDX-License-Identifier: GPL-2.0-only

//! Devices that a device tree describes.
//!
//! C header: [`include/linux/of.h`](srctree/include/linux/of.h).

use crate::{
    bindings,
    device_id::{RawDeviceId, RawDeviceIdIndex},
    prelude::*,
};

/// A table of such devices.
pub type IdTable<T> = &'static dyn crate::device_id::IdTable<DeviceId, T>;

/// What a device is compatible with.
#[doc(alias = "of_device_id")]
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(bindings::of_device_id);

// SAFETY: Transparent; a table ends with one that has no name.
unsafe impl RawDeviceId for DeviceId {
    type RawType = bindings::of_device_id;
}

// SAFETY: It is a pointer.
unsafe impl RawDeviceIdIndex for DeviceId {
    const DRIVER_DATA_OFFSET: usize = core::mem::offset_of!(bindings::of_device_id, data);
}

impl DeviceId {
    /// A device that is compatible with this, of at most 127 bytes.
    pub const fn new(compatible: &'static CStr) -> Self {
        let mut id = bindings::of_device_id {
            name: [0; 32],
            type_: [0; 32],
            compatible: [0; 128],
            data: core::ptr::null(),
        };
        let text = compatible.to_bytes_with_nul();
        let mut n = 0;
        while n < text.len() {
            id.compatible[n] = text[n];
            n += 1;
        }
        Self(id)
    }
}

/// Declares a table of such devices.
#[macro_export]
macro_rules! of_device_table {
    ($($table:tt)*) => {
        $crate::module_device_table!("of", $crate::of::DeviceId, $($table)*);
    };
}
