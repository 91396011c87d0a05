// SPDX-License-Identifier: GPL-2.0-only
//! Buffers that drivers share by files, as far as their fences go.
//!
//! C file mirrored: [`drivers/dma-buf/dma-buf.c`](srctree/drivers/dma-buf/dma-buf.c); C header:
//! [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h)
//!
//! A buffer has a reservation object, a name, and files that can be polled and whose fences can be
//! exported and imported; and all are shown in `dma_buf/bufinfo` of debugfs. No memory is behind it, so
//! nothing is mapped or attached.

use super::{
    dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_get, dma_fence_get_stub,
    dma_fence_put, dma_fence_unwrap, dma_fence_unwrap_first, dma_fence_unwrap_next, dma_resv,
    dma_resv_add_fence, dma_resv_describe, dma_resv_fini, dma_resv_get_singleton, dma_resv_init,
    dma_resv_iter, dma_resv_iter_begin, dma_resv_iter_first, dma_resv_iter_next, dma_resv_lock,
    dma_resv_reserve_fences, dma_resv_unlock, dma_resv_usage_DMA_RESV_USAGE_READ,
    dma_resv_usage_DMA_RESV_USAGE_WRITE, dma_resv_usage_rw,
    file::{read, write, Reserved},
    sync_file_create, sync_file_get_fence,
};
use core::{
    mem::{forget, offset_of},
    ptr::{addr_of_mut, null_mut},
};
use kernel::{
    bindings::{
        __poll_t, __spin_lock_init, anon_inode_getfile, as_char_ptr, copy_from_user,
        debug_older_file, debugfs_create_dir, debugfs_create_file, debugfs_remove, dentry,
        fd_install, fget, file, file_count, file_operations, fput, get_file, get_unused_fd_flags,
        init_waitqueue_head, inode, kfree, kzalloc_obj, noop_llseek, poll_table, poll_wait,
        seq_file, seq_lseek, seq_puts, seq_read, seq_vprintf, single_open, single_release,
        spin_lock_irqsave, spin_unlock_irqrestore, spinlock_t, wait_queue_head, wake_up_all, EBADF,
        EFAULT, EINVAL, ENOMEM, ENOTTY, EPOLLIN, EPOLLOUT, GFP_KERNEL, O_ACCMODE, O_CLOEXEC,
        O_NONBLOCK,
    },
    error::from_err_ptr,
    ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void},
    ioctl::{_IOW, _IOWR},
    prelude::Error,
    str::CStrExt as _,
    sync::atomic::{Atomic, Relaxed},
    transmute::{AsBytes, FromBytes},
};

/// The length of a buffer's name, NUL included.
const DMA_BUF_NAME_LEN: usize = 32;

/// Part of `f_mode` of these files: opened, seekable, and no one is notified.
const FMODE: c_uint = 1 << 19 | 1 << 2 | 1 << 25;

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

/// What a buffer's driver does. Of C's members, the one that is called here.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct dma_buf_ops {
    /// The last reference is gone.
    pub release: Option<unsafe extern "C" fn(dmabuf: *mut dma_buf)>,
}

