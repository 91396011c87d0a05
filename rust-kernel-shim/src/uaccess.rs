// SPDX-License-Identifier: GPL-2.0-only

//! The memory of programs.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h).

use crate::{
    alloc::{Allocator, Flags, Vec},
    bindings,
    error::{code::EFAULT, Result},
    ffi::c_void,
    prelude::{EINVAL, ENAMETOOLONG},
    str::CStr,
    transmute::{AsBytes, FromBytes},
};
use core::{mem::MaybeUninit, ptr::without_provenance_mut};

/// An address in a program: it may be any.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct UserPtr(*mut c_void);

impl UserPtr {
    /// The pointer of an address, as the argument of an ioctl is one.
    pub fn from_addr(addr: usize) -> Self {
        Self(without_provenance_mut(addr))
    }

    /// The pointer that C was passed.
    pub fn from_ptr(addr: *mut c_void) -> Self {
        Self(addr)
    }

    /// Returns C's pointer, for reading.
    pub fn as_const_ptr(self) -> *const c_void {
        self.0
    }

    /// Returns C's pointer.
    pub fn as_mut_ptr(self) -> *mut c_void {
        self.0
    }

    /// Returns the pointer `add` bytes further on.
    pub fn wrapping_byte_add(self, add: usize) -> Self {
        Self(self.0.wrapping_byte_add(add))
    }
}

/// A part of a program's memory.
///
/// Nothing is known of it until it is read or written, and the program may change it at any time:
/// what is read twice may differ.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, testing::user::UserMemory, uaccess::{UserPtr, UserSlice}};
///
/// let memory = UserMemory::new(8)?;
/// let (mut reader, mut writer) =
///     UserSlice::new(UserPtr::from_addr(memory.addr()), 8).reader_writer();
/// writer.write(&7u64)?;
/// assert_eq!(reader.read::<u64>()?, 7);
/// assert_eq!(reader.read::<u64>(), Err(EFAULT));
/// # Ok::<(), Error>(())
/// ```
pub struct UserSlice {
    ptr: UserPtr,
    length: usize,
}

impl UserSlice {
    /// The memory of `length` bytes at `ptr`.
    pub fn new(ptr: UserPtr, length: usize) -> Self {
        Self { ptr, length }
    }

    /// Reads all of it, behind what is in `buf`. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT, ENOMEM.
    pub fn read_all<A: Allocator>(self, buf: &mut Vec<u8, A>, flags: Flags) -> Result {
        self.reader().read_all(buf, flags)
    }

    /// For reading.
    pub fn reader(self) -> UserSliceReader {
        UserSliceReader {
            ptr: self.ptr,
            length: self.length,
        }
    }

    /// For writing.
    pub fn writer(self) -> UserSliceWriter {
        UserSliceWriter {
            ptr: self.ptr,
            length: self.length,
        }
    }

    /// For both.
    pub fn reader_writer(self) -> (UserSliceReader, UserSliceWriter) {
        let Self { ptr, length } = self;
        (
            UserSliceReader { ptr, length },
            UserSliceWriter { ptr, length },
        )
    }
}

/// Reads a program's memory from front to back.
pub struct UserSliceReader {
    ptr: UserPtr,
    length: usize,
}

impl UserSliceReader {
    /// Goes on behind the next bytes.
    ///
    /// # Errors
    ///
    /// EFAULT if there are not as many.
    pub fn skip(&mut self, num_skip: usize) -> Result {
        self.length = self.length.checked_sub(num_skip).ok_or(EFAULT)?;
        self.ptr = self.ptr.wrapping_byte_add(num_skip);
        Ok(())
    }

    /// Another one that is as far.
    pub fn clone_reader(&self) -> Self {
        Self { ..*self }
    }

