// SPDX-License-Identifier: GPL-2.0-only
//! Buses: which driver gets which device, when both are there, and what happens when one goes.
//!
//! C headers: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h),
//! [`include/linux/device/driver.h`](srctree/include/linux/device/driver.h)
//!
//! Each machine has its own devices and drivers. A probe that fails with `-EPROBE_DEFER` is not tried
//! again, and there is no sysfs: a driver is bound by its match alone.

use super::{_dev_printk, device, devres_release_all, get_device, put_device};
use crate::{
    ffi::{c_char, c_int, c_void},
    from_char_ptr,
    globals::{self, Globals},
    module, mutex_lock_nested, mutex_unlock, BUG_ON, EEXIST, EINVAL, ENODEV, ENXIO, KERN_ERR,
};
use core::{
    iter::successors,
    ptr::{addr_of_mut, null_mut},
    sync::atomic::Ordering::Relaxed,
};
use machine::task;
use spin::mutex::SpinMutex;

use crate::sched::spinlock::Relax;

/// A kind of devices and of their drivers.
#[repr(C)]
pub struct bus_type {
    /// Its name.
    pub name: *const c_char,
    /// Whether the driver is for the device, 1 or 0. Does not sleep.
    pub match_: Option<unsafe extern "C" fn(dev: *mut device, drv: *const device_driver) -> c_int>,
    /// Calls the driver's probe.
    pub probe: Option<unsafe extern "C" fn(dev: *mut device) -> c_int>,
    /// Calls the driver's remove.
    pub remove: Option<unsafe extern "C" fn(dev: *mut device)>,
}

// SAFETY: It is not changed, and its name is a literal.
unsafe impl Sync for bus_type {}

/// What the driver core calls for an abstraction of a bus.
#[repr(C)]
#[derive(Default)]
pub struct device_driver__bindgen_ty_1 {
    /// After the driver's remove, before what the device owns is released.
    pub post_unbind_rust: Option<unsafe extern "C" fn(dev: *mut device)>,
}

/// A driver.
#[repr(C)]
pub struct device_driver {
    /// Its name, which lives forever.
    pub name: *const c_char,
    /// Its bus.
    pub bus: *const bus_type,
    /// Its module.
    pub owner: *mut module,
    /// The devices of a device tree that it is for, up to one without a name; or null.
    pub of_match_table: *const of_device_id,
    /// The devices of firmware that it is for; or null.
    pub acpi_match_table: *const acpi_device_id,
    /// For abstractions.
    pub p_cb: device_driver__bindgen_ty_1,
    next: *mut device_driver,
    seq: u64,
}

impl Default for device_driver {
    fn default() -> Self {
        // SAFETY: Pointers, which may be null, and numbers.
        unsafe { core::mem::zeroed() }
    }
}

/// A device of a device tree, as a driver names it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct of_device_id {
    /// Not looked at.
    pub name: [c_char; 32],
    /// Not looked at.
    pub type_: [c_char; 32],
    /// What it is compatible with, NUL-terminated.
    pub compatible: [c_char; 128],
    /// The driver's.
    pub data: *const c_void,
}

/// A device of firmware, as a driver names it. There are none here.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct acpi_device_id {
    /// Its name, NUL-terminated.
    pub id: [c_char; 16],
    /// The driver's.
    pub driver_data: usize,
    /// The class.
    pub cls: u32,
    /// The bits of the class that are looked at.
    pub cls_msk: u32,
}

struct Inner {
    devices: *mut device,
    drivers: *mut device_driver,
    /// The number of the last of both: the older ones are tried first.
    last: u64,
}

// SAFETY: What is on the lists is used under the lock.
unsafe impl Send for Inner {}

/// The devices and drivers of one machine.
pub(crate) struct Buses(SpinMutex<Inner, Relax>);

impl Buses {
    pub(crate) const fn new() -> Self {
        Self(SpinMutex::new(Inner {
            devices: null_mut(),
            drivers: null_mut(),
            last: 0,
        }))
    }
}

