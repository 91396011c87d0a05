// SPDX-License-Identifier: GPL-2.0-only
//! Devices, and what they own while they are bound to a driver.
//!
//! C headers: [`include/linux/device.h`](srctree/include/linux/device.h),
//! [`include/linux/device/faux.h`](srctree/include/linux/device/faux.h)
//!
//! Devices of [`faux_device`] are bound from their creation to their end; others are on a bus. There is
//! no sysfs.

use crate::{
    __mutex_init, __spin_lock_init, as_char_ptr,
    base::vsprintf::Cut,
    container_of,
    ffi::{c_char, c_int, c_void},
    from_char_ptr, gfp_t, kfree, kmalloc_obj, krealloc_node_align, kref, kref_get, kref_init,
    kref_put, kzalloc_obj, list_add_tail, list_del_init, list_empty, list_head, may_sleep, mutex,
    printk, spin_lock_irqsave, spin_unlock_irqrestore, spinlock_t, ENOMEM, GFP_KERNEL,
    INIT_LIST_HEAD, NUMA_NO_NODE,
};
use core::{
    fmt::{self, Write as _},
    ptr::{self, addr_of_mut, null_mut},
    sync::atomic::{AtomicPtr, Ordering::Relaxed},
};

pub(crate) mod auxiliary;
pub(crate) mod bus;
pub(crate) mod pci;
pub(crate) mod platform;

use bus::{bus_type, device_driver};

/// A device.
#[repr(C)]
pub struct device {
    /// The device above it, to which it has a reference; null if there is none.
    pub parent: *mut device,
    /// Its bus; null if it is on none.
    pub bus: *const bus_type,
    /// Its driver, under the locks of the device and of the bus; null if it is not bound.
    pub driver: *mut device_driver,
    /// The driver's own.
    pub driver_data: *mut c_void,
    /// Frees it.
    pub release: Option<unsafe extern "C" fn(dev: *mut device)>,
    /// What the device tree says that it is; null if that does not know of it.
    compatible: *const c_char,
    /// The name of its driver, which lives forever, for the log.
    driver_name: AtomicPtr<c_char>,
    /// Held while it is bound or unbound.
    mutex: mutex,
    /// The next of the machine, and its place among these; 0 if it is not on the bus.
    next: *mut device,
    seq: u64,
    kref: kref,
    name: *mut c_char,
    /// The nodes, the oldest first.
    devres: list_head,
    devres_lock: spinlock_t,
}

/// A device that is bound as long as it is there.
#[repr(C)]
pub struct faux_device {
    /// The device.
    pub dev: device,
}

/// What is to be done when a device is unbound.
pub type dr_node_release_t = Option<unsafe extern "C" fn(dev: *mut device, node: *mut devres_node)>;
/// Frees what a node is in.
pub type dr_node_free_t = Option<unsafe extern "C" fn(node: *mut devres_node)>;

/// What a device owns.
#[repr(C)]
pub struct devres_node {
    entry: list_head,
    release: dr_node_release_t,
    free_node: dr_node_free_t,
}

/// Makes `node` one of no device.
pub unsafe fn devres_node_init(
    node: *mut devres_node,
    release: dr_node_release_t,
    free_node: dr_node_free_t,
) {
    // SAFETY: `node` is valid for writes: the caller's guarantee.
    unsafe {
        node.write(devres_node {
            entry: list_head::new(),
            release,
            free_node,
        });
        INIT_LIST_HEAD(addr_of_mut!((*node).entry));
    }
}

/// Says what the node is, and how large, for the log; which does not list them here.
pub unsafe fn devres_set_node_dbginfo(_node: *mut devres_node, _name: *const c_char, _size: usize) {
}

/// Calls `f` under the lock of a device's nodes.
///
/// # Safety
///
/// `dev` is valid.
unsafe fn locked<R>(dev: *mut device, f: impl FnOnce(*mut list_head) -> R) -> R {
    // SAFETY: `dev` is valid: the caller's guarantee.
    unsafe {
        let lock = addr_of_mut!((*dev).devres_lock);
        let flags = spin_lock_irqsave(lock);
        let result = f(addr_of_mut!((*dev).devres));
        spin_unlock_irqrestore(lock, flags);
        result
    }
}

/// Gives a node to the device: it is released, and freed, when that is unbound. From any context.
///
/// # Safety
///
/// Both are initialised, and `node` is that of no device and valid until it is freed or removed.
pub unsafe fn devres_node_add(dev: *mut device, node: *mut devres_node) {
    // SAFETY: Both are valid, the node on no list: the caller's guarantee. The lock is held.
    unsafe { locked(dev, |head| list_add_tail(addr_of_mut!((*node).entry), head)) };
}

/// Takes a node back; false if it is not the device's, or not any more. From any context.
pub unsafe fn devres_node_remove(dev: *mut device, node: *mut devres_node) -> bool {
    // SAFETY: Both are valid: the caller's guarantee. The lock is held.
    unsafe {
        locked(dev, |_| {
            let entry = addr_of_mut!((*node).entry);
            let there = !list_empty(entry);
            list_del_init(entry);
            there
        })
    }
}

