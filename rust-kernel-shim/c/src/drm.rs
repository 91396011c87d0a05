// SPDX-License-Identifier: GPL-2.0-only
//! Devices for graphics, the files by which they are open, and the memory objects of those.
//!
//! C headers: [`include/drm/drm_device.h`](srctree/include/drm/drm_device.h),
//! [`include/drm/drm_file.h`](srctree/include/drm/drm_file.h),
//! [`include/drm/drm_gem.h`](srctree/include/drm/drm_gem.h)
//!
//! As far as a driver's objects, their handles and a driver's own calls go: nothing is mapped, and no
//! memory is behind an object. Clients are what tests make them.

use crate::{
    __spin_lock_init, as_char_ptr, container_of,
    devices::{device, get_device, put_device},
    ffi::{c_char, c_int, c_uint, c_ulong, c_void},
    init_waitqueue_head, kfree, kmalloc_obj, krealloc_node_align, kref, kref_get, kref_put,
    may_sleep, spin_lock, spin_unlock, spinlock_t, wait_event, wait_queue_head, wake_up_all,
    __GFP_ZERO, EACCES, EINVAL, ENODEV, ENOMEM, GFP_KERNEL, MAX_SCHEDULE_TIMEOUT, NUMA_NO_NODE,
    PAGE_SIZE,
};
use core::{
    ptr::{self, addr_of_mut, null, null_mut},
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};
use machine::task;

/// What a driver does with devices and files.
#[repr(C)]
pub struct drm_driver {
    /// A file is opened: 0, or an error.
    pub open: Option<unsafe extern "C" fn(dev: *mut drm_device, file: *mut drm_file) -> c_int>,
    /// A file was closed.
    pub postclose: Option<unsafe extern "C" fn(dev: *mut drm_device, file: *mut drm_file)>,
    /// The last reference to a device is gone.
    pub release: Option<unsafe extern "C" fn(dev: *mut drm_device)>,
    /// The version.
    pub major: c_int,
    /// The version.
    pub minor: c_int,
    /// The version.
    pub patchlevel: c_int,
    /// The name, NUL-terminated.
    pub name: *const c_char,
    /// What it drives, NUL-terminated.
    pub desc: *const c_char,
    /// What it can do.
    pub driver_features: u32,
    /// Its calls.
    pub ioctls: *const drm_ioctl_desc,
    /// How many there are.
    pub num_ioctls: c_int,
}

/// A call of a driver.
#[repr(C)]
#[derive(Debug)]
pub struct drm_ioctl_desc {
    /// Its number.
    pub cmd: c_uint,
    /// Whose it is.
    pub flags: u32,
    /// What it does: with the argument, which is the function's for the call.
    pub func: Option<
        unsafe extern "C" fn(dev: *mut drm_device, data: *mut c_void, file: *mut drm_file) -> c_int,
    >,
    /// Its name.
    pub name: *const c_char,
}

/// In a call's flags: of clients that are authenticated, or only render.
pub const drm_ioctl_flags_DRM_AUTH: u32 = 1 << 0;
/// In a call's flags: of the master.
pub const drm_ioctl_flags_DRM_MASTER: u32 = 1 << 1;
/// In a call's flags: of the administrator.
pub const drm_ioctl_flags_DRM_ROOT_ONLY: u32 = 1 << 2;
/// In a call's flags: of clients that only render as well.
pub const drm_ioctl_flags_DRM_RENDER_ALLOW: u32 = 1 << 5;

/// In a call's number: the client has written the argument.
const IOC_IN: u32 = 1 << 30;
/// In a call's number: the client reads the argument.
const IOC_OUT: u32 = 2 << 30;
/// The number of a driver's first call.
const DRM_COMMAND_BASE: u32 = 0x40;

/// In a driver's features: it has memory objects.
pub const drm_driver_feature_DRIVER_GEM: u32 = 1 << 0;
/// In a driver's features: those who only render may open it.
pub const drm_driver_feature_DRIVER_RENDER: u32 = 1 << 3;

