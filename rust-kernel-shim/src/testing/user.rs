// SPDX-License-Identifier: GPL-2.0-only
//! What a program in user space does: its system calls, and its memory.
//!
//! Each machine has one process with one table of descriptors; threads that run freely are of one
//! process.

use crate::{
    alloc::{flags::GFP_KERNEL, KBox, KVec},
    bindings,
    error::{
        code::{EFAULT, EINVAL},
        from_err_ptr, to_result, Error, Result,
    },
    ffi::{c_int, c_long},
    fs::{
        file::{flags::O_CLOEXEC, FileDescriptorReservation},
        File, LocalFile,
    },
    str::{CStr, CStrExt as _},
    sync::aref::ARef,
    time::Jiffies,
};
use core::{mem::MaybeUninit, ptr::NonNull};

pub use bindings::{debug_set_nofile as set_descriptor_limit, EPOLLERR, EPOLLHUP, EPOLLIN};

/// A result of C's that is a number, or an error.
fn result(n: isize) -> Result<isize> {
    if n < 0 {
        // CAST: An errno is small.
        return Err(Error::from_errno(n as c_int));
    }
    Ok(n)
}

/// Calls `f` with the file of a descriptor.
fn with_file<R>(fd: u32, f: impl FnOnce(*mut bindings::file) -> R) -> Result<R> {
    let file = LocalFile::fget(fd)?;
    Ok(f(file.as_ptr()))
}

/// Opens a file of `/dev` or `/sys/kernel/debug`. May sleep.
///
/// # Errors
///
/// ENOENT, EISDIR, EMFILE, ENOMEM, and those of the driver.
#[track_caller]
pub fn open(path: &CStr) -> Result<u32> {
    let reservation = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
    let flags = bindings::O_RDWR.cast_signed();
    // SAFETY: The path ends with a NUL.
    let file = from_err_ptr(unsafe { bindings::filp_open(path.as_char_ptr(), flags, 0) })?;
    // SAFETY: It is no error, so there is a file, whose reference becomes ours.
    let file: ARef<File> = unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) };
    let fd = reservation.reserved_fd();
    reservation.fd_install(file);
    Ok(fd)
}

/// Closes a descriptor. May sleep.
///
/// # Errors
///
/// EBADF.
#[track_caller]
pub fn close(fd: u32) -> Result {
    // SAFETY: It takes any number.
    to_result(unsafe { bindings::close_fd(fd) })
}

/// Makes a call that is of the file's kind; `arg` is most often the address of
/// [`UserMemory`]. May sleep.
///
/// # Errors
///
/// EBADF; ENOTTY if the file has no such call, EFAULT if the memory is not mapped, and those of the
/// file's kind.
#[track_caller]
pub fn ioctl(fd: u32, cmd: u32, arg: usize) -> Result<isize> {
    // SAFETY: There is a reference to the file.
    result(with_file(fd, |file| unsafe {
        bindings::vfs_ioctl(file, cmd, arg)
    })?)
}

/// As [`ioctl`], with these bytes as the program's memory. May sleep.
///
/// # Errors
///
/// Those of [`ioctl`]; ENOMEM.
#[track_caller]
pub fn ioctl_with(fd: u32, cmd: u32, bytes: &mut [u8]) -> Result<isize> {
    let memory = UserMemory::new(bytes.len())?;
    memory.write(0, bytes)?;
    let result = ioctl(fd, cmd, memory.addr());
    memory.read(0, bytes)?;
    result
}

/// Reads from where the file is; 0 at its end. May sleep.
///
/// # Errors
///
/// EBADF; EINVAL if the file cannot be read, EIO if it was removed; ENOMEM.
#[track_caller]
pub fn read(fd: u32, buf: &mut [u8]) -> Result<usize> {
    let memory = UserMemory::new(buf.len())?;
    let to = core::ptr::without_provenance_mut(memory.addr());
    // SAFETY: There is a reference to the file, and any address will do.
    let n = result(with_file(fd, |file| unsafe {
        bindings::vfs_read(file, to, buf.len())
    })?)?
    .cast_unsigned();
    memory.read(0, buf.get_mut(..n).ok_or(EINVAL)?)?;
    Ok(n)
}

/// Writes to where the file is; returns the number of bytes. May sleep.
///
/// # Errors
///
/// EBADF; EINVAL if the file cannot be written, EIO if it was removed; ENOMEM, and those of the file.
#[track_caller]
pub fn write(fd: u32, buf: &[u8]) -> Result<usize> {
    let memory = UserMemory::new(buf.len())?;
    memory.write(0, buf)?;
    let from = core::ptr::without_provenance(memory.addr());
    // SAFETY: There is a reference to the file, and any address will do.
    let n = result(with_file(fd, |file| unsafe {
        bindings::vfs_write(file, from, buf.len())
    })?)?;
    Ok(n.cast_unsigned())
}