/// Releases and frees all nodes of a device, the youngest first. May sleep.
///
/// A part of it that is still on a bus, because its registration was forgotten, would take it for bound
/// for ever: that is a bug, where Linux goes on.
unsafe fn devres_release_all(dev: *mut device) {
    crate::BUG_ON!(bus::has_part(dev));
    loop {
        // SAFETY: `dev` is valid: the caller's guarantee. The list is ours under the lock.
        let entry = unsafe {
            locked(dev, |head| {
                let entry = (*head).prev;
                (!list_empty(head)).then(|| {
                    list_del_init(entry);
                    entry
                })
            })
        };
        let Some(entry) = entry else { return };
        // SAFETY: The entry is that of a node, which is valid until it is freed.
        unsafe {
            let node = container_of!(entry, devres_node, entry);
            if let Some(release) = (*node).release {
                release(dev, node);
            }
            if let Some(free) = (*node).free_node {
                free(node);
            }
        }
    }
}

/// A function that is called when a device is unbound.
#[repr(C)]
struct Action {
    node: devres_node,
    action: Option<unsafe extern "C" fn(data: *mut c_void)>,
    data: *mut c_void,
}

/// # Safety
///
/// `node` is that of an [`Action`].
unsafe extern "C" fn act(_dev: *mut device, node: *mut devres_node) {
    // SAFETY: The node is the first field: the caller's guarantee. Whoever added the action vouches
    // for its function.
    unsafe {
        let this = node.cast::<Action>();
        if let Some(action) = (*this).action {
            action((*this).data);
        }
    }
}

/// # Safety
///
/// `node` is that of an [`Action`], which is not used any more.
unsafe extern "C" fn free_action(node: *mut devres_node) {
    // SAFETY: From `kmalloc_obj()`; the node is the first field.
    unsafe { kfree(node.cast()) };
}

/// Has `action` called with `data` when the device is unbound; at once, and returns `-ENOMEM`, if
/// there is no memory. May sleep.
///
/// # Safety
///
/// `dev` is bound; `action` may be called with `data` until then, by the task that unbinds it.
#[track_caller]
pub unsafe fn devm_add_action_or_reset(
    dev: *mut device,
    action: Option<unsafe extern "C" fn(data: *mut c_void)>,
    data: *mut c_void,
) -> c_int {
    // SAFETY: The caller's guarantees; what is allocated is ours until it is the device's.
    unsafe {
        let this: *mut Action = kmalloc_obj(GFP_KERNEL);
        if this.is_null() {
            if let Some(action) = action {
                action(data);
            }
            return -ENOMEM.cast_signed();
        }
        let node = addr_of_mut!((*this).node);
        addr_of_mut!((*this).action).write(action);
        addr_of_mut!((*this).data).write(data);
        devres_node_init(node, Some(act), Some(free_action));
        devres_node_add(dev, node);
    }
    0
}

/// Takes a reference.
pub unsafe fn get_device(dev: *mut device) -> *mut device {
    // SAFETY: `dev` is valid: the caller's guarantee.
    unsafe { kref_get(addr_of_mut!((*dev).kref)) };
    dev
}

/// Drops a reference; the last one frees the device.
///
/// # Safety
///
/// The caller owns one.
pub unsafe fn put_device(dev: *mut device) {
    // SAFETY: The caller owns a reference: its guarantee.
    unsafe { kref_put(addr_of_mut!((*dev).kref), Some(device_release)) };
}

/// # Safety
///
/// `kref` is that of a device, to which there is no reference any more.
unsafe extern "C" fn device_release(kref: *mut kref) {
    // SAFETY: The caller says what it is, and that it is not used. The texts are from the allocator, or null.
    unsafe {
        let dev = container_of!(kref, device, kref);
        let (parent, name, compatible) = ((*dev).parent, (*dev).name, (*dev).compatible);
        if let Some(release) = (*dev).release {
            release(dev);
        }
        kfree(name.cast());
        kfree(compatible.cast());
        if !parent.is_null() {
            put_device(parent);
        }
    }
}

/// Initialises a device, which takes a reference to the one above it; its other fields are set, or 0.
///
/// # Safety
///
/// `dev` is valid, and what it is in is freed by its `release`.
pub unsafe fn device_initialize(dev: *mut device) {
    // SAFETY: `dev` is valid for writes, and its parent is valid, or null: the caller's guarantee.
    unsafe {
        if !(*dev).parent.is_null() {
            get_device((*dev).parent);
        }
        kref_init(addr_of_mut!((*dev).kref));
        INIT_LIST_HEAD(addr_of_mut!((*dev).devres));
        let name = as_char_ptr(c"&dev->devres_lock");
        __spin_lock_init(addr_of_mut!((*dev).devres_lock), name, null_mut());
        let name = as_char_ptr(c"&dev->mutex");
        __mutex_init(addr_of_mut!((*dev).mutex), name, null_mut());
    }
}

