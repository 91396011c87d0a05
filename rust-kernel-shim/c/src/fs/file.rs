// SPDX-License-Identifier: GPL-2.0-only
//! Open files, and what may be done with them.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/file.h`](srctree/include/linux/file.h),
//! [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h)
//!
//! What differs from Linux: the last [`fput`] ends the file where it stands if the caller may
//! sleep, where Linux waits until the task returns to user space; in any other context a worker
//! does it in both.

use super::{
    count::Count,
    namei::{active, dentry, Active},
    poll::{__poll_t, poll_table, DEFAULT_POLLMASK},
};
use crate::{
    __mutex_init, err_ptr,
    ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void},
    globals, init_work_with_key, kfree, kmalloc_obj, may_sleep, mutex, mutex_lock, mutex_unlock,
    queue_work, system_percpu_wq, work_struct, EINVAL, EIO, ENOMEM, ENOTTY, GFP_KERNEL,
};
use core::{
    mem::{offset_of, zeroed},
    ptr::{addr_of_mut, null, null_mut},
};
use machine::cpu::{self, Cpu};
use spin::mutex::SpinMutex;

/// A place in a file.
pub type loff_t = i64;

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {$(
        $(#[$doc])*
        pub const $name: c_uint = $value;
    )*};
}

flags! {
    /// For reading.
    O_RDONLY = 0;
    /// For writing.
    O_WRONLY = 1;
    /// For both.
    O_RDWR = 2;
    /// The bits of these three.
    O_ACCMODE = 3;
    /// What is written goes to the end.
    O_APPEND = 0o2000;
    /// Nothing blocks.
    O_NONBLOCK = 0o4000;
    /// Closed when another program is executed; there are no programs here.
    O_CLOEXEC = 0o2000000;
}

/// From the beginning.
pub const SEEK_SET: c_int = 0;
/// From where the file is.
pub const SEEK_CUR: c_int = 1;
/// From the end.
pub const SEEK_END: c_int = 2;

/// What an open file leads to.
#[repr(C)]
pub struct inode {
    /// Of the file's maker.
    pub i_private: *mut c_void,
}

/// What can be done with files of a kind. Of C's members, those that are called here.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct file_operations {
    /// The module whose they are; of no meaning here.
    pub owner: *mut c_void,
    /// Moves to another place.
    pub llseek:
        Option<unsafe extern "C" fn(file: *mut file, offset: loff_t, whence: c_int) -> loff_t>,
    /// Reads, into user memory.
    pub read: Option<
        unsafe extern "C" fn(
            file: *mut file,
            buf: *mut c_char,
            count: usize,
            pos: *mut loff_t,
        ) -> isize,
    >,
    /// Writes, from user memory.
    pub write: Option<
        unsafe extern "C" fn(
            file: *mut file,
            buf: *const c_char,
            count: usize,
            pos: *mut loff_t,
        ) -> isize,
    >,
    /// What is ready, and where to wait for it.
    pub poll: Option<unsafe extern "C" fn(file: *mut file, wait: *mut poll_table) -> __poll_t>,
    /// All else.
    pub unlocked_ioctl:
        Option<unsafe extern "C" fn(file: *mut file, cmd: c_uint, arg: c_ulong) -> c_long>,
    /// As [`unlocked_ioctl`](Self::unlocked_ioctl), for programs of 32 bits; there are none.
    pub compat_ioctl:
        Option<unsafe extern "C" fn(file: *mut file, cmd: c_uint, arg: c_ulong) -> c_long>,
    /// A file is opened.
    pub open: Option<unsafe extern "C" fn(inode: *mut inode, file: *mut file) -> c_int>,
    /// The last reference is gone.
    pub release: Option<unsafe extern "C" fn(inode: *mut inode, file: *mut file) -> c_int>,
}

// SAFETY: Functions, and a pointer that is not used.
unsafe impl Sync for file_operations {}
// SAFETY: As above.
unsafe impl Send for file_operations {}

