// SPDX-License-Identifier: GPL-2.0-only

//! What C calls for files of each kind.

use super::{Reader, Writer};
use crate::{
    bindings::{self, file, file_operations, inode, loff_t},
    error::{code::EIO, Result},
    ffi::{c_char, c_int, c_void},
    fmt,
    seq_file::{seq_print, SeqFile},
    uaccess::{UserPtr, UserSlice, UserSliceReader},
};
use core::{marker::PhantomData, ptr::NonNull};

/// The functions for files whose data is a `T`.
///
/// # Invariants
///
/// They can be called on a file whose inode has a `T`.
pub(super) struct FileOps<T> {
    operations: file_operations,
    mode: bindings::umode_t,
    _data: PhantomData<fn(&T)>,
}

impl<T> FileOps<T> {
    /// # Safety
    ///
    /// As the invariant says.
    const unsafe fn new(operations: file_operations, mode: bindings::umode_t) -> Self {
        // INVARIANT: The caller says so.
        Self {
            operations,
            mode,
            _data: PhantomData,
        }
    }

    pub(super) fn mode(&self) -> bindings::umode_t {
        self.mode
    }

    pub(super) fn operations(&self) -> &file_operations {
        &self.operations
    }
}

/// How data is shown.
pub(super) trait Show<T> {
    fn show(data: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// How data takes what is written.
pub(super) trait Take<T> {
    fn take(data: &T, reader: &mut UserSliceReader) -> Result;
}

/// As the data itself says.
pub(super) struct Shown<T>(PhantomData<T>);

impl<T: Writer> Show<T> for Shown<T> {
    fn show(data: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        data.write(f)
    }
}

impl<T: Reader> Take<T> for Shown<T> {
    fn take(data: &T, reader: &mut UserSliceReader) -> Result {
        data.read_from_slice(reader)
    }
}

/// As two functions say, `F` and `W`; of which there is one value each.
pub(super) struct Told<T, F, W>(PhantomData<(T, F, W)>);

/// The value of a function, or of a closure that captures nothing.
///
/// # Safety
///
/// There is one.
unsafe fn only<F>() -> &'static F {
    const { assert!(size_of::<F>() == 0) };
    // SAFETY: It has no bytes, and there is a value: the caller's guarantee.
    unsafe { NonNull::dangling().as_ref() }
}

impl<T, F, W> Show<T> for Told<T, F, W>
where
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + 'static,
{
    fn show(data: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: Whoever makes a file with `F` passes one.
        let show = unsafe { only::<F>() };
        show(data, f)
    }
}

impl<T, F, W> Take<T> for Told<T, F, W>
where
    W: Fn(&T, &mut UserSliceReader) -> Result + 'static,
{
    fn take(data: &T, reader: &mut UserSliceReader) -> Result {
        // SAFETY: Whoever makes a file with `W` passes one.
        let take = unsafe { only::<W>() };
        take(data, reader)
    }
}

/// What `S` prints of data.
struct Print<'a, T, S>(&'a T, PhantomData<S>);

impl<T, S: Show<T>> fmt::Display for Print<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        S::show(self.0, f)
    }
}

/// # Safety
///
/// The file is being opened; its inode has a `T`, until calls fail.
unsafe extern "C" fn show_open<T: Sync, S: Show<T>>(inode: *mut inode, file: *mut file) -> c_int {
    // SAFETY: The caller's guarantee; `show()` is called in calls only.
    unsafe { bindings::single_open(file, Some(show::<T, S>), (*inode).i_private) }
}

/// # Safety
///
/// `seq` is of a file that `show_open()` has opened, in a call that did not fail.
unsafe extern "C" fn show<T: Sync, S: Show<T>>(
    seq: *mut bindings::seq_file,
    _: *mut c_void,
) -> c_int {
    // SAFETY: The caller's guarantee: the data lives during the call.
    let (data, seq) = unsafe { (&*(*seq).private.cast::<T>(), SeqFile::from_raw(seq)) };
    let data = Print(data, PhantomData::<S>);
    let print = || seq_print!(seq, "{}", data);
    match bindings::driver_code("a file of debugfs", print) {
        Some(()) => 0,
        None => EIO.to_errno(),
    }
}

fn take<T: Sync, S: Take<T>>(data: &T, buf: *const c_char, count: usize) -> isize {
    let from = UserPtr::from_ptr(buf.cast_mut().cast());
    let mut reader = UserSlice::new(from, count).reader();
    let take = || S::take(data, &mut reader);
    match bindings::driver_code("a file of debugfs", take).unwrap_or(Err(EIO)) {
        // CAST: A buffer is no larger than that.
        Ok(()) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// # Safety
///
/// The file was opened with `show_open()`, and this is a call that did not fail.
unsafe extern "C" fn write_shown<T: Sync, S: Take<T>>(
    file: *mut file,
    buf: *const c_char,
    count: usize,
    _pos: *mut loff_t,
) -> isize {
    // SAFETY: The caller's guarantee: the data lives during the call.
    let data = unsafe {
        &*(*(*file).private_data.cast::<bindings::seq_file>())
            .private
            .cast()
    };
    take::<T, S>(data, buf, count)
}

/// # Safety
///
/// The file was opened with `simple_open()`, and this is a call that did not fail.
unsafe extern "C" fn write<T: Sync, S: Take<T>>(
    file: *mut file,
    buf: *const c_char,
    count: usize,
    _pos: *mut loff_t,
) -> isize {
    // SAFETY: The caller's guarantee: the data lives during the call.
    take::<T, S>(unsafe { &*(*file).private_data.cast() }, buf, count)
}

/// Files that can be read.
pub(super) trait ReadFile<T> {
    const READ: FileOps<T>;
}

impl<T: Sync, S: Show<T>> ReadFile<T> for S {
    const READ: FileOps<T> = {
        let operations = file_operations {
            open: Some(show_open::<T, S>),
            read: Some(bindings::seq_read),
            llseek: Some(bindings::seq_lseek),
            release: Some(bindings::single_release),
            ..file_operations::NONE
        };
        // SAFETY: The inode has a `T`, and the rest is for what `show_open()` opens.
        unsafe { FileOps::new(operations, 0o400) }
    };
}

/// Files that can be written.
pub(super) trait WriteFile<T> {
    const WRITE: FileOps<T>;
}

impl<T: Sync, S: Take<T>> WriteFile<T> for S {
    const WRITE: FileOps<T> = {
        let operations = file_operations {
            open: Some(bindings::simple_open),
            write: Some(write::<T, S>),
            llseek: Some(bindings::noop_llseek),
            ..file_operations::NONE
        };
        // SAFETY: The inode has a `T`, which is what `simple_open()` finds.
        unsafe { FileOps::new(operations, 0o200) }
    };
}

/// Files that can be read and written.
pub(super) trait ReadWriteFile<T> {
    const READ_WRITE: FileOps<T>;
}

impl<T: Sync, S: Show<T> + Take<T>> ReadWriteFile<T> for S {
    const READ_WRITE: FileOps<T> = {
        let operations = file_operations {
            write: Some(write_shown::<T, S>),
            ..<S as ReadFile<T>>::READ.operations
        };
        // SAFETY: As of files that can be read; `write_shown()` too is for what that opens.
        unsafe { FileOps::new(operations, 0o600) }
    };
}
