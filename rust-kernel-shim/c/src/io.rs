// SPDX-License-Identifier: GPL-2.0-only
//! Registers of simulated devices.
//!
//! C header: [`include/asm-generic/io.h`](srctree/include/asm-generic/io.h)
//!
//! There is nothing behind their addresses: they are numbers by which an access finds the device
//! that answers it. Where there is none, as behind a bus from which a device was taken, all bits
//! are set. "Physical" addresses and those to which they are mapped are the same.

use crate::{
    ffi::{c_char, c_ulong, c_void},
    kfree, kmalloc_obj,
    sched::spinlock::Relax,
    GFP_KERNEL,
};
use core::ptr::{null, null_mut};
use machine::task;
use spin::mutex::SpinMutex;

/// A physical address.
pub type phys_addr_t = u64;
/// The size of a resource.
pub type resource_size_t = phys_addr_t;

/// In a resource's flags: registers in memory.
pub const IORESOURCE_MEM: u32 = 0x200;

/// A range of addresses of a device.
#[repr(C)]
pub struct resource {
    /// The first.
    pub start: resource_size_t,
    /// The last.
    pub end: resource_size_t,
    /// Its name, NUL-terminated, or null.
    pub name: *const c_char,
    /// What it is.
    pub flags: c_ulong,
}

/// Returns the number of addresses of a resource.
pub unsafe fn resource_size(res: *const resource) -> resource_size_t {
    // SAFETY: `res` is valid: the caller's guarantee.
    unsafe { (*res).end - (*res).start + 1 }
}

/// How a simulated device answers accesses to its registers; each is of 1, 2, 4 or 8 bytes.
#[allow(missing_debug_implementations)]
#[derive(Clone, Copy)]
pub struct debug_io_ops {
    /// Reads `size` bytes at `offset`.
    pub read: unsafe fn(data: *const c_void, offset: usize, size: usize) -> u64,
    /// Writes `size` bytes at `offset`.
    pub write: unsafe fn(data: *const c_void, offset: usize, size: usize, value: u64),
    /// Takes or drops a reference to the data.
    pub get: unsafe fn(data: *const c_void, take: bool),
}

/// Registers of a simulated device.
pub struct debug_io_region {
    next: *mut debug_io_region,
    resource: resource,
    ops: debug_io_ops,
    data: *const c_void,
}

/// Registers that are mapped.
struct Mapping {
    next: *mut Mapping,
    addr: *mut c_void,
}

struct Regions {
    first: *mut debug_io_region,
    mappings: *mut Mapping,
    next: u64,
}

// SAFETY: What is on the lists is used under the lock.
unsafe impl Send for Regions {}

/// The first address: one that no program has.
const FIRST: u64 = 0xffff_c900_0000_0000;
/// The regions' distance, at least; so that an access beyond one is not to another.
const GAP: u64 = 1 << 20;

static REGIONS: SpinMutex<Regions, Relax> = SpinMutex::new(Regions {
    first: null_mut(),
    mappings: null_mut(),
    next: FIRST,
});

/// Has a simulated device answer accesses to `size` addresses of its own; null without memory, or so
/// many addresses. May sleep.
///
/// # Safety
///
/// The functions may be called with `data`, from any task and context; it is valid while references
/// are taken, and until [`debug_io_region_goes`] returns.
pub unsafe fn debug_io_region(
    size: usize,
    ops: debug_io_ops,
    data: *const c_void,
) -> *mut debug_io_region {
    // SAFETY: `kmalloc_obj()` has no preconditions.
    let region: *mut debug_io_region = unsafe { kmalloc_obj(GFP_KERNEL) };
    if region.is_null() {
        return region;
    }
    task::point();
    let mut regions = REGIONS.lock();
    let (start, size) = (regions.next, size as u64);
    let beyond = size
        .checked_next_multiple_of(GAP)
        .and_then(|size| start.checked_add(size));
    let Some(next) = beyond.and_then(|beyond| beyond.checked_add(GAP)) else {
        drop(regions);
        // SAFETY: From `kmalloc_obj()`.
        unsafe { kfree(region.cast()) };
        return null_mut();
    };
    regions.next = next;
    // SAFETY: The block is large enough, and ours until it is on the list.
    unsafe {
        region.write(debug_io_region {
            next: regions.first,
            resource: resource {
                start,
                end: start + size.saturating_sub(1),
                name: null(),
                // CAST: The flag is small.
                flags: IORESOURCE_MEM as c_ulong,
            },
            ops,
            data,
        });
    }
    regions.first = region;
    region
}

/// Returns the addresses of a region.
pub unsafe fn debug_io_resource(region: *mut debug_io_region) -> *mut resource {
    // SAFETY: `region` is valid: the caller's guarantee.
    unsafe { &raw mut (*region).resource }
}

