// SPDX-License-Identifier: GPL-2.0-only
//! Files by which programs pass fences to each other.
//!
//! C header: [`include/linux/sync_file.h`](srctree/include/linux/sync_file.h)

use super::{
    bindings,
    fence::Fence,
    ktime::Ktime,
    unwrap::merge, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    fs::{
        file::FileDescriptorReservation,
        File, //
    },
    prelude::*,
    sync::aref::ARef, //
};

/// The length of a name, NUL included.
const NAME: usize = 32;

// UNTIL(kernel-sync-file): the kernel crate has these files.
/// A file with a fence, which a program can wait for, ask and merge with others.
///
/// Having one tells you that the fence lives, and that it is the same as long as the file does.
///
/// # Invariants
///
/// `ptr` is valid, and the reference to its file is this one's.
///
/// # Examples
///
/// ```
/// use dma_fence::{testing::{context, issue, Plain}, SyncFile};
/// use kernel::{prelude::*, testing::user::{self, EPOLLIN}};
///
/// let context = context(Plain)?;
/// let (job, fence) = issue(&context)?;
/// let fd = SyncFile::new(&fence)?.install()?;
/// assert_eq!(user::poll(fd, EPOLLIN, 0)?, 0);
/// job.signal(Ok(()));
/// assert_eq!(user::poll(fd, EPOLLIN, 0)?, EPOLLIN);
/// user::close(fd)?;
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "sync_file")]
pub struct SyncFile {
    ptr: NonNull<bindings::sync_file>,
}

// SAFETY: Any thread may give back the reference to a file.
unsafe impl Send for SyncFile {}
// SAFETY: What can be done by reference does not change the file, but by C that has a lock for it.
unsafe impl Sync for SyncFile {}

impl SyncFile {
    /// Makes a file with the fence. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[doc(alias = "sync_file_create")]
    pub fn new(fence: &Fence) -> Result<Self> {
        // SAFETY: By the invariant of the fence.
        let ptr = unsafe { bindings::sync_file_create(fence.as_raw()) };
        // INVARIANT: The reference to its file is ours.
        let ptr = NonNull::new(ptr).ok_or(ENOMEM)?;
        Ok(Self { ptr })
    }

    /// Makes a file that is called `name`, as far as there is room, with the fences of two files: of
    /// what has not signalled the latest of each context. May sleep; asks the drivers.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[doc(alias("sync_file_merge", "SYNC_IOC_MERGE"))]
    pub fn merge(name: &CStr, a: &SyncFile, b: &SyncFile) -> Result<Self> {
        let merged = Self::new(&*merge(&[a.fence(), b.fence()])?)?;
        // SAFETY: The file is new, and so ours alone; the name ends with a NUL.
        unsafe { bindings::sync_file_set_name(merged.ptr.as_ptr(), name.as_char_ptr()) };
        Ok(merged)
    }

    /// Returns the file of a descriptor of this process. May sleep.
    ///
    /// Linux keeps the function for this to itself; there, as here, [`get_fence`](Self::get_fence)
    /// returns the fence.
    ///
    /// # Errors
    ///
    /// ENOENT if it has none, or one of another kind.
    // UNTIL(kernel-sync-file): with this function.
    #[cfg(not(CONFIG_RUST))]
    #[doc(alias = "sync_file_fdget")]
    pub fn from_fd(fd: u32) -> Result<Self> {
        // SAFETY: It takes any number.
        let ptr = unsafe { bindings::sync_file_fdget(fd.cast_signed()) };
        // INVARIANT: The reference to its file is ours.
        let ptr = NonNull::new(ptr).ok_or(ENOENT)?;
        Ok(Self { ptr })
    }

