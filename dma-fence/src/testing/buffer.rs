// SPDX-License-Identifier: GPL-2.0-only
//! Buffers that programs share, without memory behind them, and the file that shows them.

use crate::bindings::{
    dma_buf, dma_buf_export, dma_buf_export_info, dma_buf_export_sync_file, dma_buf_fd,
    dma_buf_import_sync_file, dma_buf_init_debugfs, dma_buf_ops, dma_buf_put,
    dma_buf_uninit_debugfs, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
    DMA_BUF_SET_NAME_B,
};
use core::{
    ffi::CStr,
    ptr::{null_mut, NonNull},
};
use kernel::{
    bindings::{dentry, O_RDWR},
    error::{from_err_ptr, to_result, Result},
    str::CStrExt as _,
    testing::user::{ioctl, UserMemory},
};

/// The file `dma_buf/bufinfo` of debugfs in this machine; dropping it removes it.
///
/// # Invariants
///
/// It is the directory, which this has made.
pub struct Bufinfo(NonNull<dentry>);

impl Bufinfo {
    /// Makes the file. May sleep.
    ///
    /// # Errors
    ///
    /// EEXIST if there is one; ENOMEM.
    pub fn new() -> Result<Self> {
        // SAFETY: It has no preconditions.
        let dir = from_err_ptr(unsafe { dma_buf_init_debugfs() })?;
        // INVARIANT: Just made.
        // SAFETY: It is no error, so it is there.
        Ok(Self(unsafe { NonNull::new_unchecked(dir) }))
    }
}

impl Drop for Bufinfo {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { dma_buf_uninit_debugfs(self.0.as_ptr()) };
    }
}

/// Makes a buffer of so many bytes by a driver of that name; returns its descriptor. May sleep.
///
/// # Errors
///
/// EMFILE, ENOMEM.
#[doc(alias = "dma_buf_export")]
pub fn buffer(exp_name: &'static CStr, size: usize) -> Result<u32> {
    extern "C" fn release(_dmabuf: *mut dma_buf) {}

    static OPS: dma_buf_ops = dma_buf_ops {
        release: Some(release),
    };
    let info = dma_buf_export_info {
        exp_name: exp_name.as_char_ptr(),
        ops: &OPS,
        size,
        flags: O_RDWR.cast_signed(),
        resv: null_mut(),
        priv_: null_mut(),
    };
    // SAFETY: All of it is static; the reference is ours.
    unsafe {
        let dmabuf = from_err_ptr(dma_buf_export(&info))?;
        let fd = dma_buf_fd(dmabuf, 0);
        if fd < 0 {
            dma_buf_put(dmabuf);
        }
        to_result(fd)?;
        Ok(fd.cast_unsigned())
    }
}

/// Names a buffer. May sleep.
///
/// # Errors
///
/// EINVAL if the name has more than 31 bytes; ENOMEM.
#[doc(alias = "DMA_BUF_SET_NAME")]
pub fn set_name(buffer: u32, name: &CStr) -> Result {
    let memory = UserMemory::constant(name.to_bytes_with_nul())?;
    ioctl(buffer, DMA_BUF_SET_NAME_B, memory.addr()).map(|_| ())
}

/// Adds the fences of a file to a buffer, as ends of the use that `flags` say. May sleep.
///
/// # Errors
///
/// EINVAL for other flags, or if `fd` has no fence; ENOMEM.
#[doc(alias = "DMA_BUF_IOCTL_IMPORT_SYNC_FILE")]
pub fn import(buffer: u32, flags: u32, fd: u32) -> Result {
    let fd = fd.cast_signed();
    let mut arg = dma_buf_import_sync_file { flags, fd };
    super::sync::call(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &mut arg)
}

/// Makes a file with the fences that the use which `flags` say waits for; returns its descriptor. May
/// sleep.
///
/// # Errors
///
/// EINVAL for other flags; EMFILE, ENOMEM.
#[doc(alias = "DMA_BUF_IOCTL_EXPORT_SYNC_FILE")]
pub fn export(buffer: u32, flags: u32) -> Result<u32> {
    let mut arg = dma_buf_export_sync_file { flags, fd: -1 };
    super::sync::call(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &mut arg)?;
    Ok(arg.fd.cast_unsigned())
}