impl Inner {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The devices, in no order.
    fn devices(&self) -> impl Iterator<Item = *mut device> {
        let on_list = |dev: *mut device| (!dev.is_null()).then_some(dev);
        successors(on_list(self.devices), move |&dev| {
            // SAFETY: On the list, so it is valid; the lock is held.
            on_list(unsafe { (*dev).next })
        })
    }

    /// The drivers, in no order.
    fn drivers(&self) -> impl Iterator<Item = *mut device_driver> {
        let on_list = |drv: *mut device_driver| (!drv.is_null()).then_some(drv);
        successors(on_list(self.drivers), move |&drv| {
            // SAFETY: On the list, so it is valid; the lock is held.
            on_list(unsafe { (*drv).next })
        })
    }
}

/// Calls `f` with the lists of this machine, under their lock.
fn locked<R>(f: impl FnOnce(&mut Inner) -> R) -> R {
    task::point();
    globals::with(|globals: &Globals| f(&mut globals.buses.0.lock()))
}

/// Takes the lock of a device, under which it is bound and unbound: after those above it.
#[track_caller]
unsafe fn device_lock(dev: *mut device) {
    // SAFETY: The device is valid, and so are those above it, to which it has references.
    unsafe {
        let above = |&dev: &*mut device| Some((*dev).parent).filter(|dev| !dev.is_null());
        let depth = successors(above(&dev), above).count();
        // CAST: At most 7.
        mutex_lock_nested(addr_of_mut!((*dev).mutex), depth.min(7) as u32);
    }
}

unsafe fn device_unlock(dev: *mut device) {
    // SAFETY: The device is valid, and the lock the task's: the caller's guarantees.
    unsafe { mutex_unlock(addr_of_mut!((*dev).mutex)) };
}

/// Whether the driver is one for the device, which is on the bus and has none yet.
unsafe fn suits(dev: *mut device, drv: *const device_driver) -> bool {
    // SAFETY: Both are valid, and the lock of the lists is held: the caller's guarantees.
    unsafe {
        let (bus, free) = ((*dev).bus, (*dev).seq != 0 && (*dev).driver.is_null());
        free && bus == (*drv).bus && (*bus).match_.is_some_and(|matches| matches(dev, drv) != 0)
    }
}

/// The device has this driver, or null, from now on.
unsafe fn set_driver(dev: *mut device, drv: *mut device_driver) {
    // SAFETY: Both are valid, and the lock of the lists is held: the caller's guarantees.
    unsafe {
        (*dev).driver = drv;
        let name = drv.as_ref().map_or(null_mut(), |drv| drv.name.cast_mut());
        (*dev).driver_name.store(name, Relaxed);
    }
}

/// The device has no driver any more; what that had of it is released.
unsafe fn forget_driver(dev: *mut device) {
    // SAFETY: The device is valid, and its lock held: the caller's guarantees.
    unsafe {
        devres_release_all(dev);
        (*dev).driver_data = null_mut();
        locked(|_| set_driver(dev, null_mut()));
    }
}

/// Probes a device with the driver that it has just got; true if it keeps it.
unsafe fn probe(dev: *mut device) -> bool {
    // SAFETY: The device is valid, has a driver, and its lock is held: the caller's guarantees.
    unsafe {
        let error = (*(*dev).bus).probe.map_or(0, |probe| probe(dev));
        if error == 0 {
            return true;
        }
        if ![ENODEV, ENXIO].contains(&error.unsigned_abs()) {
            let name = from_char_ptr((*(*dev).driver).name).to_str().unwrap_or("?");
            let text = format_args!("probe with driver {name} failed with error {error}\n");
            _dev_printk(KERN_ERR, dev, text);
        }
        forget_driver(dev);
        false
    }
}

