// SPDX-License-Identifier: GPL-2.0-only
//! Buffers that drivers share by files, as far as their fences go.
//!
//! C file mirrored: [`drivers/dma-buf/dma-buf.c`](srctree/drivers/dma-buf/dma-buf.c); C header:
//! [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h)
//!
//! A buffer has a reservation object, a name, and files that can be polled and whose fences can be
//! exported and imported; and all are shown in `dma_buf/bufinfo` of debugfs. No memory is behind it, so
//! nothing is mapped or attached.

#[path = "dma_buf/debug.rs"]
mod debug;
#[path = "dma_buf/ioctl.rs"]
mod ioctl;
#[path = "dma_buf/poll.rs"]
mod poll;

pub use self::{
    debug::{dma_buf_init_debugfs, dma_buf_uninit_debugfs},
    ioctl::{
        dma_buf_export_sync_file, dma_buf_import_sync_file, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
        DMA_BUF_IOCTL_IMPORT_SYNC_FILE, DMA_BUF_SET_NAME_A, DMA_BUF_SET_NAME_B, DMA_BUF_SYNC_READ,
        DMA_BUF_SYNC_RW, DMA_BUF_SYNC_WRITE,
    },
};

use self::{
    ioctl::dma_buf_ioctl,
    poll::{dma_buf_poll, dma_buf_poll_cb_t},
};
use super::{dma_resv, dma_resv_fini, dma_resv_init};
use core::ptr::{addr_of_mut, null_mut};
use kernel::{
    bindings::{
        __spin_lock_init, anon_inode_getfile, as_char_ptr, fd_install, fget, file, file_operations,
        fput, get_file, get_unused_fd_flags, init_waitqueue_head, inode, kfree, kzalloc_obj,
        noop_llseek, spinlock_t, wait_queue_head, EBADF, EINVAL, ENOMEM, GFP_KERNEL, O_ACCMODE,
        O_NONBLOCK,
    },
    error::from_err_ptr,
    ffi::{c_char, c_int, c_void},
    prelude::Error,
    str::CStrExt as _,
    sync::atomic::{Atomic, Relaxed},
};

/// The length of a buffer's name, NUL included.
const DMA_BUF_NAME_LEN: usize = 32;

/// What a buffer's driver does. Of C's members, the one that is called here.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dma_buf_ops {
    /// The last reference is gone.
    pub release: Option<unsafe extern "C" fn(dmabuf: *mut dma_buf)>,
}

/// A buffer.
#[repr(C)]
pub struct dma_buf {
    /// Its size in bytes.
    pub size: usize,
    /// Its file.
    pub file: *mut file,
    /// What its driver does.
    pub ops: *const dma_buf_ops,
    /// The driver's name, NUL-terminated.
    pub exp_name: *const c_char,
    /// That which a program has given it, under `name_lock`; NULs at first.
    name: [u8; DMA_BUF_NAME_LEN],
    name_lock: spinlock_t,
    /// The driver's own.
    pub priv_: *mut c_void,
    /// The fences.
    pub resv: *mut dma_resv,
    own_resv: dma_resv,
    ino: u64,
    poll: wait_queue_head,
    poll_lock: spinlock_t,
    cb_in: dma_buf_poll_cb_t,
    cb_out: dma_buf_poll_cb_t,
}

/// What a buffer is made with.
#[repr(C)]
pub struct dma_buf_export_info {
    /// The driver's name, NUL-terminated.
    pub exp_name: *const c_char,
    /// What the driver does; with `release`.
    pub ops: *const dma_buf_ops,
    /// The size in bytes.
    pub size: usize,
    /// How its file is opened.
    pub flags: c_int,
    /// The fences, which live as long as the buffer; null for fences of its own.
    pub resv: *mut dma_resv,
    /// The driver's own.
    pub priv_: *mut c_void,
}

static dma_buf_fops: file_operations = file_operations {
    release: Some(dma_buf_release),
    llseek: Some(noop_llseek),
    poll: Some(dma_buf_poll),
    unlocked_ioctl: Some(dma_buf_ioctl),
    compat_ioctl: Some(kernel::bindings::compat_ptr_ioctl),
    ..file_operations::NONE
};

