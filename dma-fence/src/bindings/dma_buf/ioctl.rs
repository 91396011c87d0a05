// SPDX-License-Identifier: GPL-2.0-only
//! The calls of a program on a buffer.
//!
//! C file mirrored: [`drivers/dma-buf/dma-buf.c`](srctree/drivers/dma-buf/dma-buf.c); C header:
//! [`include/uapi/linux/dma-buf.h`](srctree/include/uapi/linux/dma-buf.h)

use super::{
    super::{
        dma_fence_get_stub, dma_fence_put, dma_fence_unwrap, dma_fence_unwrap_for_each,
        dma_resv_add_fence, dma_resv_get_singleton, dma_resv_lock, dma_resv_reserve_fences,
        dma_resv_unlock, dma_resv_usage_DMA_RESV_USAGE_READ, dma_resv_usage_DMA_RESV_USAGE_WRITE,
        dma_resv_usage_rw,
        file::{read, write, Reserved},
        sync_file_create, sync_file_get_fence,
    },
    dma_buf, DMA_BUF_NAME_LEN,
};
use core::{
    mem::forget,
    ptr::{addr_of_mut, null_mut},
};
use kernel::{
    bindings::{
        copy_from_user, fd_install, file, fput, get_unused_fd_flags, spin_lock_irqsave,
        spin_unlock_irqrestore, EFAULT, EINVAL, ENOMEM, ENOTTY, O_CLOEXEC,
    },
    ffi::{c_long, c_uint, c_ulong, c_void},
    ioctl::{_IOW, _IOWR},
    transmute::{AsBytes, FromBytes},
};

/// For reading, in `flags`.
pub const DMA_BUF_SYNC_READ: u32 = 1 << 0;
/// For writing, in `flags`.
pub const DMA_BUF_SYNC_WRITE: u32 = 1 << 1;
/// For both.
pub const DMA_BUF_SYNC_RW: u32 = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE;

/// The argument of [`DMA_BUF_IOCTL_EXPORT_SYNC_FILE`].
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct dma_buf_export_sync_file {
    /// In: what the buffer is wanted for.
    pub flags: u32,
    /// Out: a file with the fences to wait for.
    pub fd: i32,
}

/// The argument of [`DMA_BUF_IOCTL_IMPORT_SYNC_FILE`].
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct dma_buf_import_sync_file {
    /// In: what the buffer is used for.
    pub flags: u32,
    /// In: a file with the fences that end this use.
    pub fd: i32,
}

// SAFETY: Numbers, which any bytes make.
unsafe impl FromBytes for dma_buf_export_sync_file {}
// SAFETY: There is no padding, and no cell.
unsafe impl AsBytes for dma_buf_export_sync_file {}
// SAFETY: Numbers, which any bytes make.
unsafe impl FromBytes for dma_buf_import_sync_file {}
// SAFETY: There is no padding, and no cell.
unsafe impl AsBytes for dma_buf_import_sync_file {}

/// Names a buffer; the number of C's `DMA_BUF_SET_NAME_A`, which the newer headers have for 32 bits.
pub const DMA_BUF_SET_NAME_A: u32 = _IOW::<u32>(b'b' as u32, 1);
/// Names a buffer.
pub const DMA_BUF_SET_NAME_B: u32 = _IOW::<u64>(b'b' as u32, 1);
/// Makes a file with the fences of a buffer.
pub const DMA_BUF_IOCTL_EXPORT_SYNC_FILE: u32 = _IOWR::<dma_buf_export_sync_file>(b'b' as u32, 2);
/// Adds the fences of a file to a buffer.
pub const DMA_BUF_IOCTL_IMPORT_SYNC_FILE: u32 = _IOW::<dma_buf_import_sync_file>(b'b' as u32, 3);

/// # Safety
///
/// There is a reference to the buffer.
unsafe fn dma_buf_set_name(this: *mut dma_buf, arg: c_ulong) -> Result<(), c_long> {
    let mut name = [0u8; DMA_BUF_NAME_LEN];
    // C: `strndup_user()`, which wants the NUL within the length.
    for at in 0..DMA_BUF_NAME_LEN {
        let from = core::ptr::without_provenance(arg.wrapping_add(at));
        let to: *mut c_void = (&raw mut name[at]).cast();
        // SAFETY: There is one byte.
        if unsafe { copy_from_user(to, from, 1) } != 0 {
            return Err(-(EFAULT as c_long));
        }
        if name[at] == 0 {
            // SAFETY: There is a reference to the buffer; the name is the lock's.
            unsafe {
                let flags = spin_lock_irqsave(addr_of_mut!((*this).name_lock));
                (*this).name = name;
                spin_unlock_irqrestore(addr_of_mut!((*this).name_lock), flags);
            }
            return Ok(());
        }
    }
    Err(-(EINVAL as c_long))
}

