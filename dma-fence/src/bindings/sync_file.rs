// SPDX-License-Identifier: GPL-2.0-only
//! Files by which programs pass fences to each other.
//!
//! C file mirrored: [`drivers/dma-buf/sync_file.c`](srctree/drivers/dma-buf/sync_file.c); C header:
//! [`include/linux/sync_file.h`](srctree/include/linux/sync_file.h)

#[path = "sync_file/ioctl.rs"]
mod ioctl;

pub(super) use self::ioctl::{read, write, Reserved};
pub use self::ioctl::{
    sync_fence_info, sync_file_info, sync_merge_data, sync_set_deadline, SYNC_IOC_FILE_INFO,
    SYNC_IOC_MERGE, SYNC_IOC_SET_DEADLINE,
};

use self::ioctl::sync_file_ioctl;
use super::{
    dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_driver_name, dma_fence_get,
    dma_fence_is_signaled, dma_fence_put, dma_fence_remove_callback, dma_fence_timeline_name,
};
use core::{
    fmt::{self, Write as _},
    mem::offset_of,
    ptr::{addr_of_mut, null_mut},
};
use kernel::{
    bindings::{
        __poll_t, anon_inode_getfile, fget, file, file_operations, fput, from_char_ptr,
        init_waitqueue_head, inode, kfree, kmalloc_obj, list_head, poll_table, poll_wait,
        rcu_read_lock, rcu_read_unlock, wait_queue_head, wake_up_all, __GFP_ZERO, EPOLLIN,
        GFP_KERNEL, INIT_LIST_HEAD,
    },
    ffi::{c_char, c_int, c_ulong},
    str::CStrExt as _,
    sync::atomic::{__set_bits, Atomic, Full},
};

/// The length of a name, NUL included.
const NAME: usize = 32;

/// A file with a fence. Layout apart, as C has it.
#[repr(C)]
pub struct sync_file {
    /// The file.
    pub file: *mut file,
    /// The name that a program has given it, or NULs.
    pub user_name: [c_char; NAME],
    /// Used by nothing any more.
    pub sync_file_list: list_head,
    /// Those who poll.
    pub wq: wait_queue_head,
    /// Bit 0: `POLL_ENABLED`, the callback was added.
    pub flags: c_ulong,
    /// The fence, with a reference.
    pub fence: *mut dma_fence,
    /// The callback that wakes those who poll.
    pub cb: dma_fence_cb,
}

/// In `flags` of a [`sync_file`]: the callback was added, or the fence had signalled before.
const POLL_ENABLED: usize = 1 << 0;

static sync_file_fops: file_operations = file_operations {
    release: Some(sync_file_release),
    poll: Some(sync_file_poll),
    unlocked_ioctl: Some(sync_file_ioctl),
    compat_ioctl: Some(kernel::bindings::compat_ptr_ioctl),
    ..file_operations::NONE
};

/// A file without a fence; null without memory.
#[track_caller]
unsafe fn sync_file_alloc() -> *mut sync_file {
    // SAFETY: The memory is ours; the file's functions have it as long as the file is.
    unsafe {
        let this: *mut sync_file = kmalloc_obj(GFP_KERNEL | __GFP_ZERO);
        if this.is_null() {
            return this;
        }
        let name = c"sync_file".as_char_ptr();
        let file = anon_inode_getfile(name, &sync_file_fops, this.cast(), 0);
        if kernel::error::from_err_ptr(file).is_err() {
            kfree(this.cast());
            return null_mut();
        }
        (*this).file = file;
        init_waitqueue_head(addr_of_mut!((*this).wq));
        INIT_LIST_HEAD(addr_of_mut!((*this).cb.node));
        this
    }
}

/// The callback: wakes those who poll.
///
/// # Safety
///
/// `cb` is that of a [`sync_file`].
unsafe extern "C" fn fence_check_cb_func(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The file lives until the callback was removed or has run.
    unsafe {
        let this: *mut sync_file = cb.byte_sub(offset_of!(sync_file, cb)).cast();
        wake_up_all(addr_of_mut!((*this).wq));
    }
}

/// Makes a file with a reference of its own to the fence; null without memory. The file is given
/// back with `fput()`, or to a descriptor. May sleep.
#[track_caller]
pub unsafe fn sync_file_create(fence: *mut dma_fence) -> *mut sync_file {
    // SAFETY: The caller has a reference to the fence; the file is ours.
    unsafe {
        let this = sync_file_alloc();
        if !this.is_null() {
            (*this).fence = dma_fence_get(fence);
        }
        this
    }
}

/// Returns the file of a descriptor, with a reference; null if it is of another kind. C: `static`.
pub unsafe fn sync_file_fdget(fd: c_int) -> *mut sync_file {
    // SAFETY: `fget()` takes any number; the reference is ours.
    unsafe {
        let file = fget(fd.cast_unsigned());
        if file.is_null() {
            return null_mut();
        }
        if (*file).f_op != &raw const sync_file_fops {
            fput(file);
            return null_mut();
        }
        (*file).private_data.cast()
    }
}