impl file_operations {
    /// None at all.
    pub const NONE: Self = {
        // SAFETY: Zeroes are valid for all members: a null pointer and no functions.
        unsafe { zeroed() }
    };
}

/// An open file.
#[repr(C)]
pub struct file {
    f_ref: Count,
    /// What can be done with it.
    pub f_op: *const file_operations,
    /// Of the functions that open and release it.
    pub private_data: *mut c_void,
    /// How it was opened.
    pub f_flags: c_uint,
    /// Where it is; under `f_pos_lock`.
    pub f_pos: loff_t,
    f_pos_lock: mutex,
    /// What it leads to; null for a file without a name.
    pub f_inode: *mut inode,
    /// Its name, to which it has a reference; null without one.
    pub(super) f_dentry: *mut dentry,
    /// For the last `fput()` where it may not sleep.
    f_work: work_struct,
    /// Its machine, and its links in the list of all, which change under [`OPEN`].
    machine: u64,
    next: *mut file,
    prev: *mut *mut file,
}

/// All files, the youngest first.
struct Open(*mut file);

// SAFETY: Files may be used by any thread.
unsafe impl Send for Open {}

static OPEN: SpinMutex<Open> = SpinMutex::new(Open(null_mut()));

/// Puts a new file, which is complete, on the list of all.
///
/// # Safety
///
/// The file is the caller's, until this.
pub(super) unsafe fn opened(file: *mut file) {
    let mut open = OPEN.lock();
    // SAFETY: The file is the caller's; what is on the list is valid, under the lock.
    unsafe {
        (*file).machine = globals::with(|globals| globals.number);
        (*file).next = open.0;
        (*file).prev = &raw mut open.0;
        if !open.0.is_null() {
            (*open.0).prev = addr_of_mut!((*file).next);
        }
    }
    open.0 = file;
}

/// Takes a file off the list of all, if it is on it.
///
/// # Safety
///
/// It is valid.
unsafe fn closed(file: *mut file) {
    let _open = OPEN.lock();
    // SAFETY: What is on the list is valid, under the lock.
    unsafe {
        if (*file).prev.is_null() {
            return;
        }
        *(*file).prev = (*file).next;
        if !(*file).next.is_null() {
            (*(*file).next).prev = (*file).prev;
        }
    }
}

/// Returns the youngest file of a kind that is older than another, or the youngest at all if that is
/// null; with a reference, while that to the other is given back. Null after the oldest. May sleep.
///
/// # Safety
///
/// `than` is null, or the caller's reference to it is.
pub unsafe fn debug_older_file(fops: *const file_operations, than: *mut file) -> *mut file {
    let machine = globals::with(|globals| globals.number);
    // SAFETY: What is on the list is valid, under the lock; the reference is the caller's.
    unsafe {
        let found = {
            let open = OPEN.lock();
            let mut file = match than.is_null() {
                true => open.0,
                false => (*than).next,
            };
            while !file.is_null()
                && ((*file).f_op != fops
                    || (*file).machine != machine
                    || !(*file).f_ref.get_unless_zero())
            {
                file = (*file).next;
            }
            file
        };
        if !than.is_null() {
            fput(than);
        }
        found
    }
}

/// Returns the number of references to a file. C: `file_count()`.
///
/// # Safety
///
/// The caller has a reference.
pub unsafe fn file_count(file: *mut file) -> c_long {
    // SAFETY: The caller's reference keeps the file.
    unsafe { (*file).f_ref.read() as c_long }
}