/// -EINVAL unless the flags say reading or writing, or both.
fn check_flags(flags: u32) -> Result<(), c_long> {
    if flags & !DMA_BUF_SYNC_RW != 0 || flags == 0 {
        return Err(-(EINVAL as c_long));
    }
    Ok(())
}

/// # Safety
///
/// There is a reference to the buffer.
unsafe fn dma_buf_export_sync(this: *mut dma_buf, addr: c_ulong) -> Result<(), c_long> {
    // SAFETY: The caller's guarantee; the references to the fence and the new file are ours.
    unsafe {
        let mut arg: dma_buf_export_sync_file = read(addr)?;
        check_flags(arg.flags)?;
        let fd = get_unused_fd_flags(O_CLOEXEC);
        if fd < 0 {
            return Err(fd as c_long);
        }
        let reserved = Reserved(fd.cast_unsigned());
        let usage = dma_resv_usage_rw(arg.flags & DMA_BUF_SYNC_WRITE != 0);
        let mut fence = null_mut();
        let result = dma_resv_get_singleton((*this).resv, usage, &mut fence);
        if result != 0 {
            return Err(result as c_long);
        }
        if fence.is_null() {
            fence = dma_fence_get_stub();
        }
        let file = sync_file_create(fence);
        dma_fence_put(fence);
        if file.is_null() {
            return Err(-(ENOMEM as c_long));
        }
        arg.fd = fd;
        if let Err(error) = write(addr as u64, &arg, 1) {
            fput((*file).file);
            return Err(error);
        }
        forget(reserved);
        fd_install(fd.cast_unsigned(), (*file).file);
        Ok(())
    }
}

/// # Safety
///
/// There is a reference to the buffer.
unsafe fn dma_buf_import_sync(this: *mut dma_buf, addr: c_ulong) -> Result<(), c_long> {
    // SAFETY: The caller's guarantee; the reference to the fence is ours, and the walks go to their end.
    unsafe {
        let arg: dma_buf_import_sync_file = read(addr)?;
        check_flags(arg.flags)?;
        let head = sync_file_get_fence(arg.fd);
        if head.is_null() {
            return Err(-(EINVAL as c_long));
        }
        let usage = if arg.flags & DMA_BUF_SYNC_WRITE != 0 {
            dma_resv_usage_DMA_RESV_USAGE_WRITE
        } else {
            dma_resv_usage_DMA_RESV_USAGE_READ
        };
        let (mut count, mut cursor) = (0, dma_fence_unwrap::default());
        dma_fence_unwrap_for_each(head, &mut cursor, |_| count += 1);
        dma_resv_lock((*this).resv, null_mut());
        let result = dma_resv_reserve_fences((*this).resv, count);
        if result == 0 {
            dma_fence_unwrap_for_each(head, &mut cursor, |fence| {
                dma_resv_add_fence((*this).resv, fence, usage)
            });
        }
        dma_resv_unlock((*this).resv);
        dma_fence_put(head);
        if result != 0 {
            return Err(result as c_long);
        }
        Ok(())
    }
}

/// # Safety
///
/// There is a reference to the file.
pub(super) unsafe extern "C" fn dma_buf_ioctl(
    file: *mut file,
    cmd: c_uint,
    arg: c_ulong,
) -> c_long {
    // SAFETY: The caller's guarantee.
    let result = unsafe {
        let this: *mut dma_buf = (*file).private_data.cast();
        match cmd {
            DMA_BUF_SET_NAME_A | DMA_BUF_SET_NAME_B => dma_buf_set_name(this, arg),
            DMA_BUF_IOCTL_EXPORT_SYNC_FILE => dma_buf_export_sync(this, arg),
            DMA_BUF_IOCTL_IMPORT_SYNC_FILE => dma_buf_import_sync(this, arg),
            _ => Err(-(ENOTTY as c_long)),
        }
    };
    result.err().unwrap_or(0)
}