/// A device for graphics.
#[repr(C)]
pub struct drm_device {
    kref: kref,
    /// The device of its bus, to which it has a reference.
    pub dev: *mut device,
    /// Null until it has one.
    pub driver: *const drm_driver,
    /// It can be opened.
    registered: AtomicBool,
    /// The sections in which it is registered, and who waits for their end. In Linux they are those of one
    /// SRCU domain for all devices, which is not to be cleaned up where a device goes.
    sections: AtomicUsize,
    unplug: wait_queue_head,
    /// The block that it is in.
    container: *mut c_void,
}

/// A file by which a device is open.
#[repr(C)]
pub struct drm_file {
    /// The driver's own.
    pub driver_priv: *mut c_void,
    dev: *mut drm_device,
    /// The client only renders.
    render: bool,
    /// The handles, by number.
    handles: *mut Handle,
    table_lock: spinlock_t,
}

/// An object in a file's table, to which it has a reference.
struct Handle {
    next: *mut Handle,
    number: u32,
    /// Null until the driver has opened it.
    obj: *mut drm_gem_object,
}

/// What a driver does with memory objects.
#[repr(C)]
pub struct drm_gem_object_funcs {
    /// The last reference is gone.
    pub free: Option<unsafe extern "C" fn(obj: *mut drm_gem_object)>,
    /// It gets a handle in a file: 0, or an error.
    pub open: Option<unsafe extern "C" fn(obj: *mut drm_gem_object, file: *mut drm_file) -> c_int>,
    /// A handle in a file goes.
    pub close: Option<unsafe extern "C" fn(obj: *mut drm_gem_object, file: *mut drm_file)>,
}

/// A memory object.
#[repr(C)]
pub struct drm_gem_object {
    refcount: kref,
    /// The device; here with a reference, which Linux leaves to the driver.
    pub dev: *mut drm_device,
    /// The size in bytes, in pages.
    pub size: usize,
    /// What the driver does with it.
    pub funcs: *const drm_gem_object_funcs,
}

impl Default for drm_gem_object {
    fn default() -> Self {
        Self {
            refcount: kref::new(),
            dev: null_mut(),
            size: 0,
            funcs: null(),
        }
    }
}

/// Allocates a block of `size` bytes, zeroed, with a device at `offset` that has no driver yet; null
/// without memory. May sleep.
///
/// C's takes the driver, and no alignment, and returns an error pointer.
///
/// # Safety
///
/// `parent` is valid; a device is within the block at `offset`, and aligned.
#[track_caller]
pub unsafe fn __drm_dev_alloc(
    parent: *mut device,
    size: usize,
    align: usize,
    offset: usize,
) -> *mut c_void {
    // SAFETY: No block to replace. The device is within it: the caller's guarantee.
    unsafe {
        let flags = GFP_KERNEL | __GFP_ZERO;
        let container = krealloc_node_align(null(), size, align, flags, NUMA_NO_NODE);
        if !container.is_null() {
            // All else is 0: no driver, and not registered.
            let dev = container.byte_add(offset).cast::<drm_device>();
            addr_of_mut!((*dev).kref).write(kref::new());
            (*dev).dev = get_device(parent);
            (*dev).container = container;
            init_waitqueue_head(addr_of_mut!((*dev).unplug));
        }
        container
    }
}

/// Takes a reference.
pub unsafe fn drm_dev_get(dev: *mut drm_device) {
    // SAFETY: `dev` is valid: the caller's guarantee.
    unsafe { kref_get(addr_of_mut!((*dev).kref)) };
}

/// Drops a reference.
///
/// # Safety
///
/// The caller owns one.
pub unsafe fn drm_dev_put(dev: *mut drm_device) {
    // SAFETY: The caller owns a reference: its guarantee.
    unsafe { kref_put(addr_of_mut!((*dev).kref), Some(dev_release)) };
}

/// # Safety
///
/// `kref` is that of a device to which there is no reference any more.
unsafe extern "C" fn dev_release(kref: *mut kref) {
    // SAFETY: The caller says so; the driver is static.
    unsafe {
        let dev = container_of!(kref, drm_device, kref);
        if let Some(release) = (*dev).driver.as_ref().and_then(|driver| driver.release) {
            release(dev);
        }
        put_device((*dev).dev);
        kfree((*dev).container);
    }
}