/// Allocates a file with one reference; null without memory. May sleep.
///
/// # Safety
///
/// `fops` is valid as long as the file.
#[track_caller]
pub(super) unsafe fn alloc_file(fops: *const file_operations, flags: c_uint) -> *mut file {
    // SAFETY: No block to replace. The memory is ours.
    unsafe {
        let file: *mut file = kmalloc_obj(GFP_KERNEL);
        if !file.is_null() {
            addr_of_mut!((*file).f_ref).write(Count::new());
            addr_of_mut!((*file).f_op).write(fops);
            addr_of_mut!((*file).private_data).write(null_mut());
            addr_of_mut!((*file).f_flags).write(flags);
            addr_of_mut!((*file).f_pos).write(0);
            let name = crate::as_char_ptr(c"&f->f_pos_lock");
            __mutex_init(addr_of_mut!((*file).f_pos_lock), name, null_mut());
            addr_of_mut!((*file).f_inode).write(null_mut());
            addr_of_mut!((*file).f_dentry).write(null_mut());
            let work = addr_of_mut!((*file).f_work);
            init_work_with_key(work, Some(delayed_fput), false, null(), null_mut());
            addr_of_mut!((*file).prev).write(null_mut());
        }
        file
    }
}

/// Makes a file without a name, with one reference; or returns the error pointer -ENOMEM. May
/// sleep.
///
/// # Safety
///
/// `fops` lives as long as the file; `private` is what its functions need.
#[track_caller]
pub unsafe fn anon_inode_getfile(
    _name: *const c_char,
    fops: *const file_operations,
    private: *mut c_void,
    flags: c_uint,
) -> *mut file {
    // SAFETY: `fops` lives as long as the file: the caller's guarantee. The memory is ours.
    unsafe {
        let file = alloc_file(fops, flags);
        if file.is_null() {
            return err_ptr(ENOMEM);
        }
        (*file).private_data = private;
        opened(file);
        file
    }
}

/// Takes another reference. From any context.
///
/// # Safety
///
/// The caller has a reference.
pub unsafe fn get_file(file: *mut file) -> *mut file {
    // SAFETY: The caller's reference keeps the file.
    unsafe { (*file).f_ref.get() };
    file
}

/// Gives a reference back; the last one ends the file. From any context; there and then if the
/// caller may sleep.
///
/// # Safety
///
/// The reference is the caller's.
#[track_caller]
pub unsafe fn fput(file: *mut file) {
    // SAFETY: The reference is the caller's; the last one is not used any more.
    unsafe {
        if (*file).f_ref.put() {
            if cpu::with(Cpu::in_section) {
                queue_work(system_percpu_wq, addr_of_mut!((*file).f_work));
            } else {
                __fput(file);
            }
        }
    }
}

/// # Safety
///
/// `work` is that of a file whose last reference is gone.
unsafe extern "C" fn delayed_fput(work: *mut work_struct) {
    // SAFETY: The caller's guarantee.
    unsafe { __fput(work.byte_sub(offset_of!(file, f_work)).cast()) };
}

/// # Safety
///
/// The last reference is gone.
#[track_caller]
unsafe fn __fput(file: *mut file) {
    may_sleep();
    // SAFETY: The file is nobody else's.
    unsafe {
        let name = (*file).f_dentry;
        closed(file);
        if let Some(release) = (*(*file).f_op).release {
            release((*file).f_inode, file);
        }
        kfree(file.cast());
        super::namei::dput(name);
    }
}

/// Enters the functions of a file; `None` if what they reach is gone.
///
/// # Safety
///
/// The caller has a reference to the file.
unsafe fn enter(file: *mut file) -> Option<Active> {
    // SAFETY: The file has a reference to its name, if it has one.
    unsafe { active((*file).f_dentry, false) }
}

/// Calls `f` with where the file is, and the lock for that held.
///
/// # Safety
///
/// The caller has a reference to the file.
unsafe fn at_pos<R>(file: *mut file, f: impl FnOnce(*mut loff_t) -> R) -> R {
    // SAFETY: The caller has a reference.
    unsafe {
        let lock = addr_of_mut!((*file).f_pos_lock);
        mutex_lock(lock);
        let result = f(addr_of_mut!((*file).f_pos));
        mutex_unlock(lock);
        result
    }
}

