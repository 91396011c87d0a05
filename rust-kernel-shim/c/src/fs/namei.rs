// SPDX-License-Identifier: GPL-2.0-only
//! Names of files: `/dev` and `/sys/kernel/debug`, in memory.
//!
//! C files mirrored, as far as this goes: [`fs/namei.c`](srctree/fs/namei.c),
//! [`fs/debugfs/inode.c`](srctree/fs/debugfs/inode.c)
//!
//! Each machine has its own names. A name that is removed waits for the calls that are in what it
//! leads to; a file that is open by it fails after that, if it is one of debugfs.

use super::{
    count::Count,
    file::{alloc_file, file, file_operations, fput, inode, opened},
};
use crate::{
    err_ptr,
    ffi::{c_char, c_int, c_uint, c_void},
    globals, init_waitqueue_head, kfree, krealloc_node_align, may_sleep, wait_event,
    wait_queue_head, wake_up_all, EACCES, EEXIST, EISDIR, ENODEV, ENOENT, ENOMEM, GFP_KERNEL,
    MAX_SCHEDULE_TIMEOUT, NUMA_NO_NODE,
};
use core::{
    ffi::CStr,
    ptr::{self, addr_of_mut, null, null_mut},
    slice::from_raw_parts,
};
use spin::mutex::SpinMutex;

/// A file system.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Root {
    /// Devices.
    Dev,
    /// What drivers show for debugging.
    Debugfs,
}

impl Root {
    fn prefix(self) -> &'static [u8] {
        match self {
            Root::Dev => b"/dev/",
            Root::Debugfs => b"/sys/kernel/debug/",
        }
    }
}

/// A name.
///
/// # Invariants
///
/// - `parent`, to which it has a reference, `next`, `children`, `users` and `dead` change under
///   `NAMES`. A name is on the list of its parent, or of all roots, until it is dead.
/// - `len` bytes of name stand behind it, in the same block.
#[repr(C)]
pub struct dentry {
    count: Count,
    machine: u64,
    root: Root,
    parent: *mut dentry,
    next: *mut dentry,
    children: *mut dentry,
    /// Null for a directory.
    fops: *const file_operations,
    inode: inode,
    /// Calls that are in what it leads to.
    users: usize,
    dead: bool,
    idle: wait_queue_head,
    len: usize,
}

/// The names of all machines that are in no directory.
struct Names(*mut dentry);

// SAFETY: Names may be used by any thread.
unsafe impl Send for Names {}

static NAMES: SpinMutex<Names> = SpinMutex::new(Names(null_mut()));

/// # Safety
///
/// `name` is valid.
unsafe fn name_of<'a>(name: *mut dentry) -> &'a [u8] {
    // SAFETY: By the invariant.
    unsafe { from_raw_parts(name.add(1).cast(), (*name).len) }
}

/// Where the list begins on which the names in `parent` are, or those that are in no directory.
///
/// # Safety
///
/// `parent` is valid or null; the result is used under the lock.
unsafe fn list(names: &mut Names, parent: *mut dentry) -> *mut *mut dentry {
    if parent.is_null() {
        return &mut names.0;
    }
    // SAFETY: It is valid: the caller's guarantee.
    unsafe { addr_of_mut!((*parent).children) }
}

/// Finds a name in a directory, or among those that are in none.
///
/// # Safety
///
/// As [`list`].
unsafe fn find(names: &mut Names, parent: *mut dentry, root: Root, name: &[u8]) -> *mut dentry {
    let machine = globals::with(|globals| globals.number);
    // SAFETY: The caller's guarantee; what is on a list is valid, under the lock.
    unsafe {
        let mut entry = *list(names, parent);
        while !entry.is_null()
            && ((*entry).machine != machine || (*entry).root != root || name_of(entry) != name)
        {
            entry = (*entry).next;
        }
        entry
    }
}

/// Makes a name; or returns an error pointer: -EEXIST, -ENOMEM, -ENOENT if the directory is being
/// removed, -EACCES if no path of debugfs can have it. May sleep.
///
/// # Safety
///
/// `parent` is a directory that is not removed during the call, or null; `fops` is valid until the
/// name is removed and no file is open by it, or null; `private` is what its functions need.
#[track_caller]
pub(super) unsafe fn create(
    root: Root,
    parent: *mut dentry,
    name: &CStr,
    private: *mut c_void,
    fops: *const file_operations,
) -> *mut dentry {
    let name = name.to_bytes();
    let nowhere = matches!(name, b"" | b"." | b"..") || name.contains(&b'/');
    if root == Root::Debugfs && nowhere {
        return err_ptr(EACCES);
    }
    let size = size_of::<dentry>() + name.len();
    // SAFETY: No block to replace. The memory is ours until it is on the list; what it is put on is
    // valid, under the lock.
    unsafe {
        let align = align_of::<dentry>();
        let new: *mut dentry =
            krealloc_node_align(null(), size, align, GFP_KERNEL, NUMA_NO_NODE).cast();
        if new.is_null() {
            return err_ptr(ENOMEM);
        }
        addr_of_mut!((*new).count).write(Count::new());
        (*new).machine = globals::with(|globals| globals.number);
        addr_of_mut!((*new).root).write(root);
        (*new).parent = parent;
        (*new).children = null_mut();
        (*new).fops = fops;
        (*new).inode.i_private = private;
        (*new).users = 0;
        (*new).dead = false;
        init_waitqueue_head(addr_of_mut!((*new).idle));
        (*new).len = name.len();
        ptr::copy_nonoverlapping(name.as_ptr(), new.add(1).cast(), name.len());
        let mut names = NAMES.lock();
        let error = if !parent.is_null() && (*parent).dead {
            ENOENT
        } else if !find(&mut names, parent, root, name).is_null() {
            EEXIST
        } else {
            // In the order in which they were made.
            let mut end = list(&mut names, parent);
            while !(*end).is_null() {
                end = addr_of_mut!((**end).next);
            }
            (*new).next = null_mut();
            *end = new;
            if !parent.is_null() {
                (*parent).count.get();
            }
            return new;
        };
        drop(names);
        kfree(new.cast());
        err_ptr(error)
    }
}

