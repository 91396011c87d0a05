// SPDX-License-Identifier: GPL-2.0-only
//! The bus of parts of a device, each of which has a driver of its own.
//!
//! C header: [`include/linux/auxiliary_bus.h`](srctree/include/linux/auxiliary_bus.h)

use super::{
    bus::{bus_type, device_add, device_del, device_driver, driver_register, driver_unregister},
    dev_name, dev_set_name, device, device_initialize, put_device,
};
use crate::{
    as_char_ptr, container_of,
    ffi::{c_char, c_int, c_void},
    from_char_ptr, module, EINVAL, ENXIO,
};
use core::ptr::{addr_of_mut, null};

/// A part of a device.
#[repr(C)]
pub struct auxiliary_device {
    /// The device, whose parent and release are set by who makes it.
    pub dev: device,
    /// What part it is; used until it is added.
    pub name: *const c_char,
    /// Which of that name.
    pub id: u32,
    /// For abstractions.
    pub registration_data_rust: *mut c_void,
}

/// A part of a device, as a driver names it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct auxiliary_device_id {
    /// The module that makes it, and its name, NUL-terminated.
    pub name: [c_char; 40],
    /// The driver's.
    pub driver_data: usize,
}

/// A driver of this bus.
#[repr(C)]
pub struct auxiliary_driver {
    /// A device gets the driver.
    pub probe: Option<
        unsafe extern "C" fn(adev: *mut auxiliary_device, id: *const auxiliary_device_id) -> c_int,
    >,
    /// A device is unbound.
    pub remove: Option<unsafe extern "C" fn(adev: *mut auxiliary_device)>,
    /// Its name, which lives forever.
    pub name: *const c_char,
    /// The driver.
    pub driver: device_driver,
    /// The devices that it is for, up to one without a name.
    pub id_table: *const auxiliary_device_id,
}

impl Default for auxiliary_driver {
    fn default() -> Self {
        Self {
            probe: None,
            remove: None,
            name: null(),
            driver: device_driver::default(),
            id_table: null(),
        }
    }
}

/// The bus.
pub static auxiliary_bus_type: bus_type = bus_type {
    name: as_char_ptr(c"auxiliary"),
    match_: Some(auxiliary_match),
    probe: Some(auxiliary_probe),
    remove: Some(auxiliary_remove),
};

/// The entry of a table that names the device; null if none does.
unsafe fn match_id(
    mut id: *const auxiliary_device_id,
    dev: *const device,
) -> *const auxiliary_device_id {
    // SAFETY: The table ends with an entry without a name; the device is valid: the caller's guarantees.
    unsafe {
        let name = from_char_ptr(dev_name(dev)).to_bytes();
        // The number at the end says which it is, and not what.
        let what = name.rsplitn(2, |&byte| byte == b'.').last().unwrap_or(name);
        while (*id).name[0] != 0 {
            let own = &(*id).name;
            if own.get(what.len()) == Some(&0) && own[..what.len()] == *what {
                return id;
            }
            id = id.add(1);
        }
    }
    null()
}

/// # Safety
///
/// Both are valid, and of this bus; so for the functions below.
unsafe extern "C" fn auxiliary_match(dev: *mut device, drv: *const device_driver) -> c_int {
    // SAFETY: The caller says so.
    unsafe {
        let drv = container_of!(drv.cast_mut(), auxiliary_driver, driver);
        c_int::from(!match_id((*drv).id_table, dev).is_null())
    }
}

unsafe extern "C" fn auxiliary_probe(dev: *mut device) -> c_int {
    // SAFETY: The caller says so, and that the device has a driver, which has matched.
    unsafe {
        let drv = container_of!((*dev).driver, auxiliary_driver, driver);
        let adev = container_of!(dev, auxiliary_device, dev);
        let id = match_id((*drv).id_table, dev);
        (*drv)
            .probe
            .map_or(-ENXIO.cast_signed(), |probe| probe(adev, id))
    }
}

