// SPDX-License-Identifier: GPL-2.0-only
//! C takes what a table says of a device for what the driver's type says that it is.
use kernel::{bindings, device_id::IdTable, of};

kernel::of_device_table!(NUMBERS, usize, [(of::DeviceId::new(c"acme,lamp"), 7)]);

struct Names;

impl IdTable<of::DeviceId, &'static str> for Names {
    fn as_ptr(&self) -> *const bindings::of_device_id {
        IdTable::as_ptr(&NUMBERS)
    }
}

const TABLE: of::IdTable<&'static str> = &Names;

fn main() {}