/// Makes a buffer, which has one reference; or returns an error pointer: -ENOMEM. May sleep.
///
/// # Safety
///
/// What the information leads to lives as long as the buffer.
#[track_caller]
pub unsafe fn dma_buf_export(info: *const dma_buf_export_info) -> *mut dma_buf {
    kernel::bindings::global! {
        static INODE: Atomic<u64> = Atomic::new(0);
    }
    // SAFETY: The caller's guarantee; the memory is ours until it is the file's.
    unsafe {
        let this: *mut dma_buf = kzalloc_obj(GFP_KERNEL);
        if this.is_null() {
            return Error::from_errno(-(ENOMEM as c_int)).to_ptr();
        }
        let lock = as_char_ptr(c"&dmabuf->name_lock");
        __spin_lock_init(addr_of_mut!((*this).name_lock), lock, null_mut());
        let lock = as_char_ptr(c"&dmabuf->poll.lock");
        __spin_lock_init(addr_of_mut!((*this).poll_lock), lock, null_mut());
        init_waitqueue_head(addr_of_mut!((*this).poll));
        (*this).size = (*info).size;
        (*this).ops = (*info).ops;
        (*this).exp_name = (*info).exp_name;
        (*this).priv_ = (*info).priv_;
        (*this).ino = INODE.fetch_add(1, Relaxed) + 1;
        (*this).cb_in.dmabuf = this;
        (*this).cb_out.dmabuf = this;
        (*this).resv = (*info).resv;
        let own = addr_of_mut!((*this).own_resv);
        if (*this).resv.is_null() {
            dma_resv_init(own);
            (*this).resv = own;
        }
        // With a file it is shown; so that comes last.
        let flags = (*info).flags.cast_unsigned() & (O_ACCMODE | O_NONBLOCK);
        let name = c"dmabuf".as_char_ptr();
        let file = anon_inode_getfile(name, &dma_buf_fops, this.cast(), flags);
        if from_err_ptr(file).is_err() {
            if (*this).resv == own {
                dma_resv_fini(own);
            }
            kfree(this.cast());
            return file.cast();
        }
        (*this).file = file;
        this
    }
}

/// Takes another reference.
pub unsafe fn get_dma_buf(dmabuf: *mut dma_buf) {
    // SAFETY: The caller has a reference.
    unsafe { get_file((*dmabuf).file) };
}

/// Gives a reference back. From any context.
#[track_caller]
pub unsafe fn dma_buf_put(dmabuf: *mut dma_buf) {
    // SAFETY: The reference is the caller's.
    unsafe { fput((*dmabuf).file) }
}

/// Gives the caller's reference to a descriptor: that, or an error, and then the reference stays. May
/// sleep.
#[track_caller]
pub unsafe fn dma_buf_fd(dmabuf: *mut dma_buf, flags: c_int) -> c_int {
    // SAFETY: The reference is the caller's; the descriptor is reserved here.
    unsafe {
        let fd = get_unused_fd_flags(flags.cast_unsigned());
        if fd >= 0 {
            fd_install(fd.cast_unsigned(), (*dmabuf).file);
        }
        fd
    }
}

/// Returns the buffer of a descriptor, with a reference; or an error pointer: -EBADF, or -EINVAL if it
/// is of another kind. From any context.
pub unsafe fn dma_buf_get(fd: c_int) -> *mut dma_buf {
    // SAFETY: `fget()` takes any number; the reference is ours.
    unsafe {
        let file = fget(fd.cast_unsigned());
        if file.is_null() {
            return Error::from_errno(-(EBADF as c_int)).to_ptr();
        }
        if (*file).f_op != &raw const dma_buf_fops {
            fput(file);
            return Error::from_errno(-(EINVAL as c_int)).to_ptr();
        }
        (*file).private_data.cast()
    }
}

/// # Safety
///
/// The file is not used any more.
unsafe extern "C" fn dma_buf_release(_inode: *mut inode, file: *mut file) -> c_int {
    // SAFETY: What the file has is ours now. No callback is queued, for each has a reference.
    unsafe {
        let this: *mut dma_buf = (*file).private_data.cast();
        if let Some(release) = (*(*this).ops).release {
            release(this);
        }
        let own = addr_of_mut!((*this).own_resv);
        if (*this).resv == own {
            dma_resv_fini(own);
        }
        kfree(this.cast());
    }
    0
}