    /// Returns the number of bytes that are left.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True if there are no more bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads the next bytes: `out` is initialised after that. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT if there are not as many, or not mapped.
    #[track_caller]
    pub fn read_raw(&mut self, out: &mut [MaybeUninit<u8>]) -> Result {
        if out.len() > self.length {
            return Err(EFAULT);
        }
        let (to, from) = (out.as_mut_ptr().cast(), self.ptr.as_const_ptr());
        // SAFETY: `out` is valid for writes.
        if unsafe { bindings::copy_from_user(to, from, out.len()) } != 0 {
            return Err(EFAULT);
        }
        self.skip(out.len())
    }

    /// Reads the next bytes. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT if there are not as many, or not mapped.
    #[track_caller]
    pub fn read_slice(&mut self, out: &mut [u8]) -> Result {
        // SAFETY: What is written to the bytes is initialised.
        self.read_raw(unsafe { &mut *(core::ptr::from_mut(out) as *mut [MaybeUninit<u8>]) })
    }

    /// Reads a value. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT if there are not as many bytes, or not mapped.
    #[track_caller]
    pub fn read<T: FromBytes>(&mut self) -> Result<T> {
        let mut out = MaybeUninit::<T>::uninit();
        let (to, from) = (out.as_mut_ptr().cast(), self.ptr.as_const_ptr());
        if size_of::<T>() > self.length {
            return Err(EFAULT);
        }
        // SAFETY: `out` is valid for writes.
        if unsafe { bindings::copy_from_user(to, from, size_of::<T>()) } != 0 {
            return Err(EFAULT);
        }
        self.skip(size_of::<T>())?;
        // SAFETY: All its bytes are written, and any make a `T`.
        Ok(unsafe { out.assume_init() })
    }

    /// Reads all that is left, behind what is in `buf`. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT, ENOMEM.
    pub fn read_all<A: Allocator>(mut self, buf: &mut Vec<u8, A>, flags: Flags) -> Result {
        let len = self.length;
        buf.reserve(len, flags)?;
        self.read_raw(&mut buf.spare_capacity_mut()[..len])?;
        // SAFETY: As many bytes were read.
        unsafe { buf.inc_len(len) };
        Ok(())
    }

    /// Reads a string, up to its NUL or the end, into `buf`, where a NUL follows. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT; ENAMETOOLONG if it does not fit, EINVAL if there is no room at all.
    pub fn strcpy_into_buf(mut self, buf: &mut [u8]) -> Result<&CStr> {
        if buf.is_empty() {
            return Err(EINVAL);
        }
        let (most, room) = (self.length, buf.len());
        for at in 0..room {
            if at == most {
                buf[at] = 0;
            } else {
                self.read_slice(&mut buf[at..=at])?;
            }
            if buf[at] == 0 {
                return CStr::from_bytes_with_nul(&buf[..=at]).map_err(|_| EINVAL);
            }
        }
        Err(ENAMETOOLONG)
    }
}

/// Writes a program's memory from front to back.
pub struct UserSliceWriter {
    ptr: UserPtr,
    length: usize,
}

impl UserSliceWriter {
    /// Returns the number of bytes that are left.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True if there are no more bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Writes bytes. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT if there is no room for as many, or they are not mapped.
    #[track_caller]
    pub fn write_slice(&mut self, data: &[u8]) -> Result {
        let left = self.length.checked_sub(data.len()).ok_or(EFAULT)?;
        let (to, from) = (self.ptr.as_mut_ptr(), data.as_ptr().cast());
        // SAFETY: `data` is valid for reads.
        if unsafe { bindings::copy_to_user(to, from, data.len()) } != 0 {
            return Err(EFAULT);
        }
        self.ptr = self.ptr.wrapping_byte_add(data.len());
        self.length = left;
        Ok(())
    }

    /// Writes a value. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT if there is no room for it, or it is not mapped.
    #[track_caller]
    pub fn write<T: AsBytes>(&mut self, value: &T) -> Result {
        self.write_slice(value.as_bytes())
    }
}