/// Lets the device be opened. Returns 0. May sleep.
pub unsafe fn drm_dev_register(dev: *mut drm_device, _flags: c_ulong) -> c_int {
    may_sleep();
    // SAFETY: `dev` is valid: the caller's guarantee.
    unsafe { &(*dev).registered }.store(true, Relaxed);
    0
}

/// Begins a section in which the device is registered; false if it is not. From any context.
pub unsafe fn drm_dev_enter(dev: *mut drm_device, idx: *mut c_int) -> bool {
    task::point();
    // SAFETY: Both are valid: the caller's guarantee.
    unsafe {
        *idx = 0;
        // SeqCst, here and at the load: if this comes first, `drm_dev_unplug()` waits for the section; if
        // its store does, the load sees that.
        (*dev).sections.fetch_add(1, SeqCst);
        let registered = (*dev).registered.load(SeqCst);
        if !registered {
            drm_dev_exit(dev, *idx);
        }
        registered
    }
}

/// Ends a section. From any context. C's takes no device, since its sections are those of all.
///
/// # Safety
///
/// It was begun.
pub unsafe fn drm_dev_exit(dev: *mut drm_device, _idx: c_int) {
    // SAFETY: The device is valid: the caller's guarantee.
    unsafe {
        // SeqCst: pairs with the load in `drm_dev_unplug()`.
        (*dev).sections.fetch_sub(1, SeqCst);
        wake_up_all(addr_of_mut!((*dev).unplug));
    }
}

/// Lets the device be opened no more, and waits for the sections in which it is registered; files stay
/// open. May sleep.
pub unsafe fn drm_dev_unplug(dev: *mut drm_device) {
    may_sleep();
    // SAFETY: `dev` is valid: the caller's guarantee.
    unsafe {
        // SeqCst: pairs with the sections that begin and end.
        (*dev).registered.store(false, SeqCst);
        let (sections, wait) = (&raw const (*dev).sections, addr_of_mut!((*dev).unplug));
        let over = || (*sections).load(SeqCst) == 0;
        wait_event(wait, 0, MAX_SCHEDULE_TIMEOUT, over);
    }
}

/// A client opens the device, `render` if it is only to render: 0 and the file, or an error. May sleep.
///
/// # Safety
///
/// `dev` is valid and has a driver; `file` is valid for writes.
#[track_caller]
pub unsafe fn debug_drm_open(
    dev: *mut drm_device,
    render: bool,
    file: *mut *mut drm_file,
) -> c_int {
    // SAFETY: The caller's guarantees; what is allocated is ours.
    unsafe {
        let renders = (*(*dev).driver).driver_features & drm_driver_feature_DRIVER_RENDER != 0;
        if !(*dev).registered.load(Relaxed) || render && !renders {
            return -ENODEV.cast_signed();
        }
        let this: *mut drm_file = kmalloc_obj(GFP_KERNEL);
        if this.is_null() {
            return -ENOMEM.cast_signed();
        }
        this.write(drm_file {
            driver_priv: null_mut(),
            dev,
            render,
            handles: null_mut(),
            table_lock: spinlock_t::new(),
        });
        let name = as_char_ptr(c"&file->table_lock");
        __spin_lock_init(addr_of_mut!((*this).table_lock), name, null_mut());
        drm_dev_get(dev);
        let result = (*(*dev).driver).open.map_or(0, |open| open(dev, this));
        if result != 0 {
            drm_dev_put(dev);
            kfree(this.cast());
            return result;
        }
        file.write(this);
    }
    0
}