/// Returns the fence of a file, with a reference; null if the descriptor is of another kind. May
/// sleep.
pub unsafe fn sync_file_get_fence(fd: c_int) -> *mut dma_fence {
    // SAFETY: The reference to the file is ours, and the file has one to the fence.
    unsafe {
        let this = sync_file_fdget(fd);
        if this.is_null() {
            return null_mut();
        }
        let fence = dma_fence_get((*this).fence);
        fput((*this).file);
        fence
    }
}

/// Text that is cut off at the end of a buffer, where a NUL is.
struct Text<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl Text<'_> {
    /// C: `strscpy()` and `snprintf()`, which leave a NUL at the end.
    fn push(&mut self, bytes: &[u8]) {
        let room = self.buf.len().saturating_sub(1) - self.len;
        let bytes = &bytes[..bytes.len().min(room)];
        self.buf[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        if let Some(end) = self.buf.get_mut(self.len) {
            *end = 0;
        }
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s.as_bytes());
        Ok(())
    }
}

/// Writes a file's name: that which a program has given it, or `DRIVER-TIMELINE` and the numbers
/// `CONTEXT-SEQNO`, at most `len` bytes with the NUL. From any context.
///
/// # Safety
///
/// There is a reference to the file; `buf` is valid for writes of `len` bytes.
pub unsafe fn sync_file_get_name(
    sync_file: *mut sync_file,
    buf: *mut c_char,
    len: c_int,
) -> *mut c_char {
    // SAFETY: The caller's guarantees. The names are used inside the section in which they were
    // asked for.
    unsafe {
        // CAST: A length is not negative.
        let buf_len = len as usize;
        buf.write_bytes(0, buf_len.min(1));
        let bytes = core::slice::from_raw_parts_mut(buf.cast::<u8>(), buf_len);
        let mut text = Text { buf: bytes, len: 0 };
        if (*sync_file).user_name[0] != 0 {
            let name = addr_of_mut!((*sync_file).user_name).cast::<c_char>();
            text.push(from_char_ptr(name).to_bytes());
            return buf;
        }
        let fence = (*sync_file).fence;
        rcu_read_lock();
        let driver = dma_fence_driver_name(fence);
        let timeline = dma_fence_timeline_name(fence);
        text.push(from_char_ptr(driver).to_bytes());
        text.push(b"-");
        text.push(from_char_ptr(timeline).to_bytes());
        let seqno = (*fence).seqno.cast_signed();
        let _ = write!(text, "{}-{seqno}", (*fence).context);
        rcu_read_unlock();
        buf
    }
}

/// Names a file, as far as there is room: C's `strscpy(sync_file->user_name, ...)`.
///
/// # Safety
///
/// The file is the caller's alone; `name` ends with a NUL.
pub unsafe fn sync_file_set_name(sync_file: *mut sync_file, name: *const c_char) {
    // SAFETY: The caller's guarantees.
    unsafe {
        let buf = &mut *addr_of_mut!((*sync_file).user_name).cast::<[u8; NAME]>();
        Text { buf, len: 0 }.push(from_char_ptr(name).to_bytes());
    }
}

/// Returns the fence of a file: the field.
///
/// # Safety
///
/// There is a reference to the file.
pub unsafe fn sync_file_fence(sync_file: *mut sync_file) -> *mut dma_fence {
    // SAFETY: The file is valid; the field does not change.
    unsafe { (*sync_file).fence }
}

/// Returns the file that it is in: the field.
///
/// # Safety
///
/// There is a reference to the file.
pub unsafe fn sync_file_file(sync_file: *mut sync_file) -> *mut file {
    // SAFETY: The file is valid; the field does not change.
    unsafe { (*sync_file).file }
}

/// # Safety
///
/// The file is not used any more.
unsafe extern "C" fn sync_file_release(_inode: *mut inode, file: *mut file) -> c_int {
    // SAFETY: What the file has is ours now.
    unsafe {
        let this: *mut sync_file = (*file).private_data.cast();
        if (*this).flags & POLL_ENABLED != 0 {
            dma_fence_remove_callback((*this).fence, addr_of_mut!((*this).cb));
        }
        dma_fence_put((*this).fence);
        kfree(this.cast());
    }
    0
}

/// What is ready: once it is asked the fence will signal by itself, and wake those who poll.
///
/// # Safety
///
/// There is a reference to the file; `wait` is valid or null.
unsafe extern "C" fn sync_file_poll(file: *mut file, wait: *mut poll_table) -> __poll_t {
    // SAFETY: The caller's guarantees; the file has a reference to its fence.
    unsafe {
        let this: *mut sync_file = (*file).private_data.cast();
        poll_wait(file, addr_of_mut!((*this).wq), wait);
        // C looks whether the callback is queued, first; but where it is, the bit is set.
        // Full, as `test_and_set_bit()`: only who sets it adds the callback.
        let flags = Atomic::from_ptr(addr_of_mut!((*this).flags));
        if __set_bits(flags, POLL_ENABLED, Full) & POLL_ENABLED == 0 {
            let cb = addr_of_mut!((*this).cb);
            if dma_fence_add_callback((*this).fence, cb, Some(fence_check_cb_func)) < 0 {
                wake_up_all(addr_of_mut!((*this).wq));
            }
        }
        if dma_fence_is_signaled((*this).fence) {
            EPOLLIN
        } else {
            0
        }
    }
}
