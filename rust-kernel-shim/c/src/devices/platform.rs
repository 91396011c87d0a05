// SPDX-License-Identifier: GPL-2.0-only
//! The bus of devices that only firmware, or a board, knows of.
//!
//! C header: [`include/linux/platform_device.h`](srctree/include/linux/platform_device.h)

use super::{
    _dev_printk,
    bus::{
        bus_type, device_driver, driver_register, driver_unregister, of_driver_match_device, same,
    },
    dev_set_name, device, device_initialize, kstrdup, put_device,
};
use crate::{
    as_char_ptr, container_of, device_add, device_del,
    ffi::{c_char, c_int, c_uint, c_ulong},
    from_char_ptr, kfree, krealloc_node_align, kzalloc_obj, module, resource, ENOMEM, ENXIO,
    GFP_KERNEL, IORESOURCE_MEM, KERN_ERR, NUMA_NO_NODE,
};
use core::ptr::{addr_of_mut, null, null_mut};

/// In a resource's flags: the number of an interrupt.
pub const IORESOURCE_IRQ: u32 = 0x400;
/// The number of a device of which there is one.
pub const PLATFORM_DEVID_NONE: c_int = -1;

/// A device of this bus.
#[repr(C)]
pub struct platform_device {
    /// Its name.
    pub name: *const c_char,
    /// Which of that name.
    pub id: c_int,
    /// The device.
    pub dev: device,
    /// How many resources it has.
    pub num_resources: u32,
    /// Its registers and interrupts.
    pub resource: *mut resource,
}

/// A driver of this bus.
#[repr(C)]
#[derive(Default)]
pub struct platform_driver {
    /// A device gets the driver.
    pub probe: Option<unsafe extern "C" fn(pdev: *mut platform_device) -> c_int>,
    /// A device is unbound.
    pub remove: Option<unsafe extern "C" fn(pdev: *mut platform_device)>,
    /// The driver.
    pub driver: device_driver,
}

/// The bus.
pub static platform_bus_type: bus_type = bus_type {
    name: as_char_ptr(c"platform"),
    match_: Some(platform_match),
    probe: Some(platform_probe),
    remove: Some(platform_remove),
};

/// # Safety
///
/// Both are valid, and of this bus; so for the functions below.
unsafe extern "C" fn platform_match(dev: *mut device, drv: *const device_driver) -> c_int {
    // SAFETY: The caller says so. A device has a name.
    unsafe {
        let pdev = container_of!(dev, platform_device, dev);
        match of_driver_match_device(dev, drv) {
            0 => c_int::from(same((*pdev).name, (*drv).name)),
            found => found,
        }
    }
}

unsafe extern "C" fn platform_probe(dev: *mut device) -> c_int {
    // SAFETY: The caller says so, and that the device has a driver.
    unsafe {
        let drv = container_of!((*dev).driver, platform_driver, driver);
        let pdev = container_of!(dev, platform_device, dev);
        (*drv)
            .probe
            .map_or(-ENXIO.cast_signed(), |probe| probe(pdev))
    }
}

unsafe extern "C" fn platform_remove(dev: *mut device) {
    // SAFETY: The caller says so, and that the device has a driver.
    unsafe {
        let drv = container_of!((*dev).driver, platform_driver, driver);
        if let Some(remove) = (*drv).remove {
            remove(container_of!(dev, platform_device, dev));
        }
    }
}

/// Registers a driver, and binds the devices that it is for. May sleep.
///
/// # Safety
///
/// It stays where it is until it is unregistered; its functions may be called until then.
#[track_caller]
pub unsafe fn __platform_driver_register(
    drv: *mut platform_driver,
    owner: *mut module,
    _mod_name: *const c_char,
) -> c_int {
    // SAFETY: The driver is valid: the caller's guarantee.
    unsafe {
        (*drv).driver.owner = owner;
        (*drv).driver.bus = &raw const platform_bus_type;
        driver_register(addr_of_mut!((*drv).driver))
    }
}

/// Unregisters a driver: its devices are unbound, and it is called no more. May sleep.
///
/// # Safety
///
/// As [`driver_unregister`].
#[track_caller]
pub unsafe fn platform_driver_unregister(drv: *mut platform_driver) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { driver_unregister(addr_of_mut!((*drv).driver)) };
}