/// What is ready of a file; `wait` is told where to wait. May sleep.
///
/// # Safety
///
/// The caller has a reference; `wait` is valid or null.
pub unsafe fn vfs_poll(file: *mut file, wait: *mut poll_table) -> __poll_t {
    // SAFETY: The caller's guarantees.
    unsafe {
        let Some(_active) = enter(file) else {
            return super::poll::EPOLLHUP;
        };
        (*(*file).f_op)
            .poll
            .map_or(DEFAULT_POLLMASK, |poll| poll(file, wait))
    }
}

/// A call that is of the file's kind; -ENOTTY if it has none. May sleep.
///
/// # Safety
///
/// The caller has a reference.
pub unsafe fn vfs_ioctl(file: *mut file, cmd: c_uint, arg: c_ulong) -> c_long {
    // SAFETY: The caller has a reference.
    unsafe {
        let Some(_active) = enter(file) else {
            return -(EIO as c_long);
        };
        let ioctl = (*(*file).f_op).unlocked_ioctl;
        ioctl.map_or(-(ENOTTY as c_long), |ioctl| ioctl(file, cmd, arg))
    }
}

/// Reads into user memory, from where the file is: the number of bytes, 0 at the end, or an error.
/// May sleep.
///
/// # Safety
///
/// The caller has a reference.
pub unsafe fn vfs_read(file: *mut file, buf: *mut c_char, count: usize) -> isize {
    // SAFETY: The caller's guarantees.
    unsafe {
        let Some(_active) = enter(file) else {
            return -(EIO as isize);
        };
        let read = (*(*file).f_op).read;
        at_pos(file, |pos| {
            read.map_or(-(EINVAL as isize), |read| read(file, buf, count, pos))
        })
    }
}

/// Writes from user memory, as [`vfs_read`].
///
/// # Safety
///
/// As [`vfs_read`].
pub unsafe fn vfs_write(file: *mut file, buf: *const c_char, count: usize) -> isize {
    // SAFETY: The caller's guarantees.
    unsafe {
        let Some(_active) = enter(file) else {
            return -(EIO as isize);
        };
        let write = (*(*file).f_op).write;
        at_pos(file, |pos| {
            write.map_or(-(EINVAL as isize), |write| write(file, buf, count, pos))
        })
    }
}

/// Moves to another place: that, or an error. May sleep.
///
/// # Safety
///
/// As [`vfs_read`].
pub unsafe fn vfs_llseek(file: *mut file, offset: loff_t, whence: c_int) -> loff_t {
    // SAFETY: The caller's guarantees.
    unsafe {
        let Some(_active) = enter(file) else {
            return -loff_t::from(EIO);
        };
        let seek = (*(*file).f_op).llseek.unwrap_or(noop_llseek);
        at_pos(file, |_| seek(file, offset, whence))
    }
}

/// Stays where it is.
pub unsafe extern "C" fn noop_llseek(file: *mut file, _offset: loff_t, _whence: c_int) -> loff_t {
    // SAFETY: `file` is valid: the caller's guarantee.
    unsafe { (*file).f_pos }
}

/// Opens a file that has no more to it than what its name has.
pub unsafe extern "C" fn simple_open(inode: *mut inode, file: *mut file) -> c_int {
    // SAFETY: Both are valid: the caller's guarantee.
    unsafe { (*file).private_data = (*inode).i_private };
    0
}

/// Opens a file: there is no limit to its size.
pub unsafe extern "C" fn generic_file_open(_inode: *mut inode, _file: *mut file) -> c_int {
    0
}

/// As the file's `unlocked_ioctl`.
pub unsafe extern "C" fn compat_ptr_ioctl(file: *mut file, cmd: c_uint, arg: c_ulong) -> c_long {
    // SAFETY: `file` is valid: the caller's guarantee.
    unsafe {
        let ioctl = (*(*file).f_op).unlocked_ioctl;
        ioctl.map_or(-(ENOTTY as c_long), |ioctl| ioctl(file, cmd, arg))
    }
}