    /// Returns the fence of a descriptor of this process. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if the descriptor has no file, or one of another kind.
    #[doc(alias = "sync_file_get_fence")]
    pub fn get_fence(fd: u32) -> Result<ARef<Fence>> {
        // SAFETY: It takes any number.
        let fence = unsafe { bindings::sync_file_get_fence(fd as c_int) };
        let fence = NonNull::new(fence.cast()).ok_or(EINVAL)?;
        // SAFETY: A valid fence, with a reference that becomes ours.
        Ok(unsafe { ARef::from_raw(fence) })
    }

    /// The fence.
    pub fn fence(&self) -> &Fence {
        // SAFETY: By the invariant; the file has a reference to its fence.
        unsafe { Fence::from_raw(bindings::sync_file_fence(self.ptr.as_ptr())) }
    }

    /// Returns the name: the one that it was given, or `DRIVER-TIMELINE` and the numbers
    /// `CONTEXT-SEQNO`, as far as there is room. From any context.
    #[doc(alias = "sync_file_get_name")]
    pub fn name<'a>(&self, buf: &'a mut [u8; NAME]) -> &'a CStr {
        // SAFETY: By the invariant; the buffer is as long.
        unsafe {
            let buf = buf.as_mut_ptr().cast();
            bindings::sync_file_get_name(self.ptr.as_ptr(), buf, NAME as c_int);
        }
        CStr::from_bytes_until_nul(buf).unwrap_or_default()
    }

    /// True if the fence has signalled: the file can be read from, as `poll(2)` has it. Asks the
    /// driver. From any context but a callback of the same fence.
    pub fn poll(&self) -> bool {
        self.fence().status().is_some()
    }

    /// Returns the number of its fences, and how the first of them stands that has not signalled well;
    /// `Some(Ok(()))` if all have. Asks the drivers. From any context but a callback or op of one of
    /// the fences.
    #[doc(alias = "SYNC_IOC_FILE_INFO")]
    pub fn info(&self) -> (usize, Option<Result>) {
        let (mut count, mut all) = (0, Some(Ok(())));
        for fence in self.fence().unwrap() {
            count += 1;
            if all == Some(Ok(())) {
                all = fence.status();
            }
        }
        (count, all)
    }

    /// Tells the driver, or all drivers, that a program hopes for the fence by `deadline`. From any
    /// context but a callback or op of the same fence.
    #[doc(alias = "SYNC_IOC_SET_DEADLINE")]
    pub fn set_deadline(&self, deadline: Ktime) {
        self.fence().set_deadline(deadline);
    }

    /// The file, to be given to a descriptor that is reserved.
    pub fn into_file(self) -> ARef<File> {
        let this = ManuallyDrop::new(self);
        // SAFETY: By the invariant the reference is ours, and `this` is not dropped.
        unsafe { ARef::from_raw(this.file()) }
    }

    /// Gives the file to the lowest descriptor that is free, from which a program has it. May sleep.
    ///
    /// # Errors
    ///
    /// EMFILE if there are too many; ENOMEM.
    pub fn install(self) -> Result<u32> {
        let flags = kernel::fs::file::flags::O_CLOEXEC;
        let reservation = FileDescriptorReservation::get_unused_fd_flags(flags)?;
        let fd = reservation.reserved_fd();
        reservation.fd_install(self.into_file());
        Ok(fd)
    }

    /// The address of the callback by which the file wakes those who poll it.
    #[cfg(not(CONFIG_RUST))]
    pub(super) fn callback(&self) -> usize {
        // SAFETY: By the invariant; nothing is read.
        unsafe { core::ptr::addr_of!((*self.ptr.as_ptr()).cb) }.addr()
    }

    fn file(&self) -> NonNull<File> {
        // CAST: The type is transparent.
        // SAFETY: By the invariant there is a file, so it is not null.
        unsafe { NonNull::new_unchecked(bindings::sync_file_file(self.ptr.as_ptr()).cast()) }
    }
}

impl Drop for SyncFile {
    fn drop(&mut self) {
        // SAFETY: By the invariant the reference is ours.
        drop(unsafe { ARef::<File>::from_raw(self.file()) });
    }
}