unsafe extern "C" fn auxiliary_remove(dev: *mut device) {
    // SAFETY: The caller says so, and that the device has a driver.
    unsafe {
        let drv = container_of!((*dev).driver, auxiliary_driver, driver);
        if let Some(remove) = (*drv).remove {
            remove(container_of!(dev, auxiliary_device, dev));
        }
    }
}

/// Registers a driver, and binds the devices that it is for. May sleep.
///
/// # Safety
///
/// It stays where it is until it is unregistered; its functions may be called until then.
#[track_caller]
pub unsafe fn __auxiliary_driver_register(
    auxdrv: *mut auxiliary_driver,
    owner: *mut module,
    modname: *const c_char,
) -> c_int {
    // SAFETY: The driver is valid: the caller's guarantee.
    unsafe {
        if (*auxdrv).probe.is_none() || (*auxdrv).id_table.is_null() {
            return -EINVAL.cast_signed();
        }
        let (name, module) = ((*auxdrv).name, modname);
        // C's name is both, where they differ.
        (*auxdrv).driver.name = if name.is_null() { module } else { name };
        (*auxdrv).driver.owner = owner;
        (*auxdrv).driver.bus = &raw const auxiliary_bus_type;
        driver_register(addr_of_mut!((*auxdrv).driver))
    }
}

/// Unregisters a driver: its devices are unbound, and it is called no more. May sleep.
///
/// # Safety
///
/// As [`driver_unregister`].
#[track_caller]
pub unsafe fn auxiliary_driver_unregister(auxdrv: *mut auxiliary_driver) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { driver_unregister(addr_of_mut!((*auxdrv).driver)) };
}

/// Initialises a device, whose parent, name and release are set, all else zero; 0 or `-EINVAL`. From
/// then on its reference is dropped by [`auxiliary_device_uninit`].
pub unsafe fn auxiliary_device_init(auxdev: *mut auxiliary_device) -> c_int {
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe {
        let dev = addr_of_mut!((*auxdev).dev);
        if (*dev).parent.is_null() || (*auxdev).name.is_null() {
            return -EINVAL.cast_signed();
        }
        (*dev).bus = &raw const auxiliary_bus_type;
        device_initialize(dev);
    }
    0
}

/// Puts a device on the bus, and binds it if there is a driver for it. May sleep.
///
/// # Safety
///
/// It is initialised; the names are NUL-terminated.
#[track_caller]
pub unsafe fn __auxiliary_device_add(
    auxdev: *mut auxiliary_device,
    modname: *const c_char,
) -> c_int {
    // SAFETY: The caller's guarantees.
    unsafe {
        let dev = addr_of_mut!((*auxdev).dev);
        let module = from_char_ptr(modname).to_str().unwrap_or("?");
        let (name, id) = (
            from_char_ptr((*auxdev).name).to_str().unwrap_or("?"),
            (*auxdev).id,
        );
        match dev_set_name(dev, format_args!("{module}.{name}.{id}")) {
            0 => device_add(dev),
            error => error,
        }
    }
}

/// Unbinds a device, and takes it off the bus. May sleep.
///
/// # Safety
///
/// As [`device_del`].
#[track_caller]
pub unsafe fn auxiliary_device_delete(auxdev: *mut auxiliary_device) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { device_del(addr_of_mut!((*auxdev).dev)) };
}

/// Drops the reference of the initialisation.
///
/// # Safety
///
/// The caller owns it.
pub unsafe fn auxiliary_device_uninit(auxdev: *mut auxiliary_device) {
    // SAFETY: The caller's guarantee.
    unsafe { put_device(addr_of_mut!((*auxdev).dev)) };
}

/// Whether a device is one of this bus. From any context.
pub unsafe fn debug_dev_is_auxiliary(dev: *const device) -> bool {
    // SAFETY: The device is valid: the caller's guarantee. Its bus never changes.
    core::ptr::eq(unsafe { (*dev).bus }, &raw const auxiliary_bus_type)
}
