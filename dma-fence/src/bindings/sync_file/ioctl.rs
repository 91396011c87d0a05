// SPDX-License-Identifier: GPL-2.0-only
//! The calls of a program on a file with a fence.
//!
//! C file mirrored: [`drivers/dma-buf/sync_file.c`](srctree/drivers/dma-buf/sync_file.c); C header:
//! [`include/uapi/linux/sync_file.h`](srctree/include/uapi/linux/sync_file.h)

use super::{
    super::{
        __dma_fence_unwrap_merge, dma_fence, dma_fence_driver_name, dma_fence_get_status,
        dma_fence_is_signaled, dma_fence_set_deadline, dma_fence_timeline_name,
        dma_fence_timestamp, dma_fence_unwrap, dma_fence_unwrap_for_each, ktime_t,
    },
    sync_file, sync_file_alloc, sync_file_fdget, sync_file_get_name, sync_file_set_name, Text,
    NAME,
};
use core::{
    mem::{forget, MaybeUninit},
    ptr::{addr_of_mut, null, null_mut},
};
use kernel::{
    bindings::{
        copy_from_user, copy_to_user, fd_install, file, fput, from_char_ptr, get_unused_fd_flags,
        kfree, krealloc_node_align, put_unused_fd, rcu_read_lock, rcu_read_unlock, __GFP_ZERO,
        EFAULT, EINVAL, ENOENT, ENOMEM, ENOTTY, GFP_KERNEL, NUMA_NO_NODE, O_CLOEXEC,
    },
    ffi::{c_int, c_long, c_uint, c_ulong, c_void},
    ioctl::{_IOW, _IOWR},
    transmute::{AsBytes, FromBytes},
};

/// The argument of [`SYNC_IOC_MERGE`].
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct sync_merge_data {
    /// In: the name of the new file.
    pub name: [u8; NAME],
    /// In: the other file.
    pub fd2: i32,
    /// Out: the new file.
    pub fence: i32,
    /// In: 0.
    pub flags: u32,
    /// In: 0.
    pub pad: u32,
}

/// One fence of a [`sync_file_info`].
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct sync_fence_info {
    /// The name of its timeline.
    pub obj_name: [u8; NAME],
    /// The name of its driver.
    pub driver_name: [u8; NAME],
    /// 0 while it is pending, 1 once it has signalled, an errno if with an error.
    pub status: i32,
    /// 0.
    pub flags: u32,
    /// When it signalled, in nanoseconds.
    pub timestamp_ns: u64,
}

/// The argument of [`SYNC_IOC_FILE_INFO`].
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct sync_file_info {
    /// Out: the name.
    pub name: [u8; NAME],
    /// Out: as of a fence; with several, that of the first which has not signalled without an error.
    pub status: i32,
    /// In: 0.
    pub flags: u32,
    /// In: for how many fences there is room, or 0. Out: how many there are.
    pub num_fences: u32,
    /// In: 0.
    pub pad: u32,
    /// In: where to write a [`sync_fence_info`] for each.
    pub sync_fence_info: u64,
}

/// The argument of [`SYNC_IOC_SET_DEADLINE`].
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct sync_set_deadline {
    /// In: by when the fence should signal (ns, `CLOCK_MONOTONIC`).
    pub deadline_ns: u64,
    /// In: 0.
    pub pad: u64,
}

macro_rules! numbers {
    ($($name:ident)*) => {$(
        // SAFETY: Numbers, which any bytes make.
        unsafe impl FromBytes for $name {}
        // SAFETY: There is no padding, and no cell.
        unsafe impl AsBytes for $name {}
    )*};
}

numbers!(sync_merge_data sync_fence_info sync_file_info sync_set_deadline);

/// Makes a file of the fences of two.
pub const SYNC_IOC_MERGE: u32 = _IOWR::<sync_merge_data>(b'>' as u32, 3);
/// Tells the state of the fences of a file.
pub const SYNC_IOC_FILE_INFO: u32 = _IOWR::<sync_file_info>(b'>' as u32, 4);
/// Says by when a file's fence is wanted.
pub const SYNC_IOC_SET_DEADLINE: u32 = _IOW::<sync_set_deadline>(b'>' as u32, 5);

