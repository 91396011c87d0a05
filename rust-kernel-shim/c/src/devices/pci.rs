// SPDX-License-Identifier: GPL-2.0-only
//! The PCI bus, as far as its devices' identity and their base address registers go.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    bus::{bus_type, device_add, device_del, device_driver, driver_register, driver_unregister},
    dev_set_name, device, device_initialize, put_device,
};
use crate::{
    as_char_ptr, container_of,
    ffi::{c_char, c_int, c_void},
    io::{ioremap, iounmap, resource, resource_size, resource_size_t},
    kfree, kzalloc_obj, module, ENXIO, GFP_KERNEL,
};
use core::ptr::{addr_of_mut, null, null_mut};

/// How many base address registers a device has.
pub const PCI_NUM_RESOURCES: u32 = 6;

/// A device of this bus.
#[repr(C)]
pub struct pci_dev {
    /// The device.
    pub dev: device,
    /// Its place on the bus.
    pub devfn: u32,
    /// Who makes it.
    pub vendor: u16,
    /// What it is.
    pub device: u16,
    /// Who has built it in.
    pub subsystem_vendor: u16,
    /// What that is.
    pub subsystem_device: u16,
    /// The class, in three bytes.
    pub class: u32,
    /// The revision.
    pub revision: u8,
    /// Its base address registers; one that is not there has the flags 0.
    pub resource: [resource; PCI_NUM_RESOURCES as usize],
}

/// A device, as a driver names it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pci_device_id {
    /// Who makes it, or all bits.
    pub vendor: u32,
    /// What it is, or all bits.
    pub device: u32,
    /// Who has built it in, or all bits.
    pub subvendor: u32,
    /// What that is, or all bits.
    pub subdevice: u32,
    /// The class.
    pub class: u32,
    /// The bits of the class that are looked at.
    pub class_mask: u32,
    /// The driver's.
    pub driver_data: usize,
    /// Only for devices that are told to take the driver; which none is here.
    pub override_only: u32,
}

/// A driver of this bus.
#[repr(C)]
pub struct pci_driver {
    /// Its name, which lives forever.
    pub name: *const c_char,
    /// The devices that it is for, up to one that is all zero.
    pub id_table: *const pci_device_id,
    /// A device gets the driver.
    pub probe: Option<unsafe extern "C" fn(dev: *mut pci_dev, id: *const pci_device_id) -> c_int>,
    /// A device is unbound.
    pub remove: Option<unsafe extern "C" fn(dev: *mut pci_dev)>,
    /// The driver.
    pub driver: device_driver,
}

impl Default for pci_driver {
    fn default() -> Self {
        Self {
            name: null(),
            id_table: null(),
            probe: None,
            remove: None,
            driver: device_driver::default(),
        }
    }
}

/// The bus.
pub static pci_bus_type: bus_type = bus_type {
    name: as_char_ptr(c"pci"),
    match_: Some(pci_bus_match),
    probe: Some(pci_device_probe),
    remove: Some(pci_device_remove),
};