/// # Safety
///
/// `dev` is that of a [`platform_device`], to which there is no reference any more.
unsafe extern "C" fn platform_device_release(dev: *mut device) {
    // SAFETY: The caller says so; all is from the allocator, or null.
    unsafe {
        let pdev = container_of!(dev, platform_device, dev);
        kfree((*pdev).resource.cast());
        kfree((*pdev).name.cast());
        kfree(pdev.cast());
    }
}

/// Makes a device, which is not on the bus yet; null without memory. May sleep.
#[track_caller]
pub unsafe fn platform_device_alloc(name: *const c_char, id: c_int) -> *mut platform_device {
    // SAFETY: The name is NUL-terminated: the caller's guarantee. What is allocated is ours.
    unsafe {
        let copy = kstrdup(name, GFP_KERNEL);
        let pdev: *mut platform_device = kzalloc_obj(GFP_KERNEL);
        if copy.is_null() || pdev.is_null() {
            kfree(copy.cast());
            kfree(pdev.cast());
            return null_mut();
        }
        (*pdev).name = copy;
        (*pdev).id = id;
        (*pdev).dev.release = Some(platform_device_release);
        (*pdev).dev.bus = &raw const platform_bus_type;
        device_initialize(addr_of_mut!((*pdev).dev));
        pdev
    }
}

/// Gives a device its resources, which are copied but for their names: these live as long. May sleep.
///
/// # Safety
///
/// The device is not on the bus yet, and `res` leads to `num`.
#[track_caller]
pub unsafe fn platform_device_add_resources(
    pdev: *mut platform_device,
    res: *const resource,
    num: c_uint,
) -> c_int {
    let size = num as usize * size_of::<resource>();
    // SAFETY: The caller's guarantees; what is allocated is large enough.
    unsafe {
        let copy = krealloc_node_align(
            null(),
            size,
            align_of::<resource>(),
            GFP_KERNEL,
            NUMA_NO_NODE,
        );
        if copy.is_null() {
            return -ENOMEM.cast_signed();
        }
        copy.cast::<resource>()
            .copy_from_nonoverlapping(res, num as usize);
        kfree((*pdev).resource.cast());
        (*pdev).resource = copy.cast();
        (*pdev).num_resources = num;
    }
    0
}

/// Says what the device tree says that a device is. May sleep.
///
/// # Safety
///
/// The device is not on the bus yet, and the text NUL-terminated.
#[track_caller]
pub unsafe fn debug_device_compatible(dev: *mut device, text: *const c_char) -> c_int {
    // SAFETY: The caller's guarantees.
    let copy = unsafe { kstrdup(text, GFP_KERNEL) };
    if copy.is_null() {
        return -ENOMEM.cast_signed();
    }
    // SAFETY: The device is valid, and has none yet: the caller's guarantee.
    unsafe { (*dev).compatible = copy };
    0
}

/// Puts a device on the bus, and binds it if there is a driver for it. May sleep.
#[track_caller]
pub unsafe fn platform_device_add(pdev: *mut platform_device) -> c_int {
    // SAFETY: The device is valid, and not on the bus yet: the caller's guarantee.
    unsafe {
        let (dev, name) = (addr_of_mut!((*pdev).dev), from_char_ptr((*pdev).name));
        let name = name.to_str().unwrap_or("?");
        let error = match (*pdev).id {
            PLATFORM_DEVID_NONE => dev_set_name(dev, format_args!("{name}")),
            id => dev_set_name(dev, format_args!("{name}.{id}")),
        };
        if error == 0 {
            device_add(dev)
        } else {
            error
        }
    }
}

/// Unbinds a device, and takes it off the bus. May sleep.
///
/// # Safety
///
/// As [`device_del`].
#[track_caller]
pub unsafe fn platform_device_del(pdev: *mut platform_device) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { device_del(addr_of_mut!((*pdev).dev)) };
}

/// Drops a reference.
///
/// # Safety
///
/// The caller owns one.
pub unsafe fn platform_device_put(pdev: *mut platform_device) {
    // SAFETY: The caller owns a reference: its guarantee.
    unsafe { put_device(addr_of_mut!((*pdev).dev)) };
}