/// Unbinds a device.
unsafe fn release_driver(dev: *mut device) {
    // SAFETY: The device is valid, has a driver, and its lock is held: the caller's guarantees.
    unsafe {
        if let Some(remove) = (*(*dev).bus).remove {
            remove(dev);
        }
        if let Some(post_unbind) = (*(*dev).driver).p_cb.post_unbind_rust {
            post_unbind(dev);
        }
        forget_driver(dev);
    }
}

/// What is wrong with the name of a device that comes: it is empty, or that of another one on its bus; 0
/// if nothing is.
unsafe fn name_error(buses: &Inner, dev: *const device) -> u32 {
    // SAFETY: The device is valid, and what is on the list, under the lock: the caller's guarantees.
    let taken = |other: *mut device| unsafe {
        (*other).bus == (*dev).bus && same((*other).name, (*dev).name)
    };
    // SAFETY: As above; a name is NUL-terminated.
    match unsafe { *(*dev).name } {
        0 => EINVAL,
        _ if buses.devices().any(taken) => EEXIST,
        _ => 0,
    }
}

/// Puts a device, which is initialised and has a name, on its bus, and binds it if there is a driver for
/// it; 0, or `-EINVAL` if the name is empty, or `-EEXIST` if another on its bus has it. May sleep.
#[track_caller]
pub unsafe fn device_add(dev: *mut device) -> c_int {
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe {
        get_device(dev);
        device_lock(dev);
        let error = locked(|buses| {
            let error = name_error(buses, dev);
            if error == 0 {
                (*dev).next = core::mem::replace(&mut buses.devices, dev);
                (*dev).seq = buses.number();
            }
            error
        });
        if error != 0 {
            device_unlock(dev);
            put_device(dev);
            return -error.cast_signed();
        }
        let mut tried = 0;
        loop {
            let claimed = locked(|buses| {
                let suits = |drv: &*mut device_driver| (**drv).seq > tried && suits(dev, *drv);
                let drv = buses
                    .drivers()
                    .filter(suits)
                    .min_by_key(|&drv| (*drv).seq)?;
                set_driver(dev, drv);
                Some((*drv).seq)
            });
            match claimed {
                Some(seq) => tried = seq,
                None => break,
            }
            if probe(dev) {
                break;
            }
        }
        device_unlock(dev);
    }
    0
}

/// Unbinds a device, and takes it off its bus. May sleep.
///
/// # Safety
///
/// It was added, by this machine, and is not deleted twice.
#[track_caller]
pub unsafe fn device_del(dev: *mut device) {
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe {
        device_lock(dev);
        // No driver gets it from here on; one that has it finds it, and waits for the lock.
        let found = locked(|buses| {
            let found = buses.devices().any(|own| own == dev);
            if found {
                (*dev).seq = 0;
            }
            found
        });
        // That of another machine would stay there.
        BUG_ON!(!found);
        if !(*dev).driver.is_null() {
            release_driver(dev);
        }
        locked(|buses| {
            let mut link = &raw mut buses.devices;
            while *link != dev {
                link = &raw mut (**link).next;
            }
            *link = (*dev).next;
        });
        devres_release_all(dev);
        device_unlock(dev);
        put_device(dev);
    }
}

/// Whether a device on a bus of this machine is a part of this one.
pub(super) fn has_part(dev: *mut device) -> bool {
    // SAFETY: What is on the list is valid, under the lock.
    locked(|buses| buses.devices().any(|part| unsafe { (*part).parent } == dev))
}

/// Whether a driver has the device. From any context.
pub unsafe fn device_is_bound(dev: *mut device) -> bool {
    locked(|_| {
        // SAFETY: The device is valid: the caller's guarantee. The lock is held.
        let drv = unsafe { (*dev).driver };
        !drv.is_null()
    })
}

