// SPDX-License-Identifier: GPL-2.0-only

//! Open files and their descriptors.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/file.h`](srctree/include/linux/file.h).

use crate::{
    bindings,
    error::{code::EBADF, to_result, Error, Result},
    fmt,
    sync::aref::{ARef, AlwaysRefCounted},
    types::{NotThreadSafe, Opaque},
};
use core::{
    mem::forget,
    ops::Deref,
    ptr::{addr_of, NonNull},
};

/// A place in a file.
pub type Offset = bindings::loff_t;

/// How a file was opened.
pub mod flags {
    use crate::bindings;

    /// What is written goes to the end.
    pub const O_APPEND: u32 = bindings::O_APPEND;

    /// Closed when another program is executed.
    pub const O_CLOEXEC: u32 = bindings::O_CLOEXEC;

    /// Nothing blocks.
    pub const O_NONBLOCK: u32 = bindings::O_NONBLOCK;

    /// The bits that say whether it is for reading, for writing, or for both.
    pub const O_ACCMODE: u32 = bindings::O_ACCMODE;

    /// For reading.
    pub const O_RDONLY: u32 = bindings::O_RDONLY;

    /// For writing.
    pub const O_WRONLY: u32 = bindings::O_WRONLY;

    /// For both.
    pub const O_RDWR: u32 = bindings::O_RDWR;
}

/// An open file, which any thread may use.
///
/// # Invariants
///
/// It is counted. No call that reads or moves its place goes without the lock for that.
#[doc(alias = "file")]
#[repr(transparent)]
pub struct File(Opaque<bindings::file>);

// SAFETY: By the invariant any thread may use it.
unsafe impl Send for File {}

// SAFETY: By the invariant any threads may use it at the same time.
unsafe impl Sync for File {}

/// An open file that was found by a descriptor: another call of the same thread may be moving its
/// place, so that only this thread may use it.
///
/// # Invariants
///
/// It is counted.
#[repr(transparent)]
pub struct LocalFile(Opaque<bindings::file>);

macro_rules! counted {
    ($($file:ident)*) => {$(
        // SAFETY: `fput()` gives back what `get_file()` has taken.
        unsafe impl AlwaysRefCounted for $file {
            #[inline]
            fn inc_ref(&self) {
                // SAFETY: There is a reference, since there is this one.
                unsafe { bindings::get_file(self.as_ptr()) };
            }

            #[inline]
            #[track_caller]
            unsafe fn dec_ref(obj: NonNull<Self>) {
                // SAFETY: The caller gives up a count. The type is transparent.
                unsafe { bindings::fput(obj.cast().as_ptr()) }
            }
        }
    )*};
}

counted!(File LocalFile);

impl LocalFile {
    /// Returns the file of a descriptor of this process.
    ///
    /// # Errors
    ///
    /// [`BadFdError`] if it has none.
    pub fn fget(fd: u32) -> Result<ARef<Self>, BadFdError> {
        // SAFETY: It takes any number.
        let file = NonNull::new(unsafe { bindings::fget(fd) }).ok_or(BadFdError)?;
        // SAFETY: A file with a reference, which becomes ours. The type is transparent.
        Ok(unsafe { ARef::from_raw(file.cast()) })
    }

    /// Sees C's file as one of ours.
    ///
    /// # Safety
    ///
    /// The file has a reference during `'a`; if a call moves its place without the lock, then in
    /// this thread.
    pub unsafe fn from_raw_file<'a>(ptr: *const bindings::file) -> &'a Self {
        // SAFETY: The caller's guarantee. The type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Says that no call of this thread is moving the file's place.
    ///
    /// # Safety
    ///
    /// So it is.
    pub unsafe fn assume_no_fdget_pos(me: ARef<Self>) -> ARef<File> {
        // INVARIANT: The caller says so.
        // SAFETY: Both types are transparent, and the reference goes on.
        unsafe { ARef::from_raw(ARef::into_raw(me).cast()) }
    }

    /// Returns C's pointer.
    pub fn as_ptr(&self) -> *mut bindings::file {
        self.0.get()
    }

    /// Returns how it was opened, see [`flags`].
    pub fn flags(&self) -> u32 {
        // SAFETY: The file is valid. The field is read once, as a whole, since C may change it.
        unsafe { addr_of!((*self.as_ptr()).f_flags).read_volatile() }
    }
}

impl File {
    /// Sees C's file as one of ours.
    ///
    /// # Safety
    ///
    /// The file has a reference during `'a`; no call moves its place without the lock.
    pub unsafe fn from_raw_file<'a>(ptr: *const bindings::file) -> &'a Self {
        // SAFETY: The caller's guarantee. The type is transparent.
        unsafe { &*ptr.cast() }
    }
}

impl Deref for File {
    type Target = LocalFile;

    fn deref(&self) -> &LocalFile {
        // SAFETY: The file is valid as long as this reference; no place is moved without the lock.
        unsafe { LocalFile::from_raw_file(self.0.get()) }
    }
}

/// A descriptor that is reserved for a file; dropping it gives the descriptor back.
///
/// # Invariants
///
/// The descriptor is reserved, in the table of this thread's process, by this.
///
/// # Examples
///
/// ```
/// use kernel::fs::file::{flags, FileDescriptorReservation, LocalFile};
///
/// let reservation = FileDescriptorReservation::get_unused_fd_flags(flags::O_CLOEXEC)?;
/// let fd = reservation.reserved_fd();
/// assert!(LocalFile::fget(fd).is_err());
/// drop(reservation);
/// # Ok::<(), kernel::error::Error>(())
/// ```
pub struct FileDescriptorReservation {
    fd: u32,
    _not_send: NotThreadSafe,
}

impl FileDescriptorReservation {
    /// Reserves the lowest descriptor that is free. May sleep.
    ///
    /// # Errors
    ///
    /// EMFILE if there are too many; ENOMEM.
    #[track_caller]
    pub fn get_unused_fd_flags(flags: u32) -> Result<Self> {
        // SAFETY: It takes any flags.
        let fd = unsafe { bindings::get_unused_fd_flags(flags) };
        to_result(fd)?;
        // INVARIANT: Just reserved.
        Ok(Self {
            // CAST: It is no error, so it is not negative.
            fd: fd as u32,
            _not_send: NotThreadSafe,
        })
    }

    /// Returns the descriptor.
    pub fn reserved_fd(&self) -> u32 {
        self.fd
    }

    /// Has the descriptor lead to a file: from now on the program can use it. From any context.
    pub fn fd_install(self, file: ARef<File>) {
        // SAFETY: Reserved by this, says the invariant; both this and the reference are forgotten.
        unsafe { bindings::fd_install(self.fd, file.as_ptr()) };
        forget((self, file));
    }
}

impl Drop for FileDescriptorReservation {
    fn drop(&mut self) {
        // SAFETY: Reserved by this, says the invariant.
        unsafe { bindings::put_unused_fd(self.fd) };
    }
}

/// A descriptor has no file: [`EBADF`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BadFdError;

impl From<BadFdError> for Error {
    fn from(_: BadFdError) -> Error {
        EBADF
    }
}

impl fmt::Debug for BadFdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("EBADF")
    }
}