/// Copies a string; null without memory. May sleep if the flags say so.
#[track_caller]
pub unsafe fn kstrdup(s: *const c_char, flags: gfp_t) -> *mut c_char {
    // SAFETY: `s` is NUL-terminated: the caller's guarantee; the copy is as long.
    unsafe {
        let text = from_char_ptr(s).to_bytes_with_nul();
        let copy = krealloc_node_align(ptr::null(), text.len(), 1, flags, NUMA_NO_NODE);
        if !copy.is_null() {
            ptr::copy_nonoverlapping(text.as_ptr(), copy.cast(), text.len());
        }
        copy.cast()
    }
}

/// Gives a device its name; it has none yet. May sleep.
///
/// C's takes a format and its arguments.
#[track_caller]
pub unsafe fn dev_set_name(dev: *mut device, args: fmt::Arguments<'_>) -> c_int {
    // As names in sysfs are short.
    let mut text = [0; 64];
    let _ = Cut(&mut text[..63], 0).write_fmt(args);
    // SAFETY: A NUL ends the text. The device is valid: the caller's guarantee.
    unsafe {
        (*dev).name = kstrdup(text.as_ptr(), GFP_KERNEL);
        if (*dev).name.is_null() {
            return -ENOMEM.cast_signed();
        }
    }
    0
}

/// Returns the name of a device, which lives as long. From any context.
pub unsafe fn dev_name(dev: *const device) -> *const c_char {
    // SAFETY: `dev` is valid: the caller's guarantee. The name never changes.
    unsafe { (*dev).name }
}

/// Returns the driver's own pointer.
pub unsafe fn dev_get_drvdata(dev: *const device) -> *mut c_void {
    // SAFETY: `dev` is valid: the caller's guarantee.
    unsafe { (*dev).driver_data }
}

/// Sets the driver's own pointer.
pub unsafe fn dev_set_drvdata(dev: *mut device, data: *mut c_void) {
    // SAFETY: `dev` is valid: the caller's guarantee.
    unsafe { (*dev).driver_data = data };
}

/// Writes a message to the log, with the driver and the name of the device. From any context.
///
/// C's takes a format and its arguments.
pub unsafe fn _dev_printk(level: u8, dev: *const device, args: fmt::Arguments<'_>) {
    // SAFETY: `dev` is valid: the caller's guarantee; the name of a driver lives forever.
    let (driver, name) = unsafe {
        let driver = (*dev).driver_name.load(Relaxed).cast_const();
        let driver = match (*dev).bus.as_ref() {
            Some(bus) if driver.is_null() => from_char_ptr(bus.name),
            Some(_) => from_char_ptr(driver),
            None => c"faux_driver",
        };
        (driver, from_char_ptr(dev_name(dev)))
    };
    let (driver, name) = (driver.to_str().unwrap_or("?"), name.to_str().unwrap_or("?"));
    printk(level, b"\0", format_args!("{driver} {name}: {args}"));
}

/// Creates a device, which is bound until [`faux_device_destroy`]; null without memory, or a name. May
/// sleep. In Linux the name is no other's of this kind.
///
/// # Safety
///
/// `name` is NUL-terminated; `parent` is null or valid. There are no callbacks, so `ops` is null.
#[track_caller]
pub unsafe fn faux_device_create(
    name: *const c_char,
    parent: *mut device,
    _ops: *const c_void,
) -> *mut faux_device {
    // SAFETY: The caller's guarantees; what is allocated is ours.
    unsafe {
        if *name == 0 {
            return null_mut();
        }
        let copy = kstrdup(name, GFP_KERNEL);
        let faux: *mut faux_device = kzalloc_obj(GFP_KERNEL);
        if copy.is_null() || faux.is_null() {
            kfree(copy.cast());
            kfree(faux.cast());
            return null_mut();
        }
        let dev = addr_of_mut!((*faux).dev);
        (*dev).parent = parent;
        (*dev).name = copy;
        (*dev).release = Some(faux_release);
        device_initialize(dev);
        faux
    }
}

/// # Safety
///
/// `dev` is that of a [`faux_device`], to which there is no reference any more.
unsafe extern "C" fn faux_release(dev: *mut device) {
    // SAFETY: The caller says so; from `kzalloc_obj()`, and the device is the first field.
    unsafe { kfree(dev.cast()) };
}

/// Unbinds a device, releases what it owns, and drops the reference of its creation. May sleep.
///
/// # Safety
///
/// `faux` is from [`faux_device_create`], and nothing relies on it being bound.
#[track_caller]
pub unsafe fn faux_device_destroy(faux: *mut faux_device) {
    may_sleep();
    // SAFETY: Valid, and the reference is the caller's: its guarantee.
    unsafe {
        let dev = addr_of_mut!((*faux).dev);
        devres_release_all(dev);
        put_device(dev);
    }
}