/// A client makes a call of the driver's: the result, or an error. The argument is read, and written, as
/// the numbers of the client and of the driver agree. May sleep.
///
/// The client is authenticated if it is none that only renders, and neither master nor administrator.
///
/// # Safety
///
/// `file` is from [`debug_drm_open`]; `arg` is valid for the size in `cmd`, and the caller's.
#[track_caller]
pub unsafe fn debug_drm_ioctl(file: *mut drm_file, cmd: c_uint, arg: *mut c_void) -> c_int {
    may_sleep();
    let size_of = |cmd: u32| (cmd >> 16 & 0x3fff) as usize;
    // SAFETY: The caller's guarantees; the block is large enough for both sizes.
    unsafe {
        let dev = (*file).dev;
        if !(*dev).registered.load(Relaxed) {
            return -ENODEV.cast_signed();
        }
        let driver = &*(*dev).driver;
        let nr = (cmd & 0xff).wrapping_sub(DRM_COMMAND_BASE);
        if nr >= driver.num_ioctls.cast_unsigned() {
            return -EINVAL.cast_signed();
        }
        let ioctl = &*driver.ioctls.add(nr as usize);
        let Some(func) = ioctl.func else {
            return -EINVAL.cast_signed();
        };
        let never = drm_ioctl_flags_DRM_ROOT_ONLY | drm_ioctl_flags_DRM_MASTER;
        let renders = ioctl.flags & drm_ioctl_flags_DRM_RENDER_ALLOW != 0;
        if ioctl.flags & never != 0 || (*file).render && !renders {
            return -EACCES.cast_signed();
        }
        let (both, size) = (cmd & ioctl.cmd, size_of(cmd).max(size_of(ioctl.cmd)));
        let data = krealloc_node_align(
            null(),
            size.max(1),
            16,
            GFP_KERNEL | __GFP_ZERO,
            NUMA_NO_NODE,
        );
        if data.is_null() {
            return -ENOMEM.cast_signed();
        }
        let given = size_of(cmd);
        if both & IOC_IN != 0 {
            ptr::copy_nonoverlapping(arg.cast::<u8>(), data.cast(), given);
        }
        let result = func(dev, data, file);
        if both & IOC_OUT != 0 {
            ptr::copy_nonoverlapping(data.cast::<u8>(), arg.cast(), given);
        }
        kfree(data);
        result
    }
}

/// A client closes a file: its handles go, and then the file. May sleep.
///
/// # Safety
///
/// `file` is from [`debug_drm_open`], and not used any more.
#[track_caller]
pub unsafe fn debug_drm_close(file: *mut drm_file) {
    may_sleep();
    // SAFETY: The caller's guarantees: the file is ours.
    unsafe {
        while !(*file).handles.is_null() {
            drm_gem_handle_delete(file, (*(*file).handles).number);
        }
        let dev = (*file).dev;
        if let Some(postclose) = (*(*dev).driver).postclose {
            postclose(dev, file);
        }
        kfree(file.cast());
        drm_dev_put(dev);
    }
}

/// Initialises an object of a size, which is one of pages; C calls what is none a bug. Returns 0.
///
/// # Safety
///
/// `dev` is valid; the object has its functions, and frees itself by them.
pub unsafe fn drm_gem_object_init(
    dev: *mut drm_device,
    obj: *mut drm_gem_object,
    size: usize,
) -> c_int {
    crate::BUG_ON!(!size.is_multiple_of(PAGE_SIZE));
    // SAFETY: The caller's guarantees.
    unsafe {
        drm_dev_get(dev);
        (*obj).refcount = kref::new();
        (*obj).dev = dev;
        (*obj).size = size;
    }
    0
}

/// The object goes.
///
/// # Safety
///
/// It is initialised, and not used any more.
pub unsafe fn drm_gem_object_release(obj: *mut drm_gem_object) {
    // SAFETY: The reference is the object's.
    unsafe { drm_dev_put((*obj).dev) };
}

/// Takes a reference.
pub unsafe fn drm_gem_object_get(obj: *mut drm_gem_object) {
    // SAFETY: `obj` is valid: the caller's guarantee.
    unsafe { kref_get(addr_of_mut!((*obj).refcount)) };
}

/// Drops a reference.
///
/// # Safety
///
/// The caller owns one.
pub unsafe fn drm_gem_object_put(obj: *mut drm_gem_object) {
    // SAFETY: The caller owns a reference: its guarantee.
    unsafe { kref_put(addr_of_mut!((*obj).refcount), Some(gem_free)) };
}

/// # Safety
///
/// `kref` is that of an object to which there is no reference any more.
unsafe extern "C" fn gem_free(kref: *mut kref) {
    // SAFETY: The caller says so; the functions are static.
    unsafe {
        let obj = container_of!(kref, drm_gem_object, refcount);
        if let Some(free) = (*(*obj).funcs).free {
            free(obj);
        }
    }
}