/// Reads an argument: -EFAULT if it cannot be.
pub(in super::super) unsafe fn read<T: FromBytes>(arg: c_ulong) -> Result<T, c_long> {
    let mut value = MaybeUninit::<T>::uninit();
    let from = core::ptr::without_provenance(arg);
    // SAFETY: The value is valid for writes. Any bytes make one.
    unsafe {
        match copy_from_user(value.as_mut_ptr().cast(), from, size_of::<T>()) {
            0 => Ok(value.assume_init()),
            _ => Err(-(EFAULT as c_long)),
        }
    }
}

/// Writes `n` values back: -EFAULT if they cannot be.
///
/// # Safety
///
/// There are as many.
pub(in super::super) unsafe fn write<T: AsBytes>(
    addr: u64,
    values: *const T,
    n: usize,
) -> Result<(), c_long> {
    // CAST: An address.
    let to = core::ptr::without_provenance_mut(addr as usize);
    // SAFETY: The caller's guarantee.
    match unsafe { copy_to_user(to, values.cast::<c_void>(), n * size_of::<T>()) } {
        0 => Ok(()),
        _ => Err(-(EFAULT as c_long)),
    }
}

/// A descriptor that is reserved, until it is given back or has a file.
pub(in super::super) struct Reserved(pub(in super::super) c_uint);

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: It is reserved by this.
        unsafe { put_unused_fd(self.0) };
    }
}

/// # Safety
///
/// There is a reference to the file.
unsafe fn sync_file_ioctl_merge(this: *mut sync_file, arg: c_ulong) -> Result<(), c_long> {
    // SAFETY: The caller's guarantee; the references to the others are ours.
    unsafe {
        let fd = get_unused_fd_flags(O_CLOEXEC);
        if fd < 0 {
            return Err(fd as c_long);
        }
        let reserved = Reserved(fd.cast_unsigned());
        let mut data: sync_merge_data = read(arg)?;
        if data.flags != 0 || data.pad != 0 {
            return Err(-(EINVAL as c_long));
        }
        let other = sync_file_fdget(data.fd2);
        if other.is_null() {
            return Err(-(ENOENT as c_long));
        }
        data.name[NAME - 1] = 0;
        let merged = sync_file_merge(&data.name, this, other);
        fput((*other).file);
        if merged.is_null() {
            return Err(-(ENOMEM as c_long));
        }
        data.fence = fd;
        if let Err(error) = write(arg as u64, &data, 1) {
            fput((*merged).file);
            return Err(error);
        }
        forget(reserved);
        fd_install(fd.cast_unsigned(), (*merged).file);
        Ok(())
    }
}

/// A file with the fences of two; null without memory.
///
/// # Safety
///
/// There are references to both; `name` ends with a NUL.
unsafe fn sync_file_merge(
    name: &[u8; NAME],
    a: *mut sync_file,
    b: *mut sync_file,
) -> *mut sync_file {
    // SAFETY: Both have a reference to their fence; the new file is ours.
    unsafe {
        let this = sync_file_alloc();
        if this.is_null() {
            return this;
        }
        let mut fences = [(*a).fence, (*b).fence];
        let mut cursors = [dma_fence_unwrap::default(), dma_fence_unwrap::default()];
        (*this).fence = __dma_fence_unwrap_merge(2, fences.as_mut_ptr(), cursors.as_mut_ptr());
        if (*this).fence.is_null() {
            fput((*this).file);
            return null_mut();
        }
        sync_file_set_name(this, name.as_ptr().cast());
        this
    }
}

/// # Safety
///
/// There is a reference to the fence; `info` is valid.
unsafe fn sync_fill_fence_info(fence: *mut dma_fence, info: *mut sync_fence_info) -> c_int {
    fn copy(to: &mut [u8], name: &[u8]) {
        Text { buf: to, len: 0 }.push(name);
    }
    // SAFETY: The caller's guarantees. The names are used inside the section in which they were
    // asked for.
    unsafe {
        let info = &mut *info;
        rcu_read_lock();
        let driver = dma_fence_driver_name(fence);
        let timeline = dma_fence_timeline_name(fence);
        copy(&mut info.obj_name, from_char_ptr(timeline).to_bytes());
        copy(&mut info.driver_name, from_char_ptr(driver).to_bytes());
        info.status = dma_fence_get_status(fence);
        info.timestamp_ns = match dma_fence_is_signaled(fence) {
            true => dma_fence_timestamp(fence).cast_unsigned(),
            false => 0,
        };
        rcu_read_unlock();
        info.status
    }
}