/// Whether a device is one of this bus. From any context.
pub unsafe fn dev_is_platform(dev: *const device) -> bool {
    // SAFETY: The device is valid: the caller's guarantee. Its bus never changes.
    core::ptr::eq(unsafe { (*dev).bus }, &raw const platform_bus_type)
}

/// The first resource of a kind for which `is` holds; null if there is none.
unsafe fn find(
    pdev: *mut platform_device,
    kind: c_uint,
    mut is: impl FnMut(&resource) -> bool,
) -> *mut resource {
    // SAFETY: The device is valid, and has so many: the caller's guarantee.
    unsafe {
        (0..(*pdev).num_resources as usize)
            .map(|n| (*pdev).resource.add(n))
            .find(|&res| (*res).flags & kind as c_ulong != 0 && is(&*res))
            .unwrap_or(null_mut())
    }
}

/// Returns the resource of a kind with this number; null if there is none.
pub unsafe fn platform_get_resource(
    pdev: *mut platform_device,
    kind: c_uint,
    num: c_uint,
) -> *mut resource {
    let mut left = num;
    let is = |_: &resource| {
        let found = left == 0;
        left = left.wrapping_sub(1);
        found
    };
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe { find(pdev, kind, is) }
}

/// Returns the resource of a kind with this name; null if there is none.
pub unsafe fn platform_get_resource_byname(
    pdev: *mut platform_device,
    kind: c_uint,
    name: *const c_char,
) -> *mut resource {
    // SAFETY: The name is NUL-terminated: the caller's guarantee, and so are those of resources.
    let is = |res: &resource| !res.name.is_null() && unsafe { same(res.name, name) };
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe { find(pdev, kind, is) }
}

/// The number of the interrupt that a resource is.
unsafe fn irq(res: *mut resource) -> c_int {
    // SAFETY: The resource is valid, or null: the caller's guarantee.
    match unsafe { res.as_ref() } {
        // CAST: Numbers of interrupts are small.
        Some(res) => res.start as c_int,
        None => -ENXIO.cast_signed(),
    }
}

/// Returns the number of an interrupt; `-ENXIO` if the device has not so many.
pub unsafe fn platform_get_irq_optional(pdev: *mut platform_device, num: c_uint) -> c_int {
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe { irq(platform_get_resource(pdev, IORESOURCE_IRQ, num)) }
}

/// As [`platform_get_irq_optional`], and says so in the log if there is none.
pub unsafe fn platform_get_irq(pdev: *mut platform_device, num: c_uint) -> c_int {
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe {
        let irq = platform_get_irq_optional(pdev, num);
        if irq < 0 {
            let text = format_args!("error {irq}: IRQ index {num} not found\n");
            _dev_printk(KERN_ERR, addr_of_mut!((*pdev).dev), text);
        }
        irq
    }
}

/// Returns the number of the interrupt with this name; `-ENXIO` if there is none.
pub unsafe fn platform_get_irq_byname_optional(
    pdev: *mut platform_device,
    name: *const c_char,
) -> c_int {
    // SAFETY: The device is valid, and the name NUL-terminated: the caller's guarantee.
    unsafe { irq(platform_get_resource_byname(pdev, IORESOURCE_IRQ, name)) }
}

/// As [`platform_get_irq_byname_optional`], and says so in the log if there is none.
pub unsafe fn platform_get_irq_byname(pdev: *mut platform_device, name: *const c_char) -> c_int {
    // SAFETY: The device is valid, and the name NUL-terminated: the caller's guarantee.
    unsafe {
        let irq = platform_get_irq_byname_optional(pdev, name);
        if irq < 0 {
            let name = from_char_ptr(name).to_str().unwrap_or("?");
            let text = format_args!("error {irq}: IRQ {name} not found\n");
            _dev_printk(KERN_ERR, addr_of_mut!((*pdev).dev), text);
        }
        irq
    }
}

/// A resource: the registers of a region, or the number of an interrupt, with a name or null.
pub fn debug_platform_resource(
    registers: Option<&resource>,
    irq: c_uint,
    name: *const c_char,
) -> resource {
    let (start, end, flags) = match registers {
        Some(registers) => (registers.start, registers.end, IORESOURCE_MEM),
        None => (irq.into(), irq.into(), IORESOURCE_IRQ),
    };
    // CAST: The flags are small.
    let flags = flags as c_ulong;
    resource {
        start,
        end,
        name,
        flags,
    }
}