/// Registers a driver, and binds the devices that it is for. May sleep.
///
/// # Safety
///
/// It stays where it is until it is unregistered.
#[track_caller]
pub unsafe fn driver_register(drv: *mut device_driver) -> c_int {
    // SAFETY: The driver is valid: the caller's guarantee. Devices that are found are referenced.
    unsafe {
        locked(|buses| {
            (*drv).next = core::mem::replace(&mut buses.drivers, drv);
            (*drv).seq = buses.number();
        });
        let mut tried = 0;
        loop {
            let found = locked(|buses| {
                let suits = |dev: &*mut device| (**dev).seq > tried && suits(*dev, drv);
                let dev = buses
                    .devices()
                    .filter(suits)
                    .min_by_key(|&dev| (*dev).seq)?;
                tried = (*dev).seq;
                Some(get_device(dev))
            });
            let Some(dev) = found else { return 0 };
            device_lock(dev);
            let claimed = locked(|_| {
                let suits = suits(dev, drv);
                if suits {
                    set_driver(dev, drv);
                }
                suits
            });
            if claimed {
                probe(dev);
            }
            device_unlock(dev);
            put_device(dev);
        }
    }
}

/// Unregisters a driver: its devices are unbound, and it is called no more. May sleep.
///
/// # Safety
///
/// It was registered, by this machine, and not in a call of its own.
#[track_caller]
pub unsafe fn driver_unregister(drv: *mut device_driver) {
    // SAFETY: The driver is valid: the caller's guarantee. Devices that are found are referenced.
    unsafe {
        let found = locked(|buses| {
            let mut link = &raw mut buses.drivers;
            while !(*link).is_null() && *link != drv {
                link = &raw mut (**link).next;
            }
            let found = *link == drv;
            if found {
                *link = (*drv).next;
            }
            found
        });
        // That of another machine would stay there.
        BUG_ON!(!found);
        loop {
            let bound = locked(|buses| {
                let dev = buses.devices().find(|&dev| (*dev).driver == drv)?;
                Some(get_device(dev))
            });
            let Some(dev) = bound else { return };
            device_lock(dev);
            if (*dev).driver == drv {
                release_driver(dev);
            }
            device_unlock(dev);
            put_device(dev);
        }
    }
}

/// What the device tree says that a device is, of the entries of a table; null if it says none of them.
unsafe fn of_match(mut table: *const of_device_id, dev: *const device) -> *const of_device_id {
    // SAFETY: The table ends with an entry without a name; the device is valid, and its string
    // NUL-terminated, or null.
    unsafe {
        let compatible = (*dev).compatible;
        if table.is_null() || compatible.is_null() {
            return core::ptr::null();
        }
        while (*table).compatible[0] != 0 {
            if same((*table).compatible.as_ptr(), compatible) {
                return table;
            }
            table = table.add(1);
        }
    }
    core::ptr::null()
}

/// Whether two strings are the same.
///
/// # Safety
///
/// Both are NUL-terminated.
pub(super) unsafe fn same(mut a: *const c_char, mut b: *const c_char) -> bool {
    // SAFETY: Up to the NUL: the caller's guarantee.
    unsafe {
        while *a == *b && *a != 0 {
            (a, b) = (a.add(1), b.add(1));
        }
        *a == *b
    }
}

/// Whether the driver's table names the device; 1 or 0.
pub unsafe fn of_driver_match_device(dev: *mut device, drv: *const device_driver) -> c_int {
    // SAFETY: Both are valid: the caller's guarantee.
    c_int::from(unsafe { !of_match((*drv).of_match_table, dev).is_null() })
}

/// Returns the driver's own of the entry that names the device; null if there is none.
pub unsafe fn device_get_match_data(dev: *const device) -> *const c_void {
    // SAFETY: The device is valid, and bound: the caller's guarantee.
    unsafe {
        let entry = match (*dev).driver.as_ref() {
            Some(drv) => of_match(drv.of_match_table, dev),
            None => core::ptr::null(),
        };
        entry.as_ref().map_or(core::ptr::null(), |entry| entry.data)
    }
}
