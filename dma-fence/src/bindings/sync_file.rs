// SPDX-License-Identifier: GPL-2.0-only
//! Files by which programs pass fences to each other.
//!
//! C file mirrored: [`drivers/dma-buf/sync_file.c`](srctree/drivers/dma-buf/sync_file.c); C headers:
//! [`include/linux/sync_file.h`](srctree/include/linux/sync_file.h),
//! [`include/uapi/linux/sync_file.h`](srctree/include/uapi/linux/sync_file.h)

use super::{
    __dma_fence_unwrap_merge, dma_fence, dma_fence_add_callback, dma_fence_cb,
    dma_fence_driver_name, dma_fence_get, dma_fence_get_status, dma_fence_is_signaled,
    dma_fence_put, dma_fence_remove_callback, dma_fence_set_deadline, dma_fence_timeline_name,
    dma_fence_timestamp, dma_fence_unwrap, dma_fence_unwrap_first, dma_fence_unwrap_next, ktime_t,
};
use core::{
    fmt::{self, Write as _},
    mem::{forget, offset_of, MaybeUninit},
    ptr::{addr_of_mut, null, null_mut},
};
use kernel::{
    bindings::{
        __poll_t, anon_inode_getfile, copy_from_user, copy_to_user, fd_install, fget, file,
        file_operations, fput, from_char_ptr, get_unused_fd_flags, init_waitqueue_head, inode,
        kfree, kmalloc_obj, krealloc_node_align, list_head, poll_table, poll_wait, put_unused_fd,
        rcu_read_lock, rcu_read_unlock, wait_queue_head, wake_up_all, __GFP_ZERO, EFAULT, EINVAL,
        ENOENT, ENOMEM, ENOTTY, EPOLLIN, GFP_KERNEL, INIT_LIST_HEAD, NUMA_NO_NODE, O_CLOEXEC,
    },
    ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void},
    ioctl::{_IOW, _IOWR},
    str::CStrExt as _,
    sync::atomic::{__set_bits, Atomic, Full},
    transmute::{AsBytes, FromBytes},
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

/// Reads an argument: -EFAULT if it cannot be.
pub(super) unsafe fn read<T: FromBytes>(arg: c_ulong) -> Result<T, c_long> {
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
pub(super) unsafe fn write<T: AsBytes>(
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
pub(super) struct Reserved(pub(super) c_uint);

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

/// Calls `f` with each fence of a file; polls those of a chain.
///
/// # Safety
///
/// There is a reference to the file.
unsafe fn for_each(this: *mut sync_file, mut f: impl FnMut(*mut dma_fence)) {
    let mut cursor = dma_fence_unwrap::default();
    // SAFETY: The file has a reference to its fence; the walk goes to its end.
    unsafe {
        let mut fence = dma_fence_unwrap_first((*this).fence, &mut cursor);
        while !fence.is_null() {
            f(fence);
            fence = dma_fence_unwrap_next(&mut cursor);
        }
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
        let mut count = 0;
        for_each(this, |_| count += 1);
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
            for_each(this, |fence| {
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
unsafe extern "C" fn sync_file_ioctl(file: *mut file, cmd: c_uint, arg: c_ulong) -> c_long {
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