/// The entry of a table that names the device; null if none does.
unsafe fn match_id(mut id: *const pci_device_id, dev: *const pci_dev) -> *const pci_device_id {
    let is = |wanted: u32, own: u16| wanted == !0 || wanted == own.into();
    // SAFETY: The table ends with an entry that is all zero; the device is valid: the caller's guarantees.
    unsafe {
        let dev = &*dev;
        while !id.is_null() && ((*id).vendor | (*id).subvendor | (*id).class_mask) != 0 {
            let this = &*id;
            if is(this.vendor, dev.vendor)
                && is(this.device, dev.device)
                && is(this.subvendor, dev.subsystem_vendor)
                && is(this.subdevice, dev.subsystem_device)
                && (this.class ^ dev.class) & this.class_mask == 0
                && this.override_only == 0
            {
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
unsafe extern "C" fn pci_bus_match(dev: *mut device, drv: *const device_driver) -> c_int {
    // SAFETY: The caller says so.
    unsafe {
        let drv = container_of!(drv.cast_mut(), pci_driver, driver);
        let pdev = container_of!(dev, pci_dev, dev);
        c_int::from(!match_id((*drv).id_table, pdev).is_null())
    }
}

unsafe extern "C" fn pci_device_probe(dev: *mut device) -> c_int {
    // SAFETY: The caller says so, and that the device has a driver, which has matched.
    unsafe {
        let drv = container_of!((*dev).driver, pci_driver, driver);
        let pdev = container_of!(dev, pci_dev, dev);
        let id = match_id((*drv).id_table, pdev);
        (*drv)
            .probe
            .map_or(-ENXIO.cast_signed(), |probe| probe(pdev, id))
    }
}

unsafe extern "C" fn pci_device_remove(dev: *mut device) {
    // SAFETY: The caller says so, and that the device has a driver.
    unsafe {
        let drv = container_of!((*dev).driver, pci_driver, driver);
        if let Some(remove) = (*drv).remove {
            remove(container_of!(dev, pci_dev, dev));
        }
    }
}

/// Registers a driver, and binds the devices that it is for. May sleep.
///
/// # Safety
///
/// It stays where it is until it is unregistered; its functions may be called until then.
#[track_caller]
pub unsafe fn __pci_register_driver(
    drv: *mut pci_driver,
    owner: *mut module,
    _mod_name: *const c_char,
) -> c_int {
    // SAFETY: The driver is valid: the caller's guarantee.
    unsafe {
        (*drv).driver.name = (*drv).name;
        (*drv).driver.owner = owner;
        (*drv).driver.bus = &raw const pci_bus_type;
        driver_register(addr_of_mut!((*drv).driver))
    }
}

/// Unregisters a driver: its devices are unbound, and it is called no more. May sleep.
///
/// # Safety
///
/// As [`driver_unregister`].
#[track_caller]
pub unsafe fn pci_unregister_driver(drv: *mut pci_driver) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { driver_unregister(addr_of_mut!((*drv).driver)) };
}

/// # Safety
///
/// `dev` is that of a [`pci_dev`], to which there is no reference any more.
unsafe extern "C" fn pci_release_dev(dev: *mut device) {
    // SAFETY: The caller says so.
    unsafe { kfree(container_of!(dev, pci_dev, dev).cast()) };
}

/// Makes a device that is all zero and not on the bus; null without memory. May sleep.
#[track_caller]
pub fn debug_pci_alloc_dev() -> *mut pci_dev {
    // SAFETY: What is allocated is ours, and zero.
    unsafe {
        let pdev: *mut pci_dev = kzalloc_obj(GFP_KERNEL);
        if !pdev.is_null() {
            (*pdev).dev.release = Some(pci_release_dev);
            (*pdev).dev.bus = &raw const pci_bus_type;
            device_initialize(addr_of_mut!((*pdev).dev));
        }
        pdev
    }
}

/// Puts a device on the bus, and binds it if there is a driver for it. May sleep.
#[track_caller]
pub unsafe fn debug_pci_device_add(pdev: *mut pci_dev) -> c_int {
    // SAFETY: The device is valid, and not on the bus yet: the caller's guarantee.
    unsafe {
        let (dev, devfn) = (addr_of_mut!((*pdev).dev), (*pdev).devfn);
        let (slot, function) = (devfn >> 3 & 0x1f, devfn & 7);
        match dev_set_name(dev, format_args!("0000:00:{slot:02x}.{function}")) {
            0 => device_add(dev),
            error => error,
        }
    }
}

/// Unbinds a device, takes it off the bus, and drops the reference of its making. May sleep.
///
/// # Safety
///
/// As [`device_del`].
#[track_caller]
pub unsafe fn pci_stop_and_remove_bus_device(pdev: *mut pci_dev) {
    // SAFETY: The caller's guarantees are the same.
    unsafe {
        device_del(addr_of_mut!((*pdev).dev));
        put_device(addr_of_mut!((*pdev).dev));
    }
}

/// Whether a device is one of this bus. From any context.
pub unsafe fn dev_is_pci(dev: *const device) -> bool {
    // SAFETY: The device is valid: the caller's guarantee. Its bus never changes.
    core::ptr::eq(unsafe { (*dev).bus }, &raw const pci_bus_type)
}

/// A base address register that is there; `None` if it is not.
unsafe fn bar<'a>(pdev: *mut pci_dev, bar: c_int) -> Option<&'a resource> {
    let bar = usize::try_from(bar).ok()?;
    // SAFETY: The device is valid: the caller's guarantee. Its registers do not change.
    let bars = unsafe { &(*pdev).resource };
    bars.get(bar).filter(|bar| bar.flags != 0)
}

/// Returns the first address of a base address register; 0 if it is not there.
pub unsafe fn pci_resource_start(pdev: *mut pci_dev, num: c_int) -> resource_size_t {
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe { bar(pdev, num).map_or(0, |bar| bar.start) }
}

/// Returns the number of addresses of a base address register; 0 if it is not there.
pub unsafe fn pci_resource_len(pdev: *mut pci_dev, num: c_int) -> resource_size_t {
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe { bar(pdev, num).map_or(0, |bar| resource_size(bar)) }
}

/// Maps a base address register; null if it is not there, or without memory. May sleep.
///
/// # Safety
///
/// The device is valid. It maps all, and so `_maxlen` is 0.
#[track_caller]
pub unsafe fn pci_iomap(pdev: *mut pci_dev, num: c_int, _maxlen: usize) -> *mut c_void {
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe {
        match bar(pdev, num) {
            // CAST: An address is as large.
            Some(bar) => ioremap(bar.start, resource_size(bar) as usize),
            None => null_mut(),
        }
    }
}

/// Undoes [`pci_iomap`].
pub unsafe fn pci_iounmap(_pdev: *mut pci_dev, addr: *mut c_void) {
    // SAFETY: The caller's guarantee.
    unsafe { iounmap(addr) };
}