/// Removes a name and all that is in it, and gives the maker's reference back. Waits for the calls
/// that are in what they lead to; may sleep.
///
/// # Safety
///
/// `top` is from [`create`], and not used any more.
#[track_caller]
pub(super) unsafe fn remove(top: *mut dentry) {
    may_sleep();
    loop {
        // SAFETY: The names under `top` are valid, under the lock; the one that is taken off its
        // list is ours.
        unsafe {
            let victim = {
                let mut names = NAMES.lock();
                let mut victim = top;
                while !(*victim).children.is_null() {
                    victim = (*victim).children;
                }
                let mut at = list(&mut names, (*victim).parent);
                while *at != victim {
                    at = addr_of_mut!((**at).next);
                }
                *at = (*victim).next;
                (*victim).dead = true;
                victim
            };
            let idle = move || {
                let _names = NAMES.lock();
                (*victim).users == 0
            };
            wait_event(addr_of_mut!((*victim).idle), 0, MAX_SCHEDULE_TIMEOUT, idle);
            dput(victim);
            if victim == top {
                return;
            }
        }
    }
}

/// Gives a reference to a name back; null is allowed. From any context.
///
/// # Safety
///
/// The reference is the caller's.
pub(super) unsafe fn dput(mut name: *mut dentry) {
    // SAFETY: The reference is ours; the last one is not used any more, and had one to its parent.
    unsafe {
        while !name.is_null() && (*name).count.put() {
            let parent = (*name).parent;
            kfree(name.cast());
            name = parent;
        }
    }
}

/// A call is in what a name leads to.
pub(super) struct Active(*mut dentry);

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.is_null() {
            return;
        }
        // SAFETY: The caller of `active()` has a reference.
        unsafe {
            let idle = {
                let _names = NAMES.lock();
                (*self.0).users -= 1;
                (*self.0).users == 0
            };
            if idle {
                wake_up_all(addr_of_mut!((*self.0).idle));
            }
        }
    }
}

/// Enters what a name leads to; `None` if it was removed. A device's open files do not notice that.
///
/// C: `debugfs_file_get()`, and `misc_mtx` while a device is opened.
///
/// # Safety
///
/// `name` is null, or the caller has a reference as long as the result lives.
pub(super) unsafe fn active(name: *mut dentry, opening: bool) -> Option<Active> {
    // SAFETY: The caller has a reference.
    unsafe {
        if name.is_null() || (*name).root == Root::Dev && !opening {
            return Some(Active(null_mut()));
        }
        let _names = NAMES.lock();
        (!(*name).dead).then(|| {
            (*name).users += 1;
            Active(name)
        })
    }
}

/// Finds the name that a path leads to, and takes a reference; null if there is none.
fn lookup(path: &[u8]) -> *mut dentry {
    let mut names = NAMES.lock();
    let mut found: *mut dentry = null_mut();
    for root in [Root::Dev, Root::Debugfs] {
        let Some(path) = path.strip_prefix(root.prefix()) else {
            continue;
        };
        let parts = path.split(|&byte| byte == b'/').filter(|p| !p.is_empty());
        for part in parts {
            // SAFETY: Null at first, then what is on a list, under the lock.
            found = unsafe { find(&mut names, found, root, part) };
            if found.is_null() {
                break;
            }
        }
    }
    if !found.is_null() {
        // SAFETY: On a list, so it is valid.
        unsafe { (*found).count.get() };
    }
    found
}

/// Opens the file of a path, with one reference; or returns an error pointer: -ENOENT, -EISDIR for
/// a directory, -ENOMEM, or that of the file's maker. May sleep.
#[track_caller]
pub unsafe fn filp_open(path: *const c_char, flags: c_int, _mode: c_uint) -> *mut file {
    // SAFETY: `path` is NUL-terminated: the caller's guarantee.
    let name = lookup(unsafe { crate::from_char_ptr(path) }.to_bytes());
    if name.is_null() {
        return err_ptr(ENOENT);
    }
    // SAFETY: The reference is ours, and the file's if there is one; the file is ours until it is
    // returned.
    unsafe {
        let failed = move |error| {
            dput(name);
            err_ptr(error)
        };
        if (*name).fops.is_null() {
            return failed(EISDIR);
        }
        let Some(active) = active(name, true) else {
            return failed(if (*name).root == Root::Dev {
                ENODEV
            } else {
                ENOENT
            });
        };
        let file = alloc_file((*name).fops, flags.cast_unsigned());
        if file.is_null() {
            drop(active);
            return failed(ENOMEM);
        }
        let inode = addr_of_mut!((*name).inode);
        (*file).f_inode = inode;
        if (*name).root == Root::Dev {
            (*file).private_data = (*inode).i_private;
        }
        let result = (*(*name).fops).open.map_or(0, |open| open(inode, file));
        drop(active);
        if result != 0 {
            // It was never open, so there is nothing to release.
            (*file).f_op = &file_operations::NONE;
            fput(file);
            return failed(result.unsigned_abs());
        }
        (*file).f_dentry = name;
        opened(file);
        file
    }
}