/// Calls `f` with the table of a file, under its lock.
///
/// # Safety
///
/// `file` is valid.
unsafe fn locked<R>(file: *mut drm_file, f: impl FnOnce(*mut *mut Handle) -> R) -> R {
    // SAFETY: `file` is valid: the caller's guarantee.
    unsafe {
        spin_lock(addr_of_mut!((*file).table_lock));
        let result = f(addr_of_mut!((*file).handles));
        spin_unlock(addr_of_mut!((*file).table_lock));
        result
    }
}

/// The link at which a number is, or would be.
///
/// # Safety
///
/// `link` leads to a table whose lock is held.
unsafe fn find(mut link: *mut *mut Handle, number: u32) -> *mut *mut Handle {
    // SAFETY: The caller's guarantee.
    unsafe {
        while !(*link).is_null() && (**link).number < number {
            link = addr_of_mut!((**link).next);
        }
    }
    link
}

/// Gives the object a handle in a file, the least that is free: 0 and the handle, or an error. May
/// sleep.
///
/// # Safety
///
/// All are valid, `handle` for writes; the object is initialised.
#[track_caller]
pub unsafe fn drm_gem_handle_create(
    file: *mut drm_file,
    obj: *mut drm_gem_object,
    handle: *mut u32,
) -> c_int {
    // SAFETY: The caller's guarantees; what is allocated is ours until it is in the table.
    unsafe {
        let new: *mut Handle = kmalloc_obj(GFP_KERNEL);
        if new.is_null() {
            return -ENOMEM.cast_signed();
        }
        drm_gem_object_get(obj);
        let number = locked(file, |table| {
            let (mut link, mut number) = (table, 1);
            while !(*link).is_null() && (**link).number == number {
                link = addr_of_mut!((**link).next);
                number += 1;
            }
            new.write(Handle {
                next: *link,
                number,
                obj: null_mut(),
            });
            *link = new;
            number
        });
        let result = (*(*obj).funcs).open.map_or(0, |open| open(obj, file));
        locked(file, |table| {
            let link = find(table, number);
            if result == 0 {
                (**link).obj = obj;
            } else {
                *link = (**link).next;
            }
        });
        if result != 0 {
            kfree(new.cast());
            drm_gem_object_put(obj);
            return result;
        }
        handle.write(number);
    }
    0
}

/// Takes a handle out of the table; the reference is the caller's then.
///
/// # Safety
///
/// `file` is valid.
unsafe fn take(file: *mut drm_file, number: u32) -> Option<*mut drm_gem_object> {
    // SAFETY: `file` is valid: the caller's guarantee. What is out of the table is ours.
    unsafe {
        let taken = locked(file, |table| {
            let link = find(table, number);
            let found = *link;
            if found.is_null() || (*found).number != number || (*found).obj.is_null() {
                return None;
            }
            *link = (*found).next;
            Some(found)
        })?;
        let obj = (*taken).obj;
        kfree(taken.cast());
        Some(obj)
    }
}

/// Takes a handle back: 0, or `-EINVAL` if there is none. May sleep.
#[track_caller]
pub unsafe fn drm_gem_handle_delete(file: *mut drm_file, handle: u32) -> c_int {
    // SAFETY: `file` is valid: the caller's guarantee. The reference of the table is ours.
    unsafe {
        let Some(obj) = take(file, handle) else {
            return -EINVAL.cast_signed();
        };
        if let Some(close) = (*(*obj).funcs).close {
            close(obj, file);
        }
        drm_gem_object_put(obj);
    }
    0
}

/// Returns the object of a handle, with a reference; null if there is none.
pub unsafe fn drm_gem_object_lookup(file: *mut drm_file, handle: u32) -> *mut drm_gem_object {
    // SAFETY: `file` is valid: the caller's guarantee. The table has a reference.
    unsafe {
        locked(file, |table| {
            let found = *find(table, handle);
            if found.is_null() || (*found).number != handle || (*found).obj.is_null() {
                return null_mut();
            }
            drm_gem_object_get((*found).obj);
            (*found).obj
        })
    }
}
