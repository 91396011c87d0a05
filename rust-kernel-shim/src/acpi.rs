// SPDX-License-Identifier: GPL-2.0-only

//! Devices that ACPI describes, of which there are none here: drivers have tables of them.
//!
//! C header: [`include/linux/acpi.h`](srctree/include/linux/acpi.h).

use crate::{
    bindings,
    device_id::{RawDeviceId, RawDeviceIdIndex},
    prelude::*,
};

/// A table of such devices.
pub type IdTable<T> = &'static dyn crate::device_id::IdTable<DeviceId, T>;

/// The name of a device.
#[doc(alias = "acpi_device_id")]
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(bindings::acpi_device_id);

// SAFETY: Transparent; a table ends with one that has no name.
unsafe impl RawDeviceId for DeviceId {
    type RawType = bindings::acpi_device_id;
}

// SAFETY: It is as large as a pointer.
unsafe impl RawDeviceIdIndex for DeviceId {
    const DRIVER_DATA_OFFSET: usize = core::mem::offset_of!(bindings::acpi_device_id, driver_data);
}

impl DeviceId {
    /// A device with this name, of at most 15 bytes.
    #[inline(always)]
    pub const fn new(id: &'static CStr) -> Self {
        let text = id.to_bytes_with_nul();
        let mut acpi = bindings::acpi_device_id {
            id: [0; 16],
            driver_data: 0,
            cls: 0,
            cls_msk: 0,
        };
        build_assert!(
            text.len() <= acpi.id.len(),
            "an ACPI name has at most 15 bytes"
        );
        let mut n = 0;
        while n < text.len() {
            acpi.id[n] = text[n];
            n += 1;
        }
        Self(acpi)
    }
}

/// Declares a table of such devices.
#[macro_export]
macro_rules! acpi_device_table {
    ($($table:tt)*) => {
        $crate::module_device_table!("acpi", $crate::acpi::DeviceId, $($table)*);
    };
}