/// # Safety
///
/// There is a reference to the file.
unsafe fn sync_file_ioctl_fence_info(this: *mut sync_file, arg: c_ulong) -> Result<(), c_long> {
    // SAFETY: The caller's guarantee. The array is ours, and has a place for each fence: they do not
    // change.
    unsafe {
        let mut info: sync_file_info = read(arg)?;
        if info.flags != 0 || info.pad != 0 {
            return Err(-(EINVAL as c_long));
        }
        let (mut count, mut cursor) = (0, dma_fence_unwrap::default());
        dma_fence_unwrap_for_each((*this).fence, &mut cursor, |_| count += 1);
        if info.num_fences == 0 {
            info.status = dma_fence_get_status((*this).fence);
        } else {
            if (info.num_fences as usize) < count {
                return Err(-(EINVAL as c_long));
            }
            info.status = 1;
            let size = count * size_of::<sync_fence_info>();
            let flags = GFP_KERNEL | __GFP_ZERO;
            let align = align_of::<sync_fence_info>();
            let array: *mut sync_fence_info =
                krealloc_node_align(null(), size, align, flags, NUMA_NO_NODE).cast();
            if array.is_null() {
                return Err(-(ENOMEM as c_long));
            }
            // Less than before, if a chain has collected nodes meanwhile.
            let mut at = 0;
            dma_fence_unwrap_for_each((*this).fence, &mut cursor, |fence| {
                let status = sync_fill_fence_info(fence, array.add(at));
                at += 1;
                if info.status > 0 {
                    info.status = status;
                }
            });
            let written = write(info.sync_fence_info, array, count);
            kfree(array.cast());
            written?;
            count = at;
        }
        let name = addr_of_mut!(info.name).cast();
        sync_file_get_name(this, name, NAME as c_int);
        // CAST: As many fences as one array can have.
        info.num_fences = count as u32;
        write(arg as u64, &info, 1)
    }
}

/// # Safety
///
/// There is a reference to the file.
unsafe fn sync_file_ioctl_set_deadline(this: *mut sync_file, arg: c_ulong) -> Result<(), c_long> {
    // SAFETY: The file has a reference to its fence.
    unsafe {
        let ts: sync_set_deadline = read(arg)?;
        if ts.pad != 0 {
            return Err(-(EINVAL as c_long));
        }
        let deadline: ktime_t = ts.deadline_ns.cast_signed();
        dma_fence_set_deadline((*this).fence, deadline);
        Ok(())
    }
}

/// # Safety
///
/// There is a reference to the file.
pub(super) unsafe extern "C" fn sync_file_ioctl(
    file: *mut file,
    cmd: c_uint,
    arg: c_ulong,
) -> c_long {
    // SAFETY: The caller's guarantee.
    let result = unsafe {
        let this: *mut sync_file = (*file).private_data.cast();
        match cmd {
            SYNC_IOC_MERGE => sync_file_ioctl_merge(this, arg),
            SYNC_IOC_FILE_INFO => sync_file_ioctl_fence_info(this, arg),
            SYNC_IOC_SET_DEADLINE => sync_file_ioctl_set_deadline(this, arg),
            _ => Err(-(ENOTTY as c_long)),
        }
    };
    result.err().unwrap_or(0)
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
mod layout {
    use super::*;
    use static_assertions::const_assert_eq;

    const_assert_eq!(size_of::<sync_merge_data>(), 48);
    const_assert_eq!(size_of::<sync_fence_info>(), 80);
    const_assert_eq!(size_of::<sync_file_info>(), 56);
    const_assert_eq!(size_of::<sync_set_deadline>(), 16);
    const_assert_eq!(SYNC_IOC_MERGE, 0xc030_3e03);
    const_assert_eq!(SYNC_IOC_FILE_INFO, 0xc038_3e04);
    const_assert_eq!(SYNC_IOC_SET_DEADLINE, 0x4010_3e05);
}