/// One direction in which a buffer is polled.
#[repr(C)]
struct dma_buf_poll_cb_t {
    cb: dma_fence_cb,
    dmabuf: *mut dma_buf,
    /// What the callback that was added stands for; under `poll_lock`.
    active: __poll_t,
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
    static INODE: Atomic<u64> = Atomic::new(0);
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

/// The callback, also called without a fence: wakes those who poll.
///
/// # Safety
///
/// `cb` is the first member of a direction, whose callback is over.
unsafe extern "C" fn dma_buf_poll_cb(fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The reference to the file, which keeps all this, is given back last.
    unsafe {
        let dcb: *mut dma_buf_poll_cb_t = cb.cast();
        let this = (*dcb).dmabuf;
        let flags = spin_lock_irqsave(addr_of_mut!((*this).poll_lock));
        (*dcb).active = 0;
        spin_unlock_irqrestore(addr_of_mut!((*this).poll_lock), flags);
        wake_up_all(addr_of_mut!((*this).poll));
        dma_fence_put(fence);
        // Pairs with `get_file()` in `poll_one()`.
        fput((*this).file);
    }
}

/// Looks whether one direction is ready: false if it is not, and a callback will tell.
///
/// # Safety
///
/// The lock of the reservation object is held; `dcb` is that of the direction.
unsafe fn poll_one(this: *mut dma_buf, dcb: *mut dma_buf_poll_cb_t, event: __poll_t) -> bool {
    // SAFETY: The caller's guarantees. Each callback has a reference to its fence and to the file.
    unsafe {
        let flags = spin_lock_irqsave(addr_of_mut!((*this).poll_lock));
        let busy = (*dcb).active != 0;
        if !busy {
            (*dcb).active = event;
        }
        spin_unlock_irqrestore(addr_of_mut!((*this).poll_lock), flags);
        if busy {
            return false;
        }
        get_file((*this).file);
        let cb = addr_of_mut!((*dcb).cb);
        let mut cursor = dma_resv_iter::new();
        let usage = dma_resv_usage_rw(event == EPOLLOUT);
        dma_resv_iter_begin(&mut cursor, (*this).resv, usage);
        let mut fence = dma_resv_iter_first(&mut cursor);
        while !fence.is_null() {
            dma_fence_get(fence);
            if dma_fence_add_callback(fence, cb, Some(dma_buf_poll_cb)) == 0 {
                return false;
            }
            dma_fence_put(fence);
            fence = dma_resv_iter_next(&mut cursor);
        }
        // Others may wait as well.
        dma_buf_poll_cb(null_mut(), cb);
        true
    }
}

/// Reading waits for those who write, and writing for all.
///
/// # Safety
///
/// There is a reference to the file; `table` is valid.
unsafe extern "C" fn dma_buf_poll(file: *mut file, table: *mut poll_table) -> __poll_t {
    // SAFETY: The caller's guarantees.
    unsafe {
        let this: *mut dma_buf = (*file).private_data.cast();
        poll_wait(file, addr_of_mut!((*this).poll), table);
        let wanted = table.as_ref().map_or(!0, |table| table._key) & (EPOLLIN | EPOLLOUT);
        if wanted == 0 {
            return 0;
        }
        let mut ready = 0;
        dma_resv_lock((*this).resv, null_mut());
        for (event, dcb) in [
            (EPOLLOUT, addr_of_mut!((*this).cb_out)),
            (EPOLLIN, addr_of_mut!((*this).cb_in)),
        ] {
            if wanted & event != 0 && poll_one(this, dcb, event) {
                ready |= event;
            }
        }
        dma_resv_unlock((*this).resv);
        ready
    }
}

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
        let mut count = 0;
        for_each(head, |_| count += 1);
        dma_resv_lock((*this).resv, null_mut());
        let result = dma_resv_reserve_fences((*this).resv, count);
        if result == 0 {
            for_each(head, |fence| dma_resv_add_fence((*this).resv, fence, usage));
        }
        dma_resv_unlock((*this).resv);
        dma_fence_put(head);
        if result != 0 {
            return Err(result as c_long);
        }
        Ok(())
    }
}

/// Calls `f` with each fence of which one is made.
///
/// # Safety
///
/// There is a reference to the fence.
unsafe fn for_each(head: *mut dma_fence, mut f: impl FnMut(*mut dma_fence)) {
    let mut cursor = dma_fence_unwrap::default();
    // SAFETY: The caller's guarantee; the walk goes to its end.
    unsafe {
        let mut fence = dma_fence_unwrap_first(head, &mut cursor);
        while !fence.is_null() {
            f(fence);
            fence = dma_fence_unwrap_next(&mut cursor);
        }
    }
}

