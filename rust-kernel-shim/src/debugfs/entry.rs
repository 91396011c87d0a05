// SPDX-License-Identifier: GPL-2.0-only

//! Names in debugfs that have an owner.

use super::file_ops::FileOps;
use crate::{
    bindings,
    ffi::c_void,
    str::{CStr, CStrExt as _},
    sync::Arc,
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{from_ref, null, null_mut},
};

/// A file or directory; dropping it removes it.
///
/// # Invariants
///
/// `entry` is null, an error pointer, or a name that this has made or borrows, and that is not removed
/// before it goes. What it is in lives for `'a`, or as long as `_parent`.
pub(super) struct Entry<'a> {
    entry: *mut bindings::dentry,
    _parent: Option<Arc<Entry<'static>>>,
    _in: PhantomData<&'a ()>,
}

// SAFETY: Any thread may remove a name.
unsafe impl Send for Entry<'_> {}

// SAFETY: What can be done by reference has a lock.
unsafe impl Sync for Entry<'_> {}

impl Entry<'static> {
    /// None at all.
    pub(super) fn empty() -> Self {
        Self::new(null_mut(), None)
    }

    fn new(entry: *mut bindings::dentry, _parent: Option<Arc<Self>>) -> Self {
        Self {
            entry,
            _parent,
            _in: PhantomData,
        }
    }

    /// A directory, at the top or in another one.
    pub(super) fn dir(name: &CStr, parent: Option<Arc<Self>>) -> Self {
        let within = parent.as_ref().map_or(null_mut(), |parent| parent.entry);
        // INVARIANT: Just made; `parent` is kept.
        // SAFETY: The name ends with a NUL; `within` is as C wants it, by the invariant.
        let entry = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), within) };
        Self::new(entry, parent)
    }

    /// A file.
    ///
    /// # Safety
    ///
    /// `data` lives longer than the entry.
    pub(super) unsafe fn owned_file<T>(
        name: &CStr,
        parent: Arc<Self>,
        data: &T,
        ops: &'static FileOps<T>,
    ) -> Self {
        // INVARIANT: Just made; `parent` is kept.
        // SAFETY: The caller's guarantee.
        let entry = unsafe { create_file(name, &parent, data, ops) };
        Self::new(entry, Some(parent))
    }
}

/// # Safety
///
/// `data` lives until the file is removed.
unsafe fn create_file<T>(
    name: &CStr,
    parent: &Entry<'_>,
    data: &T,
    ops: &'static FileOps<T>,
) -> *mut bindings::dentry {
    let data: *const c_void = from_ref(data).cast();
    // SAFETY: The name ends with a NUL; the parent is as C wants it, by the invariant; the functions
    // are static, and for such data.
    unsafe {
        bindings::debugfs_create_file_full(
            name.as_char_ptr(),
            ops.mode(),
            parent.entry,
            data.cast_mut(),
            null(),
            ops.operations(),
        )
    }
}

impl<'a> Entry<'a> {
    /// A directory in another one.
    pub(super) fn dir_in(name: &CStr, parent: &'a Entry<'_>) -> Self {
        Self {
            // INVARIANT: Just made; the parent lives for `'a`.
            // SAFETY: As in `dir()`.
            entry: unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent.entry) },
            _parent: None,
            _in: PhantomData,
        }
    }

    /// A file.
    pub(super) fn file<T>(
        name: &CStr,
        parent: &'a Entry<'_>,
        data: &'a T,
        ops: &'static FileOps<T>,
    ) -> Self {
        Self {
            // INVARIANT: Just made; the parent lives for `'a`.
            // SAFETY: So does the data.
            entry: unsafe { create_file(name, parent, data, ops) },
            _parent: None,
            _in: PhantomData,
        }
    }
}

impl Entry<'_> {
    /// The same one, which goes with this.
    pub(super) fn borrowed(&self) -> ManuallyDrop<Entry<'_>> {
        // INVARIANT: This is not removed while it is borrowed, nor by what is never dropped.
        ManuallyDrop::new(Entry {
            entry: self.entry,
            _parent: None,
            _in: PhantomData,
        })
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { bindings::debugfs_remove(self.entry) }
    }
}
