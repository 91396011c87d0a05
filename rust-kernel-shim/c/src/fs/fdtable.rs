// SPDX-License-Identifier: GPL-2.0-only
//! The table of descriptors: numbers by which a program knows its open files.
//!
//! C header: [`include/linux/file.h`](srctree/include/linux/file.h)
//!
//! A machine has one process, and so one table. The first three descriptors are the program's
//! input and output, which are no files of ours.

use super::file::{file, fput, get_file};
use crate::{
    ffi::{c_int, c_uint},
    globals, kfree, krealloc_node_align, may_sleep, EBADF, EMFILE, ENOMEM, GFP_KERNEL,
    NUMA_NO_NODE,
};
use core::{
    mem::replace,
    ptr::{null, null_mut, without_provenance_mut},
};
use spin::mutex::SpinMutex;

/// The first descriptor.
const FIRST: usize = 3;
/// The number of descriptors for which a new table has room.
const ROOM: usize = 64;
/// The limit at first: C's `INR_OPEN_MAX`, for descriptors.
const LIMIT: usize = 4096;

/// In the place of a file: the descriptor is reserved for one.
fn reserved() -> *mut file {
    without_provenance_mut(1)
}

/// A process' descriptors.
///
/// # Invariants
///
/// - `files` is null, or an array of `room` from `krealloc_node_align()`, and all are written.
/// - Each is null, reserved, or a file to which the table has a reference; `used` are not null.
pub(crate) struct Table {
    files: *mut *mut file,
    room: usize,
    used: usize,
    limit: usize,
}

// SAFETY: Files may be ended by any thread.
unsafe impl Send for Table {}

/// Under its lock.
pub(crate) struct Files(SpinMutex<Table>);

impl Files {
    pub(crate) const fn new() -> Self {
        Self(SpinMutex::new(Table {
            files: null_mut(),
            room: 0,
            used: 0,
            limit: LIMIT,
        }))
    }
}

impl Table {
    fn all(&mut self) -> &mut [*mut file] {
        if self.files.is_null() {
            return &mut [];
        }
        // SAFETY: By the invariant.
        unsafe { core::slice::from_raw_parts_mut(self.files, self.room) }
    }

    fn slot(&mut self, fd: c_uint) -> Option<&mut *mut file> {
        let at = (fd as usize).checked_sub(FIRST)?;
        self.all().get_mut(at)
    }

    /// Empties a descriptor; the array goes with the last one, and is to be freed then.
    fn vacate(&mut self, fd: c_uint) -> (*mut file, *mut *mut file) {
        let Some(slot) = self.slot(fd) else {
            return (null_mut(), null_mut());
        };
        let file = replace(slot, null_mut());
        if file.is_null() {
            return (file, null_mut());
        }
        self.used -= 1;
        if self.used != 0 {
            return (file, null_mut());
        }
        self.room = 0;
        (file, replace(&mut self.files, null_mut()))
    }
}

fn with<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    globals::with(|globals| f(&mut globals.files.0.lock()))
}

/// Reserves the lowest descriptor that is free: it, or -EMFILE or -ENOMEM. May sleep.
#[track_caller]
pub unsafe fn get_unused_fd_flags(_flags: c_uint) -> c_int {
    may_sleep();
    let mut spare: *mut *mut file = null_mut();
    let mut room = 0;
    let fd = loop {
        let (found, wanted) = with(|table| {
            let free = table.all().iter().position(|file| file.is_null());
            let at = free.unwrap_or(table.room);
            if at + FIRST >= table.limit {
                return (Some(-EMFILE.cast_signed()), 0);
            }
            if free.is_none() {
                let wanted = (table.room * 2).max(ROOM);
                if room < wanted {
                    return (None, wanted);
                }
                // SAFETY: `spare` has `room` places, more than there are, and is written whole.
                unsafe {
                    let old = table.all();
                    spare.copy_from_nonoverlapping(old.as_ptr(), old.len());
                    spare.add(old.len()).write_bytes(0, room - old.len());
                }
                // INVARIANT: Just written.
                spare = replace(&mut table.files, spare);
                table.room = room;
            }
            if let Some(slot) = table.all().get_mut(at) {
                *slot = reserved();
            }
            table.used += 1;
            (Some((at + FIRST) as c_int), 0)
        });
        if let Some(fd) = found {
            break fd;
        }
        // Another task may have taken what this one made room for.
        room = wanted;
        // SAFETY: Ours alone, until it is the table's.
        unsafe {
            kfree(spare.cast());
            let (size, align) = (room * size_of::<*mut file>(), align_of::<*mut file>());
            spare = krealloc_node_align(null(), size, align, GFP_KERNEL, NUMA_NO_NODE).cast();
        }
        if spare.is_null() {
            return -ENOMEM.cast_signed();
        }
    };
    // SAFETY: The table's old array, or one that was not needed, or null.
    unsafe { kfree(spare.cast()) };
    fd
}

/// Gives a descriptor back that is reserved and has no file. From any context.
pub unsafe fn put_unused_fd(fd: c_uint) {
    let (_, array) = with(|table| table.vacate(fd));
    // SAFETY: Not the table's any more, or null.
    unsafe { kfree(array.cast()) };
}

/// Has a reserved descriptor lead to a file: from now on a program can use it. From any context.
///
/// # Safety
///
/// The descriptor is reserved by the caller, and the reference to the file the caller's: both are
/// taken over.
pub unsafe fn fd_install(fd: c_uint, file: *mut file) {
    with(|table| {
        if let Some(slot) = table.slot(fd) {
            crate::WARN_ON!(*slot != reserved());
            *slot = file;
        }
    });
}

/// Returns the file of a descriptor, with a reference, or null. From any context.
pub unsafe fn fget(fd: c_uint) -> *mut file {
    with(|table| match table.slot(fd) {
        Some(&mut file) if !file.is_null() && file != reserved() => {
            // SAFETY: The table has a reference.
            unsafe { get_file(file) }
        }
        _ => null_mut(),
    })
}

/// Closes a descriptor: 0, or -EBADF. May sleep.
#[track_caller]
pub unsafe fn close_fd(fd: c_uint) -> c_int {
    let (file, array) = with(|table| match table.slot(fd) {
        Some(&mut file) if file != reserved() => table.vacate(fd),
        _ => (null_mut(), null_mut()),
    });
    if file.is_null() {
        return -EBADF.cast_signed();
    }
    // SAFETY: Neither is the table's any more.
    unsafe {
        kfree(array.cast());
        fput(file);
    }
    0
}

/// Sets how many descriptors there can be, the first three included; returns what it was.
///
/// C: `setrlimit(RLIMIT_NOFILE)`.
pub fn debug_set_nofile(limit: usize) -> usize {
    with(|table| replace(&mut table.limit, limit))
}