/// Reads a whole file. May sleep.
///
/// # Errors
///
/// Those of [`open`] and [`read`].
#[track_caller]
pub fn read_file(path: &CStr) -> Result<KVec<u8>> {
    let fd = open(path)?;
    let mut all = KVec::new();
    let mut part = [0; 512];
    let result = loop {
        match read(fd, &mut part) {
            Ok(0) => break Ok(all),
            Ok(n) => {
                if let Err(error) = all.extend_from_slice(&part[..n], GFP_KERNEL) {
                    break Err(error.into());
                }
            }
            Err(error) => break Err(error),
        }
    };
    close(fd)?;
    result
}

/// Waits until one of `events` is ready, or the file has failed, for `timeout` jiffies at most: what
/// is ready, 0 if nothing is. May sleep.
///
/// # Errors
///
/// EBADF; EINTR.
#[track_caller]
pub fn poll(fd: u32, events: u32, timeout: Jiffies) -> Result<u32> {
    let timeout = c_long::try_from(timeout).unwrap_or(c_long::MAX);
    // SAFETY: There is a reference to the file.
    let ready = result(with_file(fd, |file| unsafe {
        bindings::debug_poll(file, events, timeout)
    })?)?;
    // CAST: It is a mask of 32 bits.
    Ok(ready as u32)
}

/// Memory of a program, zeroed at first; dropping it unmaps it.
///
/// # Invariants
///
/// `region` is mapped, and has `len` bytes from `bytes`.
pub struct UserMemory {
    region: NonNull<bindings::user_region>,
    bytes: NonNull<u8>,
    len: usize,
    /// The capacity of the vector that the bytes are.
    room: usize,
}

// SAFETY: The bytes are read and written by C, under a lock.
unsafe impl Send for UserMemory {}

// SAFETY: As above.
unsafe impl Sync for UserMemory {}

impl UserMemory {
    /// Maps `len` bytes for reading and writing. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(len: usize) -> Result<Self> {
        Self::map(len, &[], true)
    }

    /// Maps a copy of these bytes, for reading alone. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn constant(bytes: &[u8]) -> Result<Self> {
        Self::map(bytes.len(), bytes, false)
    }

    fn map(len: usize, content: &[u8], writable: bool) -> Result<Self> {
        let region = KBox::<bindings::user_region>::new_uninit(GFP_KERNEL)?;
        // One more, so that there is an address.
        let mut bytes = KVec::<u8>::zeroed(len + 1, GFP_KERNEL)?;
        bytes[..content.len()].copy_from_slice(content);
        let (bytes, _, room) = bytes.into_raw_parts();
        let region = KBox::into_raw(region).cast::<bindings::user_region>();
        // SAFETY: Both are ours, and used for nothing else until they are unmapped.
        unsafe { bindings::debug_mmap(region, bytes, len, writable) };
        // INVARIANT: Just mapped.
        // SAFETY: Neither a box nor a vector's memory is null.
        unsafe {
            Ok(Self {
                region: NonNull::new_unchecked(region),
                bytes: NonNull::new_unchecked(bytes),
                len,
                room,
            })
        }
    }

    /// Returns the address.
    pub fn addr(&self) -> usize {
        self.bytes.as_ptr().addr()
    }

    /// Reads, as the program does. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT if there are not as many bytes from `offset` on.
    #[track_caller]
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result {
        let from = self.at(offset)?;
        // SAFETY: `out` is valid for writes.
        let left =
            unsafe { bindings::copy_from_user(out.as_mut_ptr().cast(), from.cast(), out.len()) };
        Self::all(left)
    }

    /// Writes, as the program does. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT if there are not as many bytes from `offset` on, or the memory is for reading alone.
    #[track_caller]
    pub fn write(&self, offset: usize, data: &[u8]) -> Result {
        let to = self.at(offset)?;
        // SAFETY: `data` is valid for reads.
        let left = unsafe { bindings::copy_to_user(to.cast(), data.as_ptr().cast(), data.len()) };
        Self::all(left)
    }

    fn at(&self, offset: usize) -> Result<*mut u8> {
        // Beyond it there may be other memory of the program's.
        if offset > self.len {
            return Err(EFAULT);
        }
        Ok(self.bytes.as_ptr().wrapping_add(offset))
    }

    fn all(left: usize) -> Result {
        match left {
            0 => Ok(()),
            _ => Err(EFAULT),
        }
    }
}

impl Drop for UserMemory {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is mapped; after that both are ours again, and were made so.
        unsafe {
            bindings::debug_munmap(self.region.as_ptr());
            let region = self
                .region
                .as_ptr()
                .cast::<MaybeUninit<bindings::user_region>>();
            drop(KBox::from_raw(region));
            drop(KVec::from_raw_parts(
                self.bytes.as_ptr(),
                self.len,
                self.room,
            ));
        }
    }
}