/// # Safety
///
/// There is a reference to the file.
unsafe extern "C" fn dma_buf_ioctl(file: *mut file, cmd: c_uint, arg: c_ulong) -> c_long {
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

/// # Safety
///
/// `seq` is a valid file.
unsafe extern "C" fn dma_buf_debug_show(seq: *mut seq_file, _: *mut c_void) -> c_int {
    let (mut count, mut bytes) = (0, 0);
    // SAFETY: There is a reference to each file; `seq` is valid.
    unsafe {
        seq_puts(
            seq,
            c"
Dma-buf Objects:
"
            .as_char_ptr(),
        );
        seq_vprintf(
            seq,
            format_args!(
                "{:<8}	{:<8}	{:<8}	{:<8}	exp_name	{:<8}	name
",
                "size", "flags", "mode", "count", "ino"
            ),
        );
        let mut file = debug_older_file(&dma_buf_fops, null_mut());
        while !file.is_null() {
            let this: *mut dma_buf = (*file).private_data.cast();
            dma_resv_lock((*this).resv, null_mut());
            let size = (*this).size;
            let (flags, ino) = ((*file).f_flags, (*this).ino);
            let mode = FMODE | (flags + 1) & O_ACCMODE;
            // One is ours.
            let users = file_count(file) - 1;
            seq_vprintf(
                seq,
                format_args!("{size:08}	{flags:08x}	{mode:08x}	{users:08}	"),
            );
            seq_puts(seq, (*this).exp_name);
            seq_vprintf(seq, format_args!("	{ino:08}	"));
            let irq = spin_lock_irqsave(addr_of_mut!((*this).name_lock));
            let name = (*this).name;
            spin_unlock_irqrestore(addr_of_mut!((*this).name_lock), irq);
            match name[0] {
                0 => seq_puts(seq, c"<none>".as_char_ptr()),
                _ => seq_puts(seq, name.as_ptr().cast()),
            }
            seq_puts(
                seq,
                c"
"
                .as_char_ptr(),
            );
            dma_resv_describe((*this).resv, seq);
            seq_puts(
                seq,
                c"	Attached Devices:
"
                .as_char_ptr(),
            );
            dma_resv_unlock((*this).resv);
            seq_puts(
                seq,
                c"Total 0 devices attached

"
                .as_char_ptr(),
            );
            count += 1;
            bytes += size;
            file = debug_older_file(&dma_buf_fops, file);
        }
        seq_vprintf(
            seq,
            format_args!(
                "
Total {count} objects, {bytes} bytes
"
            ),
        );
    }
    0
}

/// # Safety
///
/// The file is being opened.
unsafe extern "C" fn dma_buf_debug_open(inode: *mut inode, file: *mut file) -> c_int {
    // SAFETY: The caller's guarantee.
    unsafe { single_open(file, Some(dma_buf_debug_show), (*inode).i_private) }
}

static dma_buf_debug_fops: file_operations = file_operations {
    open: Some(dma_buf_debug_open),
    read: Some(seq_read),
    llseek: Some(seq_lseek),
    release: Some(single_release),
    ..file_operations::NONE
};

/// Makes `dma_buf/bufinfo`; returns the directory, or an error pointer. May sleep.
///
/// C: called once, at boot; here for each machine that wants it.
#[track_caller]
pub unsafe fn dma_buf_init_debugfs() -> *mut dentry {
    // SAFETY: The directory is ours; the functions are static, and need no data.
    unsafe {
        let dir = debugfs_create_dir(c"dma_buf".as_char_ptr(), null_mut());
        let name = c"bufinfo".as_char_ptr();
        let file = debugfs_create_file(name, 0o444, dir, null_mut(), &dma_buf_debug_fops);
        if from_err_ptr(file).is_err() {
            debugfs_remove(dir);
            return file;
        }
        dir
    }
}

/// Removes what [`dma_buf_init_debugfs`] has made. May sleep.
///
/// # Safety
///
/// It is not used any more.
#[track_caller]
pub unsafe fn dma_buf_uninit_debugfs(dir: *mut dentry) {
    // SAFETY: The caller's guarantee.
    unsafe { debugfs_remove(dir) }
}

/// Kept in step with what the callbacks are found by.
const _: () = assert!(offset_of!(dma_buf_poll_cb_t, cb) == 0);