/// From here on no device answers.
///
/// # Safety
///
/// `region` is from [`debug_io_region()`], and not used any more.
pub unsafe fn debug_io_region_goes(region: *mut debug_io_region) {
    task::point();
    let mut regions = REGIONS.lock();
    let mut link = &raw mut regions.first;
    // SAFETY: The region is on the list, whose links are valid and change under the lock.
    unsafe {
        while *link != region {
            link = &raw mut (**link).next;
        }
        *link = (*region).next;
    }
    drop(regions);
    // SAFETY: From `kmalloc_obj()`, and off the list.
    unsafe { kfree(region.cast()) };
}

/// Calls `f` for the device that answers an access, without the lock.
fn answered<R>(
    addr: usize,
    size: usize,
    f: impl FnOnce(debug_io_ops, *const c_void, usize) -> R,
) -> Option<R> {
    task::point();
    let regions = REGIONS.lock();
    let (first, last) = (addr as u64, addr as u64 + (size as u64 - 1));
    let mut region = regions.first;
    // SAFETY: On the list, so it is valid; the lock is held.
    let (ops, data, offset) = unsafe {
        loop {
            let this = region.as_ref()?;
            if first >= this.resource.start && last <= this.resource.end {
                // It may go, but what answers stays.
                (this.ops.get)(this.data, true);
                break (this.ops, this.data, first - this.resource.start);
            }
            region = this.next;
        }
    };
    drop(regions);
    let result = f(ops, data, offset as usize);
    // SAFETY: Taken above.
    unsafe { (ops.get)(data, false) };
    Some(result)
}

/// Maps physical addresses; null if `size` is 0, or without memory. May sleep.
///
/// A mapping has some memory, as in Linux: one that a machine leaves behind is found by it.
#[track_caller]
pub unsafe fn ioremap(offset: phys_addr_t, size: usize) -> *mut c_void {
    if size == 0 {
        return null_mut();
    }
    // SAFETY: `kmalloc_obj()` has no preconditions.
    let mapping: *mut Mapping = unsafe { kmalloc_obj(GFP_KERNEL) };
    if mapping.is_null() {
        return null_mut();
    }
    let addr = core::ptr::without_provenance_mut(offset as usize);
    task::point();
    let mut regions = REGIONS.lock();
    let next = core::mem::replace(&mut regions.mappings, mapping);
    // SAFETY: The block is large enough; the lock is held.
    unsafe { mapping.write(Mapping { next, addr }) };
    addr
}

/// Undoes [`ioremap`]; what is not mapped is reported. May sleep.
#[track_caller]
pub unsafe fn iounmap(addr: *mut c_void) {
    task::point();
    let mut regions = REGIONS.lock();
    let mut link = &raw mut regions.mappings;
    // SAFETY: What is on the list is valid, and changes under the lock.
    let mapping = unsafe {
        while !(*link).is_null() && (**link).addr != addr {
            link = &raw mut (**link).next;
        }
        let mapping = *link;
        if let Some(mapping) = mapping.as_ref() {
            *link = mapping.next;
        }
        mapping
    };
    drop(regions);
    crate::WARN_ON!(mapping.is_null());
    // SAFETY: From `kmalloc_obj()`, and off the list; or null.
    unsafe { kfree(mapping.cast()) };
}

macro_rules! accesses {
    ($($type:ident: $read:ident, $write:ident, $read_relaxed:ident, $write_relaxed:ident;)*) => {$(
        /// Reads a register; all bits are set if there is none. In the contexts of the device.
        pub unsafe fn $read(addr: *const c_void) -> $type {
            let read = |ops: debug_io_ops, data, offset| {
                // SAFETY: The device vouches for its functions, and there is a reference.
                unsafe { (ops.read)(data, offset, size_of::<$type>()) }
            };
            // CAST: The device has been asked for so many bytes.
            answered(addr.addr(), size_of::<$type>(), read).unwrap_or(u64::MAX) as $type
        }

        /// Writes a register, if there is one. In the contexts of the device.
        pub unsafe fn $write(value: $type, addr: *mut c_void) {
            let write = |ops: debug_io_ops, data, offset| {
                // SAFETY: The device vouches for its functions, and there is a reference.
                unsafe { (ops.write)(data, offset, size_of::<$type>(), value.into()) }
            };
            let _ = answered(addr.addr(), size_of::<$type>(), write);
        }

        pub use self::{$read as $read_relaxed, $write as $write_relaxed};
    )*};
}

accesses! {
    u8: readb, writeb, readb_relaxed, writeb_relaxed;
    u16: readw, writew, readw_relaxed, writew_relaxed;
    u32: readl, writel, readl_relaxed, writel_relaxed;
    u64: readq, writeq, readq_relaxed, writeq_relaxed;
}
